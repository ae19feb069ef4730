//! A connection that gives up on a viewer who no longer takes bytes.
//!
//! Wrapped around every connection by the server. hyper limits how long a request may take to arrive; this
//! limits how long an answer may stand still, so that dead viewers do not hold their places for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Times out writes of `T` that make no progress for `limit`. Reads are passed through.
pub struct Patient<T> {
    inner: T,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    /// A write is being waited for.
    stuck: bool,
}

impl<T: AsyncWrite + Unpin> Patient<T> {
    pub fn new(inner: T, limit: Duration) -> Self {
        Self { inner, limit, deadline: Box::pin(sleep(limit)), stuck: false }
    }

    /// Starts the clock at the first answer "not now" and stops it at the next progress.
    fn limited<R>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if let ready @ Poll::Ready(_) = write(Pin::new(&mut self.inner), cx) {
            self.stuck = false;
            return ready;
        }
        if !self.stuck {
            self.stuck = true;
            self.deadline.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the viewer takes no more bytes")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.limited(cx, |inner, cx| inner.poll_write(cx, buffer))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.limited(cx, |inner, cx| inner.poll_write_vectored(cx, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.limited(cx, |inner, cx| inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.limited(cx, |inner, cx| inner.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_given_up() {
        let (near, _far) = duplex(8);
        let mut patient = Patient::new(near, LIMIT);
        let error = patient.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_slow_reader_is_waited_for() {
        let (near, mut far) = duplex(8);
        let mut patient = Patient::new(near, LIMIT);
        let reader = tokio::spawn(async move {
            // each byte comes well within the limit, all together far beyond it
            let mut pace = tokio::time::interval(LIMIT / 5);
            for _ in 0..16 {
                pace.tick().await;
                far.read_u8().await.unwrap();
            }
        });
        patient.write_all(&[0; 16]).await.unwrap();
        reader.await.unwrap();
    }
}
