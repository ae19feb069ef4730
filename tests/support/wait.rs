//! Waiting for something to become true, with a limit and the reason why it is not true yet.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What a look can answer: `Option`, `bool`, or a `Result` whose error says what is still missing.
pub trait Look {
    type Found;
    fn found(self) -> Result<Self::Found, String>;
}

impl<T> Look for Option<T> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing yet".into())
    }
}

impl Look for bool {
    type Found = ();
    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("not yet".into()) }
    }
}

impl<T, E: Display> Look for Result<T, E> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Looks again and again until `look` finds it. Panics after `limit` with `what` and the last look's message.
#[track_caller]
pub fn eventually<L: Look>(limit: Duration, what: &str, mut look: impl FnMut() -> L) -> L::Found {
    let start = Instant::now();
    loop {
        match look().found() {
            Ok(found) => return found,
            Err(state) if start.elapsed() >= limit => {
                panic!("waited {:.1} s for {what}: {state}", start.elapsed().as_secs_f32())
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// The opposite of [`eventually`]: `look` must keep answering `Ok` for the whole of `span`.
#[track_caller]
pub fn throughout<E: Display>(span: Duration, what: &str, mut look: impl FnMut() -> Result<(), E>) {
    let start = Instant::now();
    while start.elapsed() < span {
        if let Err(state) = look() {
            panic!("{what} ended after {:.1} s: {state}", start.elapsed().as_secs_f32());
        }
        std::thread::sleep(PAUSE);
    }
}
