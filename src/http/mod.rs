//! The HTTP server: rows → viewers and operators.
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::ServerConfig;
use crate::error::Result;
use crate::segment::CameraName;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::store::Store;

/// One camera, as the server needs to know it.
#[derive(Clone, Debug)]
pub struct ServedCamera {
    pub name: CameraName,
    /// Target length of a segment, for TARGETDURATION.
    pub segment_duration: Duration,
}

/// A bound server; nothing is answered before [`Server::run`].
pub struct Server {}

impl Server {
    /// Binds the port, so that a port in use is an error at start. `cameras` in the order of the file.
    pub async fn bind(
        config: &ServerConfig,
        cameras: Vec<ServedCamera>,
        store: Store,
        board: Board,
    ) -> Result<Server> {
        todo!()
    }
    pub fn local_addr(&self) -> SocketAddr {
        todo!()
    }
    /// Serves until `shutdown`, then lets open answers finish within `drain`.
    pub async fn run(self, shutdown: Shutdown, drain: Duration) -> Result<()> {
        todo!()
    }
}
