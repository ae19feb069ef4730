//! How many viewers there is room for.
//!
//! Called by the server when it binds. Low-latency players keep a connection each, and open files are what they
//! compete for with the recorder, so a quarter of these is theirs at most.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections at once; further ones wait in the kernel's queue.
const MOST: u64 = 1024;
/// Enough for these and for a hundred cameras.
const OPEN_FILES: u64 = 8192;

/// Raises the soft limit of open files where the hard one allows it: 1024, the usual one, is a relic of `select`.
pub fn places() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    let mut files = limit.current.unwrap_or(OPEN_FILES);
    if files < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).is_ok() {
        files = wanted;
    }
    usize::try_from((files / 4).clamp(16, MOST)).unwrap_or(256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_never_take_more_than_a_quarter_of_the_open_files() {
        let places = places();
        let files = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
        assert!(places >= 16 && (places as u64 <= files / 4 || places == 16), "{places} of {files}");
    }
}
