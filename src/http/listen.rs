//! Where the server listens: an address of the configuration, or the socket that systemd opened for it.
//!
//! Called by the composition root before anything is answered, so that a port in use is an error at start.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use tokio::net::TcpListener;

use crate::config::ServerConfig;
use crate::error::{Context, Error, Kind, Result};

/// A socket that was open before this program began; outlives a new life of all parts.
#[derive(Debug, Default)]
pub struct Inherited(Option<StdListener>);

impl Inherited {
    /// The first socket of `LISTEN_FDS` (sd_listen_fds(3)), where it is meant for this process.
    ///
    /// # Errors
    /// [`Kind::Config`]: it is no TCP socket that listens.
    pub fn take() -> Result<Inherited> {
        let what = || "take the socket from systemd; its unit needs ListenStream= with a TCP port".to_owned();
        let listener = listenfd::ListenFd::from_env().take_tcp_listener(0).context(Kind::Config, what)?;
        Ok(Inherited(listener))
    }

    /// Opens what the configuration says, unless there is a socket already.
    pub(super) async fn or_bind(&self, config: &ServerConfig) -> Result<(TcpListener, SocketAddr)> {
        let Some(inherited) = &self.0 else {
            return bind(SocketAddr::new(config.bind, config.port)).await;
        };
        let what = || "listen on the socket from systemd".to_owned();
        let listener = inherited.try_clone().context(Kind::Unreachable, what)?;
        listener.set_nonblocking(true).context(Kind::Unreachable, what)?;
        let listener = TcpListener::from_std(listener).context(Kind::Unreachable, what)?;
        let address = listener.local_addr().context(Kind::Unreachable, what)?;
        log::info!("[http] {address} comes from systemd; server.bind and server.port are not used");
        Ok((listener, address))
    }
}

/// The listener of `server.tls.redirect_port`.
pub(super) async fn redirecting(config: &ServerConfig) -> Result<Option<TcpListener>> {
    let Some(port) = config.tls.as_ref().and_then(|tls| tls.redirect_port) else { return Ok(None) };
    let (listener, address) = bind(SocketAddr::new(config.bind, port)).await?;
    log::info!("[http] http://{address} leads to https");
    Ok(Some(listener))
}

async fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(wanted).await.map_err(|cause| listen_error(wanted, cause))?;
    let address = listener.local_addr().map_err(|cause| listen_error(wanted, cause))?;
    Ok((listener, address))
}

fn listen_error(wanted: SocketAddr, cause: io::Error) -> Error {
    let (words, step) = match cause.kind() {
        io::ErrorKind::AddrInUse => ("address in use", "stop the other program or change server.port"),
        io::ErrorKind::PermissionDenied => ("not allowed", "choose a server.port above 1023"),
        io::ErrorKind::AddrNotAvailable => ("not an address of this machine", "change server.bind"),
        _ => return Error::with_source(Kind::Unreachable, format!("listen on {wanted}"), cause),
    };
    Error::new(Kind::Unreachable, format!("listen on {wanted}: {words}; {step}"))
}
