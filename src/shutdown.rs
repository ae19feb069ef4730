//! One stop signal that threads and tokio tasks both understand.
//!
//! Threads where GStreamer blocks wait with [`Shutdown::wait`]; tasks await [`Shutdown::requested`].

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Cloned to every thread and task of one part; [`Shutdown::request`] stops them all.
#[derive(Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    sleepers: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody who holds a clone to stop; a second call changes nothing.
    pub fn request(&self) {
        self.token.cancel();
        *self.sleepers.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.sleepers.1.notify_all();
    }

    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// For threads: sleeps `limit` or until the stop is requested. Returns whether it was.
    pub fn wait(&self, limit: Duration) -> bool {
        let guard = self.sleepers.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = self
            .sleepers
            .1
            .wait_timeout_while(guard, limit, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }

    /// For tasks: completes when the stop is requested.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_a_long_wait_at_once() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        let thread = std::thread::spawn(move || other.wait(Duration::from_secs(3600)));
        shutdown.request();
        assert!(thread.join().unwrap());
        assert!(shutdown.is_requested());
    }

    #[test]
    fn a_wait_without_a_request_ends_at_its_limit() {
        assert!(!Shutdown::new().wait(Duration::from_millis(5)));
    }
}
