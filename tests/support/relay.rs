//! What stands between viewers and a camera: takes connections, makes one to the camera for each, and has what each side
//! says carried by whom it serves.

use std::io::Result;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::rtsp::lock;

/// Carries what is said, until either side ends.
pub trait Carrier: Send + Sync + 'static {
    /// Of the camera on this machine; asked for each connection.
    fn camera_port(&self) -> u16;

    fn up(&self, viewer: &TcpStream, camera: &TcpStream) -> Result<()>;

    fn down(&self, camera: &TcpStream, viewer: &TcpStream, open: &Sockets) -> Result<()>;
}

/// All that are open, so that they can be closed from outside.
#[derive(Default)]
pub struct Sockets(Mutex<Vec<TcpStream>>);

impl Sockets {
    pub fn add(&self, socket: &TcpStream) -> Result<()> {
        lock(&self.0).push(socket.try_clone()?);
        Ok(())
    }

    fn close(&self) {
        for socket in lock(&self.0).drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Gone when dropped, with every connection.
pub struct Relay {
    address: SocketAddr,
    open: Arc<Sockets>,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    pub fn start(listener: TcpListener, carrier: Arc<impl Carrier>) -> Result<Self> {
        let address = listener.local_addr()?;
        let (open, stopping) = (Arc::<Sockets>::default(), Arc::<AtomicBool>::default());
        let accepting = std::thread::spawn({
            let (open, stopping) = (open.clone(), stopping.clone());
            move || accept(&listener, &carrier, &open, &stopping)
        });
        Ok(Self { address, open, stopping, accepting: Some(accepting) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and goes on listening.
    pub fn cut(&self) {
        self.open.close();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // wakes the accepting thread, which then sees the flag
        let _ = TcpStream::connect(self.address);
        self.cut();
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

fn accept(
    listener: &TcpListener,
    carrier: &Arc<impl Carrier>,
    open: &Arc<Sockets>,
    stopping: &Arc<AtomicBool>,
) {
    let mut threads = Vec::new();
    for viewer in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            break;
        }
        // a camera that is down refuses: the viewer's connection closes at once
        if let Ok(pair) = viewer.and_then(|viewer| connect(viewer, carrier, open)) {
            threads.extend(pair);
        }
    }
    open.close();
    for thread in threads {
        let _ = thread.join();
    }
}

fn connect(
    viewer: TcpStream,
    carrier: &Arc<impl Carrier>,
    open: &Arc<Sockets>,
) -> Result<[JoinHandle<()>; 2]> {
    let camera = TcpStream::connect(("127.0.0.1", carrier.camera_port()))?;
    open.add(&viewer)?;
    open.add(&camera)?;
    let (from_viewer, to_camera) = (viewer.try_clone()?, camera.try_clone()?);
    let (up, down, open) = (carrier.clone(), carrier.clone(), open.clone());
    Ok([
        std::thread::spawn(move || {
            let _ = up.up(&from_viewer, &to_camera);
            end(&from_viewer, &to_camera);
        }),
        std::thread::spawn(move || {
            let _ = down.down(&camera, &viewer, &open);
            end(&camera, &viewer);
        }),
    ])
}

/// Whichever way it ended, both sides know.
fn end(one: &TcpStream, other: &TcpStream) {
    for socket in [one, other] {
        let _ = socket.shutdown(Shutdown::Both);
    }
}
