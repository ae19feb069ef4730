//! How full the disk is, and whether that is worth a word. The figures come from the file system and the totals; what
//! follows from them is pure.
//!
//! Called by retention every second, so nothing here may cost more than a few small reads.

use std::path::Path;

use rustix::fs::statvfs;

use super::sql::{SqlContext, unsigned};
use super::{Store, connection, plan};
use crate::error::{Context, Kind, Result};
use crate::segment::State;

/// What recording needs to go on whatever the limits say: the open segments of many cameras, and the database's log.
const FLOOR_BYTES: u64 = 64 << 20;
/// On a small disk: this part of it.
const FLOOR_SHARE: u64 = 50;
/// Files that can still be created; a part of all, on a disk that has few.
const FLOOR_FILES: u64 = 64;
const FLOOR_FILES_SHARE: u64 = 8;

/// What the file system says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    pub size_bytes: u64,
    pub free_bytes: u64,
    /// 0 where the file system makes inodes as it needs them.
    pub files: u64,
    pub free_files: u64,
}

impl Disk {
    pub fn of(path: &Path) -> std::io::Result<Disk> {
        let found = statvfs(path)?;
        Ok(Disk {
            size_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            files: found.f_files,
            free_files: found.f_favail,
        })
    }

    pub fn floor_bytes(&self) -> u64 {
        (self.size_bytes / FLOOR_SHARE).min(FLOOR_BYTES)
    }

    fn floor_files(&self) -> u64 {
        (self.files / FLOOR_FILES_SHARE).min(FLOOR_FILES)
    }

    /// How many files must go, if so many can still be created.
    pub fn short_files(&self, free_files: u64) -> u64 {
        self.floor_files().saturating_sub(free_files)
    }
}

/// Space on the disk of the segment folder, and what of it is whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    /// Below it, footage goes to make room.
    pub min_free_bytes: u64,
    /// Segments that could go at any time, because S3 has them.
    pub uploaded_bytes: u64,
    /// Segments that only this disk has.
    pub waiting_bytes: u64,
    pub max_size_bytes: Option<u64>,
    /// Files that can still be created; `None` where that has no limit.
    pub free_files: Option<u64>,
    pub min_free_files: u64,
    /// Free space of the database's disk, where it is another one.
    pub database_free_bytes: Option<u64>,
    pub database_min_free_bytes: u64,
}

/// Why space is low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Low {
    Disk,
    Files,
    Backlog,
    Database,
}

impl Space {
    /// Announces trouble while there is time to act: at twice of what is kept free, and when un-uploaded segments
    /// take 80 % of the quota. What was announced is over a tenth later, or it would come and go with each segment.
    pub fn low(&self, announced: bool) -> Option<Low> {
        let below =
            |value: u64, limit: u64| value < limit.saturating_add(if announced { limit / 10 } else { 0 });
        if below(self.free_bytes, self.min_free_bytes.saturating_mul(2)) {
            return Some(Low::Disk);
        }
        if self.free_files.is_some_and(|free| below(free, self.min_free_files.saturating_mul(2))) {
            return Some(Low::Files);
        }
        let percent = if announced { 72 } else { 80 };
        if self.max_size_bytes.is_some_and(|max| self.waiting_bytes > max / 100 * percent) {
            return Some(Low::Backlog);
        }
        let database = self.database_free_bytes;
        let limit = self.database_min_free_bytes.saturating_mul(2);
        database.is_some_and(|free| below(free, limit)).then_some(Low::Database)
    }

    /// There is room again for more than the next segments: nothing has to be dropped soon.
    pub fn has_eased(&self) -> bool {
        let room = self.free_bytes.saturating_add(self.uploaded_bytes);
        let files = self.free_files.is_none_or(|free| free > self.min_free_files.saturating_mul(5) / 4);
        let quota = self.max_size_bytes.is_none_or(|max| self.waiting_bytes < max / 100 * 90);
        room > self.min_free_bytes.saturating_mul(5) / 4 && files && quota
    }
}

impl Store {
    /// Bytes free for us on the disk of the segment folder.
    pub fn free_bytes(&self) -> Result<u64> {
        Ok(self.disk()?.free_bytes)
    }

    pub(super) fn disk(&self) -> Result<Disk> {
        let folder = &self.inner.segments_dir;
        Disk::of(folder).context(Kind::Disk, || format!("read free space of {}", folder.display()))
    }

    /// How full the disk is.
    ///
    /// # Errors
    /// `Kind::Disk` where disk or database do not answer.
    pub fn space(&self) -> Result<Space> {
        let disk = self.disk()?;
        let (uploaded_bytes, waiting_bytes) = self.totals()?;
        let plan::Limits { min_free_bytes, max_size_bytes, .. } = self.inner.limits;
        let other = self.database_disk()?;
        Ok(Space {
            free_bytes: disk.free_bytes,
            min_free_bytes: min_free_bytes.max(disk.floor_bytes()),
            uploaded_bytes,
            waiting_bytes,
            max_size_bytes,
            free_files: (disk.files > 0).then_some(disk.free_files),
            min_free_files: disk.floor_files(),
            database_free_bytes: other.map(|disk| disk.free_bytes),
            database_min_free_bytes: other.map_or(0, |disk| disk.floor_bytes()),
        })
    }

    /// The disk of the database, if it is not that of the segments.
    fn database_disk(&self) -> Result<Option<Disk>> {
        use std::os::unix::fs::MetadataExt;
        // its folder: a database that somebody deleted is another trouble than this one
        let database = connection::parent(&self.inner.database).unwrap_or(Path::new("."));
        let folder = &self.inner.segments_dir;
        let what = || format!("read free space of {}", database.display());
        let device = |path: &Path| path.metadata().map(|found| found.dev());
        if device(database).context(Kind::Disk, what)? == device(folder).context(Kind::Disk, what)? {
            return Ok(None);
        }
        Disk::of(database).map(Some).context(Kind::Disk, what)
    }

    /// Bytes that are uploaded, and bytes that only this disk has.
    fn totals(&self) -> Result<(u64, u64)> {
        self.read(|connection| {
            let what = || "read used space";
            let mut statement = connection.prepare_cached("SELECT state, bytes FROM totals").sql(what)?;
            let rows = statement
                .query_map([], |row| Ok((super::sql::state(row, 0)?, unsigned(row, 1)?)))
                .sql(what)?;
            let (mut uploaded, mut waiting) = (0, 0);
            for row in rows {
                match row.sql(what)? {
                    (State::Uploaded, bytes) => uploaded += bytes,
                    (state, bytes) if state.has_file() => waiting += bytes,
                    _ => {}
                }
            }
            Ok((uploaded, waiting))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, bench, bench_with};
    use super::*;

    const ROOMY: Space = Space {
        free_bytes: 1000,
        min_free_bytes: 100,
        uploaded_bytes: 0,
        waiting_bytes: 0,
        max_size_bytes: None,
        free_files: Some(500),
        min_free_files: 10,
        database_free_bytes: None,
        database_min_free_bytes: 0,
    };

    #[test]
    fn low_space_is_announced_before_anything_has_to_go_and_takes_its_time_to_be_over() {
        let quota = Space { max_size_bytes: Some(1000), ..ROOMY };
        let database = Space { database_min_free_bytes: 50, ..ROOMY };
        for (space, first, announced) in [
            (ROOMY, None, None),
            (Space { free_bytes: 199, ..ROOMY }, Some(Low::Disk), Some(Low::Disk)),
            (Space { free_bytes: 200, ..ROOMY }, None, Some(Low::Disk)),
            (Space { free_bytes: 220, ..ROOMY }, None, None),
            (Space { free_files: Some(19), ..ROOMY }, Some(Low::Files), Some(Low::Files)),
            (Space { free_files: None, ..ROOMY }, None, None),
            (Space { waiting_bytes: 801, ..quota.clone() }, Some(Low::Backlog), Some(Low::Backlog)),
            (Space { waiting_bytes: 750, ..quota.clone() }, None, Some(Low::Backlog)),
            // a quota full of uploaded segments is how a large local buffer works
            (Space { uploaded_bytes: 1000, waiting_bytes: 20, ..quota }, None, None),
            (
                Space { database_free_bytes: Some(99), ..database.clone() },
                Some(Low::Database),
                Some(Low::Database),
            ),
            (Space { database_free_bytes: Some(500), ..database }, None, None),
            // no limit at all
            (Space { free_bytes: 0, min_free_bytes: 0, ..ROOMY }, None, None),
        ] {
            assert_eq!((space.low(false), space.low(true)), (first, announced), "{space:?}");
        }
    }

    #[test]
    fn room_has_come_back_when_more_than_the_next_segments_fit() {
        let quota = Space { max_size_bytes: Some(1000), ..ROOMY };
        for (space, eased) in [
            (ROOMY, true),
            (Space { free_bytes: 125, ..ROOMY }, false),
            (Space { free_bytes: 126, ..ROOMY }, true),
            (Space { free_bytes: 100, uploaded_bytes: 26, ..ROOMY }, true),
            (Space { free_files: Some(12), ..ROOMY }, false),
            (Space { waiting_bytes: 900, ..quota.clone() }, false),
            (Space { waiting_bytes: 899, ..quota }, true),
        ] {
            assert_eq!(space.has_eased(), eased, "{space:?}");
        }
    }

    #[test]
    fn the_figures_are_those_of_disk_and_rows() {
        let bench = bench_with(|config| config.max_size_bytes = Some(77));
        let run = bench.run("a");
        let (uploaded, waiting) = (bench.uploaded("a", run, HOUR), bench.segment("a", run, HOUR + 10));
        let space = bench.store.space().unwrap();
        assert!(space.free_bytes > 0 && space.min_free_bytes > 0, "{space:?}");
        assert_eq!((space.uploaded_bytes, space.waiting_bytes), (uploaded.bytes, waiting.bytes));
        assert_eq!((space.max_size_bytes, space.database_free_bytes), (Some(77), None));
    }

    #[test]
    fn the_disk_has_free_bytes() {
        assert!(bench().store.free_bytes().unwrap() > 0);
    }

    #[test]
    fn small_disks_keep_a_part_and_large_ones_an_amount() {
        let disk = |size_bytes, files| Disk { size_bytes, free_bytes: 0, files, free_files: 0 };
        assert_eq!(disk(50 << 20, 80).floor_bytes(), 1 << 20);
        assert_eq!(disk(1 << 40, 0).floor_bytes(), 64 << 20);
        assert_eq!((disk(1, 80).short_files(7), disk(1, 80).short_files(10)), (3, 0));
        assert_eq!((disk(1, 1 << 30).short_files(0), disk(1, 0).short_files(0)), (64, 0));
    }
}
