//! hlssink2's segments become our files: names and start times when one opens, a row when it is closed.

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
use super::writer::{self, ClosedFile, SegmentFile};
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, FileName, NewSegment, RunId, TimeSource, Timestamp};
use crate::store::Store;

/// A segment whose file is being written.
pub struct OpenSegment {
    pub name: FileName,
    pub start: Timestamp,
    pub time_source: TimeSource,
    /// `Err` when the file could not be created: its bytes go nowhere.
    pub file: io::Result<SegmentFile>,
    /// Running time of its first frame, once `splitmuxsink-fragment-opened` told it.
    pub opened_at: Option<Duration>,
}

/// Segments whose streams were handed out, oldest first. GStreamer's messages name no file, so the n-th stream
/// belongs to the n-th `opened` and `closed`.
pub type SharedOpen = Arc<Mutex<VecDeque<OpenSegment>>>;

pub fn lock_open(open: &SharedOpen) -> MutexGuard<'_, VecDeque<OpenSegment>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the files of one run. Called on GStreamer's streaming thread.
pub struct Opener {
    camera: CameraName,
    store: Store,
    folder: PathBuf,
    clock: CameraClock,
    timeline: Mutex<Timeline>,
    /// The next segment's start, told by `format-location-full` just before `get-fragment-stream`.
    next_start: Mutex<Option<(Timestamp, TimeSource)>>,
}

impl Opener {
    pub fn new(camera: CameraName, store: Store) -> Result<Self> {
        let folder = store.camera_dir(&camera)?;
        Ok(Self {
            camera,
            store,
            folder,
            clock: CameraClock::default(),
            timeline: Mutex::default(),
            next_start: Mutex::default(),
        })
    }

    /// The camera's clock, to be read from its packets.
    pub fn camera_clock(&self) -> &CameraClock {
        &self.clock
    }

    /// Hooks into hlssink2: our own files instead of its own, no playlist of its, and each first frame's time.
    pub fn connect(self, pipeline: &gst::Pipeline, sink: &gst::Element, open: SharedOpen) -> Result<()> {
        let opener = Arc::new(self);
        let clock_of = pipeline.downgrade();
        let timer = opener.clone();
        splitmuxsink(sink)?.connect("format-location-full", false, move |values| {
            if let (Some(pipeline), Some(Ok(sample))) =
                (clock_of.upgrade(), values.get(2).map(|value| value.get::<gst::Sample>()))
            {
                timer.note_start(&pipeline, &sample);
            }
            // no location: hlssink2 goes on and asks for a stream
            Some(None::<String>.to_value())
        });
        sink.connect("get-fragment-stream", false, move |_| {
            let (segment, stream) = opener.open_next();
            lock_open(&open).push_back(segment);
            Some(stream.to_value())
        });
        sink.connect("get-playlist-stream", false, |_| {
            // playlists are made from rows; hlssink2's forgets everything at a restart
            Some(gio::MemoryOutputStream::new_resizable().upcast::<gio::OutputStream>().to_value())
        });
        Ok(())
    }

    fn note_start(&self, pipeline: &gst::Pipeline, sample: &gst::Sample) {
        let running_time = sample.buffer().and_then(|buffer| {
            let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
            segment.to_running_time(buffer.pts().or(buffer.dts()))
        });
        let (Some(running_time), Some(clock), Some(base)) =
            (running_time, pipeline.clock(), pipeline.base_time())
        else {
            return;
        };
        // the frame came this long ago by the pipeline's monotonic clock
        let age: Duration = clock.time().saturating_sub(base).saturating_sub(running_time).into();
        let measured = Measured { arrival: Timestamp::now().minus(age), camera: self.clock.at(running_time) };
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        let start = timeline.start_of(running_time.into(), measured);
        *self.next_start.lock().unwrap_or_else(PoisonError::into_inner) = Some(start);
    }

    fn open_next(&self) -> (OpenSegment, gio::OutputStream) {
        let told = self.next_start.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (start, time_source) = told.unwrap_or_else(|| (Timestamp::now(), TimeSource::Arrival));
        let mut name = FileName::new(start.epoch_seconds());
        let created = self.store.free_name(&self.camera, name).map_err(io::Error::other).and_then(|free| {
            name = free;
            writer::create(&self.folder.join(free.to_string()))
        });
        let (stream, file): (gio::OutputStream, _) = match created {
            Ok((writer, file)) => (gio::WriteOutputStream::new(writer).upcast(), Ok(file)),
            // let the bytes go: an error here would reach the camera's thread as a riddle, this way it is told
            Err(error) => (gio::WriteOutputStream::new(io::sink()).upcast(), Err(error)),
        };
        (OpenSegment { name, start, time_source, file, opened_at: None }, stream)
    }
}

/// Closes the file and makes what the row needs. `closed_at` is the running time after its last frame.
/// `Ok(None)`: the segment holds no frame and its file is gone.
pub fn close(
    segment: OpenSegment,
    closed_at: Duration,
    camera: &CameraName,
    run: RunId,
) -> (Option<NewSegment>, Option<Failure>) {
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
    // a cut-off file is shorter than its segment was: ask the file
    let duration = match &write_error {
        None => closed_at.saturating_sub(segment.opened_at.unwrap_or(closed_at)),
        Some(error) => match inspect(&path) {
            Ok(inspected) if inspected.frames > 0 => inspected.duration,
            // nothing in it plays: it gets no row, and the look for strays keeps it aside
            _ => return (None, Some(Failure::Disk(error.to_string()))),
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
    (Some(row), write_error.map(|error| Failure::Disk(error.to_string())))
}

/// The running time that a `splitmuxsink-fragment-…` message carries.
pub fn running_time(structure: &gst::StructureRef) -> Option<Duration> {
    structure.get::<gst::ClockTime>("running-time").ok().map(Into::into)
}

/// The splitmuxsink that does hlssink2's work; its messages and finer settings are not reachable otherwise.
pub fn splitmuxsink(sink: &gst::Element) -> Result<gst::Element> {
    let bin = sink.downcast_ref::<gst::Bin>().ok_or_else(|| {
        Error::new(Kind::Pipeline, "open hlssink2: it is not a bin in this GStreamer version")
    })?;
    bin.iterate_elements()
        .into_iter()
        .flatten()
        .find(|element| element.factory().is_some_and(|factory| factory.name() == "splitmuxsink"))
        .ok_or_else(|| Error::new(Kind::Pipeline, "open hlssink2: no splitmuxsink in this GStreamer version"))
}
