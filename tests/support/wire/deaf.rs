//! A port that lets every connection attempt fall on the floor, as an address behind a firewall or a dead switch does.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

use super::Wire;
use crate::support::Camera;

/// Long enough for a connection on this machine.
const TRIED: Duration = Duration::from_millis(500);
/// Linux lets one more in than it was told; more than this and the trick does not work here.
const ENOUGH: usize = 8;

/// Its queue of connections is full, so the kernel drops further ones without a word.
pub struct DeafPort {
    listener: TcpListener,
    filling: Vec<TcpStream>,
}

impl DeafPort {
    pub fn new() -> std::io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))?;
        listen(&socket, 0)?;
        let listener = TcpListener::from(socket);
        let (address, mut filling) = (listener.local_addr()?, Vec::new());
        while let Ok(one) = TcpStream::connect_timeout(&address, TRIED) {
            filling.push(one);
            assert!(filling.len() < ENOUGH, "this kernel queues more connections than it was told");
        }
        Ok(Self { listener, filling })
    }

    pub fn url(&self) -> std::io::Result<String> {
        Ok(format!(
            "rtsp://{}{}?channel=1&subtype=0",
            self.listener.local_addr()?,
            super::super::camera::PATH
        ))
    }

    /// The port hears again, and this camera is behind it.
    pub fn hear(self, camera: &Camera) -> std::io::Result<Wire> {
        let Self { listener, filling } = self;
        listen(&listener, 128)?;
        drop(filling);
        Wire::on(listener, camera)
    }
}
