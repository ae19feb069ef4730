//! The database's own room on the disk, because to give footage up rows must be written first: without it a disk that
//! somebody filled to the last byte could not be cleaned.
//!
//! It is twofold. The write-ahead log's blocks are allocated beyond its end, where nobody else can have them: rows go
//! there first, and for thousands of them that is enough. And a file of a few MB beside the database lets its blocks
//! go when SQLite finds none all the same (the database itself grows at a checkpoint, and its log is made anew at the
//! program's start). Opened by [`Store`] in a write that fails, taken by retention. Never holds data.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::Store;
use super::connection::beside;
use super::space::Disk;
use crate::error::{Context, Kind, Result};

/// Each: twice what the write-ahead log holds between two checkpoints.
const LARGEST_BYTES: u64 = 8 << 20;
/// On a small disk: this part of it.
const SHARE: u64 = 32;
/// It is taken only where this many of its size are free, or it would be what fills the disk.
const ROOM: u64 = 3;

fn path(database: &Path) -> PathBuf {
    beside(database, "reserve")
}

fn wanted(disk: &Disk) -> u64 {
    (disk.size_bytes / SHARE).min(LARGEST_BYTES)
}

/// Lets the room go if there is any and the disk is full. Returns whether a write may succeed now.
pub(super) fn open(database: &Path) -> bool {
    let path = path(database);
    let Ok(disk) = Disk::of(&path) else { return false };
    if disk.free_bytes >= wanted(&disk) {
        // it is not for want of space that the write failed
        return false;
    }
    match give_back(&path) {
        Ok(true) => {
            log::warn!("[store] the disk is full: the room kept for the database's rows is in use now");
            true
        }
        _ => false,
    }
}

/// The file stays: on a disk without inodes it could not be created again. The sync makes the file system really give
/// the blocks back.
fn give_back(path: &Path) -> io::Result<bool> {
    let file = OpenOptions::new().write(true).open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.set_len(0)?;
    file.sync_all()?;
    Ok(true)
}

impl Store {
    /// Takes the database's room on the disk if it is not taken and there is enough of it. Cheap while it is.
    pub fn keep_reserve(&self) -> Result<()> {
        let database = &self.inner.database;
        let what = || format!("keep room for {}", database.display());
        let disk = Disk::of(database).context(Kind::Disk, what)?;
        let wanted = wanted(&disk);
        if disk.free_bytes < ROOM * wanted {
            return Ok(());
        }
        extend_log(&log(database), wanted).context(Kind::Disk, what)?;
        let path = path(database);
        if path.metadata().is_ok_and(|file| file.len() == wanted) {
            return Ok(());
        }
        take(&path, wanted).context(Kind::Disk, what)
    }
}

fn log(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Blocks for so much of the log, whose length stays. SQLite locks other files than this one, so that opening and
/// closing it here costs no lock.
fn extend_log(log: &Path, bytes: u64) -> io::Result<()> {
    if log.metadata()?.blocks() * 512 >= bytes {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(log)?;
    match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        // where the file system cannot do it, the other half has to do
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        done => done.map_err(Into::into),
    }
}

fn take(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let taken = match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        // FAT and some network file systems
        Err(rustix::io::Errno::OPNOTSUPP) => fill(&mut file, bytes),
        taken => taken.map_err(Into::into),
    };
    let taken = taken.and_then(|()| file.set_len(bytes)).and_then(|()| file.sync_all());
    if taken.is_err() {
        // a part of it would count as none and only use up space
        let _ = file.set_len(0);
    }
    taken
}

fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(&zeros[..piece])?;
        left -= piece as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::bench;
    use super::*;

    #[test]
    fn the_room_is_kept_once_and_really_taken_from_the_disk() {
        let bench = bench();
        bench.store.keep_reserve().unwrap();
        let file = path(&bench.store.inner.database);
        let kept = file.metadata().unwrap();
        assert_eq!(kept.len(), wanted(&Disk::of(&file).unwrap()));
        assert!(kept.blocks() * 512 >= kept.len(), "a sparse file keeps no room: {} blocks", kept.blocks());
        bench.store.keep_reserve().unwrap();
        assert_eq!(file.metadata().unwrap().mtime_nsec(), kept.mtime_nsec(), "it was taken again");
    }

    #[test]
    fn the_logs_blocks_are_there_before_its_rows_and_outlive_a_checkpoint() {
        let bench = bench();
        let run = bench.run("a");
        let log = log(&bench.store.inner.database);
        let length = log.metadata().unwrap().len();
        bench.store.keep_reserve().unwrap();
        let kept = || log.metadata().unwrap().blocks() * 512;
        let wanted = wanted(&Disk::of(&log).unwrap());
        assert!(kept() >= wanted, "{} of {wanted}", kept());
        assert_eq!(log.metadata().unwrap().len(), length);
        bench.segment("a", run, super::super::testing::HOUR);
        bench.sql("PRAGMA wal_checkpoint(RESTART)");
        bench.segment("a", run, super::super::testing::HOUR + 10);
        assert!(kept() >= wanted, "{} of {wanted}", kept());
        assert_eq!(bench.store.verify().unwrap(), [""; 0]);
    }

    #[test]
    fn it_is_not_opened_while_the_disk_has_space_and_only_once() {
        let bench = bench();
        bench.store.keep_reserve().unwrap();
        let database = &bench.store.inner.database;
        assert!(!open(database), "another trouble than a full disk");
        assert!(give_back(&path(database)).unwrap());
        assert_eq!(path(database).metadata().unwrap().len(), 0);
        assert!(!give_back(&path(database)).unwrap(), "there is nothing left to give");
        bench.store.keep_reserve().unwrap();
        assert!(path(database).metadata().unwrap().len() > 0);
    }

    #[test]
    fn without_fallocate_it_is_filled_with_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(folder.path().join("reserve")).unwrap();
        fill(&mut file, (64 << 10) + 17).unwrap();
        assert_eq!(file.metadata().unwrap().len(), (64 << 10) + 17);
    }
}
