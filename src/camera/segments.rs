//! Segments become files: a name and a start time when one opens, a row when it is closed.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::clock::CameraClock;
use super::failure::Failure;
use super::inspect::inspect;
use super::timeline::{Measured, Timeline};
use super::writer::{self, ClosedFile, SegmentFile, SegmentWriter};
use crate::error::Result;
use crate::segment::{CameraName, FileName, NewSegment, RunId, TimeSource, Timestamp};
use crate::store::Store;

/// A segment whose file is being written.
pub struct OpenSegment {
    pub name: FileName,
    pub start: Timestamp,
    pub time_source: TimeSource,
    /// `Err` when the file could not be created: its bytes go nowhere.
    pub file: io::Result<SegmentFile>,
    /// Running time of its first frame.
    pub opened_at: Duration,
    /// Running time of the next segment's first frame: all of this one is written.
    pub closed_at: Option<Duration>,
}

/// Segments of a run that are being written or wait to be closed, oldest first. The thread that writes packets adds, the camera's takes.
#[derive(Default)]
pub struct Open {
    segments: VecDeque<OpenSegment>,
    has_ended: bool,
}

pub type SharedOpen = Arc<Mutex<Open>>;

pub fn lock_open(open: &SharedOpen) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    /// The segment before ends where this one begins.
    pub fn begin(&mut self, segment: OpenSegment) {
        if let Some(before) = self.segments.back_mut() {
            before.closed_at = Some(segment.opened_at);
        }
        self.segments.push_back(segment);
    }

    /// Everything is written: the stream has ended.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The oldest segment, if it is written to its end.
    pub fn take_whole(&mut self) -> Option<OpenSegment> {
        let is_whole = self.segments.front().is_some_and(|segment| segment.closed_at.is_some());
        is_whole.then(|| self.segments.pop_front())?
    }

    /// Whatever is left. After the end the last segment is whole as well, up to this running time.
    pub fn take_rest(&mut self, end: Duration) -> VecDeque<OpenSegment> {
        if let (true, Some(last)) = (self.has_ended, self.segments.back_mut()) {
            last.closed_at = Some(end);
        }
        std::mem::take(&mut self.segments)
    }

    /// Why a file cannot be written, if one cannot.
    pub fn write_error(&self) -> Option<String> {
        self.segments.iter().find_map(|segment| match &segment.file {
            Ok(file) => file.write_error(),
            Err(error) => Some(error.to_string()),
        })
    }
}

/// Opens the files of one run. Called on GStreamer's streaming thread.
pub struct Opener {
    camera: CameraName,
    store: Store,
    folder: PathBuf,
    clock: CameraClock,
    timeline: Mutex<Timeline>,
}

impl Opener {
    pub fn new(camera: CameraName, store: Store) -> Result<Self> {
        let folder = store.camera_dir(&camera)?;
        Ok(Self { camera, store, folder, clock: CameraClock::default(), timeline: Mutex::default() })
    }

    /// The camera's clock, to be read from its packets.
    pub fn camera_clock(&self) -> &CameraClock {
        &self.clock
    }

    /// Opens the file of a segment whose first frame has this running time. Without a file its bytes have nowhere to go.
    pub fn open(&self, pipeline: &gst::Pipeline, at: gst::ClockTime) -> (OpenSegment, Option<SegmentWriter>) {
        let (start, time_source) = self.start_of(pipeline, at);
        let mut name = FileName::new(start.epoch_seconds());
        let created = self.store.free_name(&self.camera, name).map_err(io::Error::other).and_then(|free| {
            name = free;
            writer::create(&self.folder.join(free.to_string()))
        });
        let (writer, file) = match created {
            Ok((writer, file)) => (Some(writer), Ok(file)),
            // the bytes are let go: an error here would reach the camera's thread as a riddle, this way it is told
            Err(error) => (None, Err(error)),
        };
        (OpenSegment { name, start, time_source, file, opened_at: at.into(), closed_at: None }, writer)
    }

    fn start_of(&self, pipeline: &gst::Pipeline, at: gst::ClockTime) -> (Timestamp, TimeSource) {
        let (Some(clock), Some(base)) = (pipeline.clock(), pipeline.base_time()) else {
            return (Timestamp::now(), TimeSource::Arrival);
        };
        // the frame came this long ago by the pipeline's monotonic clock
        let age: Duration = clock.time().saturating_sub(base).saturating_sub(at).into();
        let measured = Measured { arrival: Timestamp::now().minus(age), camera: self.clock.at(at) };
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        timeline.start_of(at.into(), measured)
    }
}

/// Closes the file and makes what the row needs. Where nobody knows its end, the file itself is asked for its length.
/// No row: it holds no frame that plays. Its file is gone if it is empty; else recovery keeps it aside.
pub fn close(segment: OpenSegment, camera: &CameraName, run: RunId) -> (Option<NewSegment>, Option<Failure>) {
    let file = match segment.file {
        Ok(file) => file,
        Err(error) => return (None, Some(Failure::Disk(error.to_string()))),
    };
    let path = file.path().to_owned();
    let closed = match file.close() {
        Ok(closed) => closed,
        // the file stays without a row, and recovery adopts what it holds
        Err(error) => return (None, Some(Failure::Disk(format!("close {}: {error}", path.display())))),
    };
    if closed.bytes == 0 {
        let _ = std::fs::remove_file(&path);
        return (None, closed.write_error.map(|error| Failure::Disk(error.to_string())));
    }
    let ClosedFile { bytes, md5, sha256, write_error } = closed;
    let failure = write_error.as_ref().map(|error| Failure::Disk(error.to_string()));
    let duration = match segment.closed_at.filter(|_| write_error.is_none()) {
        Some(closed_at) => closed_at.saturating_sub(segment.opened_at),
        None => match inspect(&path) {
            Ok(inspected) if inspected.frames > 0 => inspected.duration,
            _ => {
                log::warn!("[{camera}] {} holds nothing that plays", path.display());
                return (None, failure);
            }
        },
    };
    let row = NewSegment {
        camera: camera.clone(),
        run,
        start: segment.start,
        time_source: segment.time_source,
        duration: duration.max(Duration::from_millis(1)),
        bytes,
        md5,
        sha256,
        file: segment.name,
    };
    (Some(row), failure)
}
