//! A port that stays one's own while nobody listens on it. Tests run side by side and take what is free: a server that is stopped would
//! find another in its place, and so would its clients.

use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// On the loopback interface. Connections are refused until a server that reuses addresses (`SO_REUSEADDR`), as all of ours do, is told to
/// listen on it; the system gives it to nobody else.
pub struct Port {
    number: u16,
    _socket: OwnedFd,
}

impl Port {
    /// 0 lets the system choose.
    pub fn hold(number: u16) -> Result<Self> {
        // programs that are started meanwhile must not hold it on
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, number)))?;
        let address = SocketAddr::try_from(getsockname(&socket)?).map_err(Error::from)?;
        Ok(Self { number: address.port(), _socket: socket })
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}
