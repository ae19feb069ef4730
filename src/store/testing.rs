//! What the store's tests share: a store in a folder of its own, and segments with real files.

use std::path::PathBuf;
use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::sql::SqlContext;
use super::{Inspected, Store};
use crate::config::{StorageConfig, UploadOrder};
use crate::error::{Error, Kind, Result};
use crate::segment::{
    CameraName, Cause, FileName, NewSegment, Prefix, RunId, Segment, SegmentId, State, Timestamp, Why,
};

/// 2025-11-23T13:00:00Z: the start of an hour.
pub(super) const HOUR: i64 = 1_763_902_800;

pub(super) struct Bench {
    pub store: Store,
    pub dir: tempfile::TempDir,
}

pub(super) fn config(dir: &tempfile::TempDir) -> StorageConfig {
    StorageConfig {
        local_buffer: Duration::from_secs(1800),
        segments_dir: dir.path().join("segments"),
        database: dir.path().join("segments.db"),
        max_size_bytes: None,
        min_free_bytes: 0,
    }
}

pub(super) fn bench() -> Bench {
    bench_with(|_| {})
}

pub(super) fn bench_with(change: impl FnOnce(&mut StorageConfig)) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir);
    change(&mut config);
    let store = Store::open(&config, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
    Bench { store, dir }
}

pub(super) fn cam(name: &str) -> CameraName {
    CameraName::new(name).unwrap()
}

pub(super) fn at(epoch: i64) -> Timestamp {
    Timestamp::from_seconds(epoch)
}

/// How a run ends that was asked to.
pub(super) fn stopped(reason: &str) -> Why {
    Why::new(Cause::ProgramDown, reason)
}

/// The inspector that finds ten seconds of good video in every file.
pub(super) fn playable(_: &std::path::Path) -> Result<Inspected> {
    Ok(Inspected { duration: Duration::from_secs(10), frames: 150, starts_with_keyframe: true })
}

impl Bench {
    /// A second handle, as another process would have it.
    pub fn reopen(&self) -> Store {
        Store::open(&config(&self.dir), &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap()
    }

    pub fn run(&self, camera: &str) -> RunId {
        self.store.begin_run(&cam(camera), at(HOUR)).unwrap()
    }

    pub fn file(&self, camera: &str, epoch: i64) -> PathBuf {
        self.store.camera_dir(&cam(camera)).unwrap().join(FileName::new(epoch).to_string())
    }

    /// Writes a file without a row.
    pub fn orphan(&self, camera: &str, epoch: i64, content: &[u8]) -> PathBuf {
        let path = self.file(camera, epoch);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A closed segment: file and row.
    pub fn segment(&self, camera: &str, run: RunId, epoch: i64) -> Segment {
        let content = format!("{camera} {epoch}").into_bytes();
        self.orphan(camera, epoch, &content);
        let new = NewSegment {
            camera: cam(camera),
            run,
            start: at(epoch),
            time_source: crate::segment::TimeSource::Arrival,
            duration: Duration::from_secs(10),
            bytes: content.len() as u64,
            md5: Md5::digest(&content).into(),
            sha256: Sha256::digest(&content).into(),
            file: FileName::new(epoch),
        };
        self.store.insert(&new).unwrap()
    }

    pub fn uploaded(&self, camera: &str, run: RunId, epoch: i64) -> Segment {
        let segment = self.segment(camera, run, epoch);
        self.store.begin_upload(segment.id).unwrap();
        self.store.finish_uploaded(segment.id, at(epoch + 20)).unwrap();
        self.again(&segment)
    }

    /// The row as it is now.
    pub fn again(&self, segment: &Segment) -> Segment {
        self.store.find(&segment.camera, segment.file).unwrap().unwrap()
    }

    pub fn state(&self, segment: &Segment) -> State {
        self.again(segment).state
    }

    pub fn sql(&self, sql: &str) {
        super::guard(&self.store.inner.writer).execute_batch(sql).unwrap();
    }
}

impl Store {
    /// Takes this one as the uploader takes those that are due, whatever its wait.
    pub fn begin_upload(&self, id: SegmentId) -> Result<()> {
        let (now, all) = (Timestamp::now(), usize::MAX);
        let this = |due: &mut Vec<Segment>| due.retain(|segment| segment.id == id);
        let taken = self.together("claim", |moves| moves.claim(now, UploadOrder::OldestFirst, all, this))?;
        match taken[..] {
            [] => Err(Error::new(Kind::Data, format!("row {} is not due", id.0))),
            _ => Ok(()),
        }
    }

    /// When and why a run ended.
    pub fn run_end(&self, run: RunId) -> (Option<Timestamp>, Option<String>) {
        let end = self.read(|connection| {
            let end =
                connection.query_row("SELECT ended_at, reason FROM runs WHERE id = ?1", [run.0], |row| {
                    Ok((row.get::<_, Option<i64>>(0)?.map(Timestamp::from_millis), row.get(1)?))
                });
            end.sql(|| "read run")
        });
        end.unwrap()
    }

    /// A moment from which nothing could be recorded, and why.
    pub fn note_outage(&self, camera: &CameraName, at: Timestamp, why: &Why) -> Result<()> {
        self.write("note outage", |tx| super::rows::note_outage(tx, camera, at, why))
    }
}
