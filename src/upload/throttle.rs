//! `s3.max_upload_kbps`: one bucket of tokens for the bodies of all requests together.
//!
//! [`Tokens`] is pure and is told the time; [`Throttle`] waits. Used by the S3 client, which cuts bodies into pieces
//! and asks before each. It never drops or reorders bytes; the timeout of a request must allow for its waiting.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What an idle line may catch up: small, so that the limit holds over any second and not only over a day.
const BURST: Duration = Duration::from_millis(50);
/// The length of a piece, so that uploads side by side share the line evenly.
const PIECE: Duration = Duration::from_millis(50);
/// Smaller pieces cost more in work and headers of TCP than they smooth; larger ones are not read from disk either.
const PIECE_BYTES: std::ops::RangeInclusive<u64> = 1024..=256 * 1024;

/// When the next bytes may leave. Bytes pay after they were let go, so what is asked for is never larger than the
/// bucket.
#[derive(Debug)]
pub struct Tokens {
    bytes_per_second: u64,
    /// Everything that was let go until now is paid by then.
    paid: Instant,
}

impl Tokens {
    pub fn new(bytes_per_second: u64, now: Instant) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid: now }
    }

    /// Takes `bytes` and returns how long to wait before they are sent. Who asks first goes first.
    pub fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = self.paid.max(earliest);
        self.paid = start + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        start.saturating_duration_since(now)
    }
}

/// The limit of the whole program; shared by all requests.
#[derive(Debug)]
pub struct Throttle {
    bytes_per_second: u64,
    tokens: Mutex<Tokens>,
}

impl Throttle {
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, tokens: Mutex::new(Tokens::new(bytes_per_second, Instant::now())) }
    }

    /// Into what pieces a body is cut.
    pub fn piece_bytes(&self) -> usize {
        let piece = (self.bytes_per_second as f64 * PIECE.as_secs_f64()) as u64;
        usize::try_from(piece.clamp(*PIECE_BYTES.start(), *PIECE_BYTES.end())).unwrap_or(usize::MAX)
    }

    /// Waits until `bytes` may be sent.
    pub async fn pass(&self, bytes: usize) {
        let wait = self.lock().take(bytes as u64, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// How long a body of `bytes` may wait here in all, when `others` are under way at the same time.
    pub fn longest_wait(&self, bytes: u64, others: usize) -> Duration {
        let shares = others as f64 + 1.0;
        Duration::from_secs_f64(bytes as f64 * shares / self.bytes_per_second.max(1) as f64)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uploads side by side on a clock of their own: each asks for its next piece as soon as the last has left.
    /// Returns what left within `seconds`.
    fn sent(bytes_per_second: u64, uploads: usize, seconds: u64, late: Duration) -> u64 {
        let begin = Instant::now();
        let end = begin + Duration::from_secs(seconds);
        let throttle = Throttle::new(bytes_per_second);
        let piece = throttle.piece_bytes() as u64;
        let mut tokens = Tokens::new(bytes_per_second, begin);
        let mut free = vec![begin; uploads];
        let mut sent = 0;
        loop {
            let next = free.iter_mut().min().unwrap();
            if *next >= end {
                return sent;
            }
            // a timer of a loaded machine wakes late
            let leaves = *next + tokens.take(piece, *next) + late;
            if leaves < end {
                sent += piece;
            }
            *next = leaves;
        }
    }

    #[test]
    fn all_uploads_together_come_within_five_percent_of_the_limit() {
        for kbps in [64, 500, 2000, 20_000, 1_000_000] {
            let rate = kbps * 1000 / 8;
            for uploads in [1, 2, 5, 64] {
                for late in [Duration::ZERO, Duration::from_millis(2)] {
                    let share = sent(rate, uploads, 20, late) as f64 / (rate * 20) as f64;
                    // one upload alone that sends pieces of 2 ms cannot make up for waking 2 ms late each time
                    if late.is_zero() || kbps <= 20_000 {
                        assert!((0.95..1.05).contains(&share), "{kbps} kbps, {uploads} uploads: {share}");
                    } else {
                        assert!(share < 1.05, "{kbps} kbps, {uploads} uploads: {share}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_an_idle_line_saved_up_is_small() {
        let begin = Instant::now();
        let mut tokens = Tokens::new(1000, begin);
        let later = begin + Duration::from_secs(3600);
        let burst: u64 = (0..).take_while(|_| tokens.take(10, later).is_zero()).count() as u64 * 10;
        assert!(burst <= 70, "{burst} bytes at once at 1000 bytes a second");
    }

    #[test]
    fn pieces_are_small_on_a_slow_line_and_never_larger_than_a_read() {
        for (kbps, bytes) in [(64, 1024), (2000, 12_500), (10_000_000, 262_144)] {
            assert_eq!(Throttle::new(kbps * 1000 / 8).piece_bytes(), bytes, "{kbps} kbps");
        }
    }

    #[test]
    fn the_longest_wait_counts_everybody_on_the_line() {
        let throttle = Throttle::new(8000);
        assert_eq!(throttle.longest_wait(80_000, 0), Duration::from_secs(10));
        assert_eq!(throttle.longest_wait(80_000, 2), Duration::from_secs(30));
    }
}
