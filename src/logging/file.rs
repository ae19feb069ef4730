//! The rotated log file.
//!
//! Called by `logging` for every line. Nothing that goes wrong here after the start may reach the thread that
//! logs: it could be the one that saves footage.

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};

use crate::error::{Context, Kind, Result};

/// A file that failed is not tried again sooner.
const REOPEN_AFTER: Duration = Duration::from_secs(10);

/// `pipeline.log`, and its older parts `pipeline.log.1` (the newest of them), `.2`, ….
pub struct LogFile {
    path: PathBuf,
    max_size_bytes: usize,
    backup_count: usize,
    open: Mutex<Open>,
}

enum Open {
    Ready(FileRotate<AppendCount>),
    Failed(Instant),
}

impl LogFile {
    /// Creates the folder and opens or creates the file.
    pub fn open(path: &Path, max_size_bytes: u64, backup_count: usize) -> Result<LogFile> {
        let max_size_bytes = usize::try_from(max_size_bytes).unwrap_or(usize::MAX).max(1);
        let rotating = rotating(path, max_size_bytes, backup_count)?;
        let open = Mutex::new(Open::Ready(rotating));
        Ok(LogFile { path: path.to_owned(), max_size_bytes, backup_count, open })
    }

    /// Appends one line, rotating first when the file is full. Returns what to tell the user the moment the
    /// file stops working; while it does not work, lines are dropped.
    pub fn write(&self, line: &str) -> Option<String> {
        let mut open = self.lock()?;
        if let Open::Failed(at) = &*open {
            if at.elapsed() < REOPEN_AFTER {
                return None;
            }
            *open = match rotating(&self.path, self.max_size_bytes, self.backup_count) {
                Ok(rotating) => Open::Ready(rotating),
                Err(_) => Open::Failed(Instant::now()),
            };
        }
        let Open::Ready(rotating) = &mut *open else {
            return None;
        };
        // the crate asserts that nobody moves files under it; a person who does must not end a recording
        let cause = match catch_unwind(AssertUnwindSafe(|| rotating.write_all(line.as_bytes()))) {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its rotated files were changed by somebody else".to_owned(),
        };
        *open = Open::Failed(Instant::now());
        let path = self.path.display();
        Some(format!("write log file {path}: {cause}; lines are missing in it until it works again"))
    }

    /// A thread that panics may hold the lock already, below in [`LogFile::write`], while a panic hook logs:
    /// it must not wait for itself.
    fn lock(&self) -> Option<MutexGuard<'_, Open>> {
        if !std::thread::panicking() {
            return Some(self.open.lock().unwrap_or_else(PoisonError::into_inner));
        }
        match self.open.try_lock() {
            Ok(open) => Some(open),
            Err(TryLockError::Poisoned(open)) => Some(open.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Opens the file once by itself, because the crate's constructor would panic or ignore what is wrong.
fn rotating(path: &Path, max_size_bytes: usize, backup_count: usize) -> Result<FileRotate<AppendCount>> {
    let hint = || {
        let path = path.display();
        format!("open log file {path}; make it writable for this user or change logging.file")
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).context(Kind::Disk, hint)?;
    }
    OpenOptions::new().create(true).append(true).open(path).context(Kind::Disk, hint)?;
    Ok(FileRotate::new(
        path,
        AppendCount::new(backup_count),
        ContentLimit::BytesSurpassed(max_size_bytes),
        Compression::None,
        None,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_rotated_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/pipeline.log");
        let file = LogFile::open(&path, 100, 2).unwrap();
        for number in 0..50 {
            assert_eq!(file.write(&format!("line {number:02}, padded to thirty b\n")), None);
        }
        let logs = folder.path().join("logs");
        assert_eq!(names(&logs), ["pipeline.log", "pipeline.log.1", "pipeline.log.2"]);
        for name in names(&logs) {
            let text = std::fs::read_to_string(logs.join(name)).unwrap();
            assert!(text.len() <= 130 && text.ends_with('\n') && text.starts_with("line "), "{text}");
        }
        assert!(std::fs::read_to_string(&path).unwrap().contains("line 49"));
    }

    #[test]
    fn a_restart_appends_to_the_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipeline.log");
        for text in ["first\n", "second\n"] {
            assert_eq!(LogFile::open(&path, 1000, 1).unwrap().write(text), None);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named_with_the_key_to_change() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = LogFile::open(&folder.path().join("file/pipeline.log"), 100, 1).err().unwrap();
        assert_eq!(error.kind(), Kind::Disk);
        let text = error.to_string();
        assert!(text.contains("file/pipeline.log") && text.contains("change logging.file"), "{text}");
    }

    #[test]
    fn rotated_files_that_others_made_cost_lines_but_not_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipeline.log");
        let file = LogFile::open(&path, 10, 2).unwrap();
        assert_eq!(file.write("more than ten bytes\n"), None);
        // a folder in the place of the next rotated file: no rename can work
        std::fs::create_dir_all(folder.path().join("pipeline.log.1/x")).unwrap();
        let told = file.write("this one rotates\n").expect("the failure is told");
        assert!(told.contains("pipeline.log"), "{told}");
        assert_eq!(file.write("while it fails, lines are dropped\n"), None);
    }
}
