//! A port that is held is free for its owner's servers alone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, socket};

use crate::support::port::Port;

#[test]
fn a_held_port_refuses_until_its_owner_listens_and_the_system_gives_it_to_nobody() {
    let port = Port::hold(0).unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
    for _ in 0..2 {
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        // who asks for any port is given none that could not be taken this way
        let other = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        assert_eq!(bind(&other, &address), Err(Errno::ADDRINUSE));
        let server = TcpListener::bind(address).unwrap();
        TcpStream::connect(address).unwrap();
        drop(server.accept().unwrap());
    }
}
