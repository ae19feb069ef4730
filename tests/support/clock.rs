//! A wall clock of its own for the program: libfaketime in its process, steered through a file.
//!
//! Only the wall clock lies; the monotonic one, which waits and media time rest on, stays true.

use std::path::{Path, PathBuf};

use super::Workspace;

const LIBRARY: &str = "libfaketimeMT.so.1";

/// Set at will while the program runs; it goes on running from there.
pub struct WallClock {
    file: PathBuf,
}

impl WallClock {
    /// Gives every program started in this workspace from now on a clock that is `offset_s` seconds ahead of the true one.
    #[track_caller]
    pub fn install(workspace: &mut Workspace, offset_s: i64) -> WallClock {
        let library =
            library().unwrap_or_else(|| panic!("{LIBRARY} is missing: sudo apt-get install faketime"));
        let clock = WallClock { file: workspace.path().join("wall-clock") };
        clock.set(offset_s);
        workspace.set_env("LD_PRELOAD", &library.to_string_lossy());
        workspace.set_env("FAKETIME_TIMESTAMP_FILE", &clock.file.to_string_lossy());
        // the file is read again at every question, or a step would come a second late
        workspace.set_env("FAKETIME_NO_CACHE", "1");
        workspace.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        workspace.set_env("DONT_FAKE_MONOTONIC", "1");
        workspace.set_env("NO_FAKE_STAT", "1");
        clock
    }

    /// Sets the clock, as NTP or a person does: at once.
    pub fn set(&self, offset_s: i64) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset_s:+}\n")).expect("a folder of our own is writable");
        // never half a file
        std::fs::rename(&new, &self.file).expect("a folder of our own is writable");
    }
}

/// Debian keeps it in a folder of the architecture.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let mut found = folders.map(|folder| folder.join("faketime").join(LIBRARY));
    found.find(|path: &PathBuf| Path::exists(path))
}
