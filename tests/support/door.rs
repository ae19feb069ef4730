//! Takes the connections that come to a port, in a thread of its own.

use std::io::Result;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Shut when dropped: nobody is taken any more, and the port refuses.
pub struct Door {
    address: SocketAddr,
    shutting: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    pub fn open(listener: TcpListener, mut take: impl FnMut(TcpStream) + Send + 'static) -> Result<Self> {
        let address = listener.local_addr()?;
        let shutting = Arc::<AtomicBool>::default();
        let thread = std::thread::Builder::new().name(format!("door-{}", address.port())).spawn({
            let shutting = shutting.clone();
            move || {
                for stream in listener.incoming() {
                    if shutting.load(Ordering::SeqCst) {
                        break;
                    }
                    // who is gone already need not be taken
                    let _ = stream.map(&mut take);
                }
            }
        })?;
        Ok(Self { address, shutting, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shutting.store(true, Ordering::SeqCst);
        // wakes the thread, which then sees the flag
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            // a panic there has been printed already
            let _ = thread.join();
        }
    }
}
