//! A connection that can be spoilt below HTTP: reset, or filled with rubbish.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const RUBBISH: &[u8] = b"\x00\x7f\x15SSH-2.0 not what was asked for\r\n\x00\xff\xfe\r\n\r\n";

/// What becomes of a connection; the handler of its requests decides, the socket obeys.
#[derive(Clone, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

const RESET: u8 = 1;
const GARBAGE: u8 = 2;

impl Fate {
    /// The connection ends with a reset instead of an orderly close.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::SeqCst);
    }

    /// The next answer is no HTTP, and the connection ends.
    pub(super) fn garbage(&self) {
        self.0.store(GARBAGE, Ordering::SeqCst);
    }

    fn is(&self, fate: u8) -> bool {
        self.0.load(Ordering::SeqCst) == fate
    }
}

pub(super) struct Socket {
    stream: TcpStream,
    fate: Fate,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, fate: Fate) -> Self {
        Self { stream, fate }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.fate.is(RESET) {
            // a connection that is gone already cannot be reset
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.fate.is(GARBAGE) {
            ready!(Pin::new(&mut self.stream).poll_write(context, RUBBISH))?;
            return Poll::Ready(Err(io::Error::other("the test asked for rubbish")));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fate.is(RESET) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
