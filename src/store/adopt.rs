//! Gives a file that has no row its row: what a crash, or a failed write of the row, left behind.
//!
//! Called by recovery for all cameras at start, and by a camera's thread for its own camera between two runs;
//! either way no file of that camera is open. Never deletes footage (of a torn
//! end it keeps what is whole), and never stops for a single file: what
//! cannot be read now stays where it is for a later try.

use std::path::Path;

use super::{Inspected, Recovered, Store, files, gaps, rows};
use crate::error::{Kind, Result};
use crate::segment::{CameraName, FileName, NewSegment, RunId, TimeSource, Timestamp, Why};

/// A start after a lost database adopts for minutes; somebody may be watching the log.
const PROGRESS_EVERY: usize = 500;

/// How the look at one file ended.
enum Look {
    Playable(files::Hashes, Inspected),
    /// Where it is now.
    Aside(String),
    Empty,
}

impl Store {
    /// Adopts the files of one camera that have no row, as [`Store::recover_files`] does, and returns how many.
    ///
    /// Only the camera's own thread may call it, with [`super::Role::Capture`] held and no file of the camera open.
    pub fn adopt_strays(
        &self,
        camera: &CameraName,
        inspect: &dyn Fn(&Path) -> Result<Inspected>,
    ) -> Result<usize> {
        self.require_marker()?;
        let expected = self.expected_files(camera)?;
        let mut strays = Vec::new();
        for (file, bytes) in files::segment_files(&self.inner.segments_dir, camera)? {
            if !expected.contains_key(&file) && self.find(camera, file)?.is_none() {
                strays.push((file, bytes));
            }
        }
        let mut recovered = Recovered::default();
        self.adopt(camera, &strays, inspect, &mut recovered)?;
        Ok(recovered.adopted)
    }

    /// One run for all of one camera, so that a playlist shows one break.
    pub(super) fn adopt(
        &self,
        camera: &CameraName,
        orphans: &[(FileName, u64)],
        inspect: &dyn Fn(&Path) -> Result<Inspected>,
        recovered: &mut Recovered,
    ) -> Result<()> {
        let mut last: Option<(RunId, Timestamp)> = None;
        for (index, (file, bytes)) in orphans.iter().enumerate() {
            let path = self.file_path(camera, *file);
            let (hashes, media) = match self.look(camera, *file, *bytes, inspect) {
                Ok(Look::Playable(hashes, media)) => (hashes, media),
                Ok(Look::Aside(report)) => {
                    log::warn!("[store] {report}");
                    recovered.unplayable += 1;
                    continue;
                }
                Ok(Look::Empty) => {
                    log::info!("[store] removed {}: it is empty, opened just before a crash", path.display());
                    recovered.empty += 1;
                    continue;
                }
                // the looking failed, not the file: no other file would fare better
                Err(error) if error.kind() == Kind::Pipeline => return Err(error),
                Err(error) => {
                    log::error!(
                        "[store] adopt {file} of {camera}: {error}; it stays on disk, check the disk: \
                         the next start tries again"
                    );
                    continue;
                }
            };
            let followers = orphans.len() - index - 1;
            let run = last.map(|(run, _)| run);
            last = Some(self.adopt_one(camera, *file, &hashes, &media, run, followers)?);
            recovered.adopted += 1;
            if recovered.adopted.is_multiple_of(PROGRESS_EVERY) {
                log::info!("[store] adopted {} files so far", recovered.adopted);
            }
        }
        last.map_or(Ok(()), |(run, end)| {
            let why = self.read(|connection| gaps::why_before(connection, camera, run))?;
            self.end_run(run, end, &Why::new(why.cause, format!("adopted after a crash: {}", why.reason)))
        })
    }

    /// Everything about one file that the database has no part in. A file that plays is synced here, because the
    /// order is the same as at a normal close: file synced, folder synced, row.
    fn look(
        &self,
        camera: &CameraName,
        file: FileName,
        bytes: u64,
        inspect: &dyn Fn(&Path) -> Result<Inspected>,
    ) -> Result<Look> {
        let path = self.file_path(camera, file);
        if bytes == 0 {
            files::remove(&path)?;
            return Ok(Look::Empty);
        }
        files::cut_broken_tail(&path)?;
        // before anything is concluded from the media: a file that the disk does not give is not "no video"
        let hashes = files::hash(&path)?;
        let trouble = match inspect(&path) {
            Ok(media) if media.frames > 0 => {
                files::sync(&path)?;
                path.parent().map_or(Ok(()), files::sync)?;
                return Ok(Look::Playable(hashes, media));
            }
            Ok(_) => "it holds no frame".to_owned(),
            Err(error) if error.kind() == Kind::Pipeline => return Err(error),
            Err(error) => error.to_string(),
        };
        let aside = files::move_aside(&self.inner.segments_dir, camera, file)?;
        Ok(Look::Aside(format!("moved {} to {}: {trouble}", path.display(), aside.display())))
    }

    /// Writes the row, and the run if this is its first. Returns the run, which exists from here on, and the
    /// segment's end.
    fn adopt_one(
        &self,
        camera: &CameraName,
        file: FileName,
        hashes: &files::Hashes,
        media: &Inspected,
        run: Option<RunId>,
        followers: usize,
    ) -> Result<(RunId, Timestamp)> {
        let named = Timestamp::from_seconds(file.epoch_seconds());
        let segment = self.write("adopt segment", |tx| {
            let start = gaps::start_within(tx, camera, named)?;
            let run = run.map_or_else(|| rows::begin_run(tx, camera, start), Ok)?;
            let new = NewSegment {
                camera: camera.clone(),
                run,
                start,
                time_source: TimeSource::Name,
                duration: media.duration,
                bytes: hashes.bytes,
                md5: hashes.md5,
                sha256: hashes.sha256,
                file,
            };
            self.insert_in(tx, &new, followers)
        })?;
        log::debug!("[store] adopted {file} of {camera}, {:.1} s of video", media.duration.as_secs_f64());
        Ok((segment.run, segment.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, at, bench, cam, playable, stopped};
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_file_that_cannot_be_read_stays_and_the_others_are_adopted() {
        let bench = bench();
        let unreadable = bench.orphan("a", HOUR, b"on a bad sector");
        bench.orphan("a", HOUR + 10, b"good");
        // a link to nothing is listed, then cannot be opened, like a file on a bad sector
        let inspect = |path: &Path| {
            if path == unreadable {
                std::fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("nowhere", path).unwrap();
            }
            playable(path)
        };
        let recovered = bench.store.recover_files(at(HOUR + 60), &inspect).unwrap();
        assert_eq!(recovered, Recovered { adopted: 1, ..Recovered::default() });
        assert!(std::fs::symlink_metadata(&unreadable).is_ok(), "it is kept for a later try");
        let rows = bench.store.newest(&cam("a"), 9).unwrap();
        assert_eq!(rows.iter().map(|row| row.start).collect::<Vec<_>>(), [at(HOUR + 10)]);
    }

    #[test]
    fn a_decoder_that_does_not_work_stops_the_start_and_blames_no_file() {
        let bench = bench();
        let file = bench.orphan("a", HOUR, b"good");
        let broken = |_: &Path| Err(Error::new(Kind::Pipeline, "no element tsdemux"));
        assert_eq!(bench.store.recover_files(at(HOUR + 60), &broken).unwrap_err().kind(), Kind::Pipeline);
        assert!(file.exists());
    }

    #[test]
    fn the_strays_of_one_camera_are_adopted_while_another_one_records() {
        let bench = bench();
        let run = bench.run("a");
        let first = bench.segment("a", run, HOUR);
        let gone = bench.uploaded("a", run, HOUR + 10);
        bench.sql(&format!("UPDATE segments SET state = 'cleaned' WHERE id = {}", gone.id.0));
        bench.store.end_run(run, at(HOUR + 20), &stopped("stopped")).unwrap();
        bench.orphan("a", HOUR + 20, b"its row was refused");
        let open = bench.orphan("b", HOUR + 20, b"being written");
        assert_eq!(bench.store.adopt_strays(&cam("a"), &playable).unwrap(), 1);
        let newest = bench.store.newest(&cam("a"), 1).unwrap().remove(0);
        let place =
            (newest.start, newest.sequence - first.sequence, newest.discontinuity - first.discontinuity);
        assert_eq!(place, (at(HOUR + 20), 2, 1));
        assert!(bench.store.run_end(newest.run).0.is_some());
        assert_eq!(bench.store.adopt_strays(&cam("a"), &playable).unwrap(), 0);
        assert!(open.exists() && bench.store.newest(&cam("b"), 9).unwrap().is_empty());
    }

    #[test]
    fn a_run_that_was_rolled_back_is_not_used_for_the_next_file() {
        let bench = bench();
        bench.orphan("a", HOUR, b"good");
        bench
            .sql("CREATE TRIGGER refuse BEFORE INSERT ON segments BEGIN SELECT raise(ABORT, 'refused'); END");
        bench.store.adopt_strays(&cam("a"), &playable).unwrap_err();
        bench.sql("DROP TRIGGER refuse");
        assert_eq!(bench.store.adopt_strays(&cam("a"), &playable).unwrap(), 1);
        assert_eq!(bench.store.verify().unwrap(), [""; 0]);
    }
}
