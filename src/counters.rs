//! What the parts count since the program's start, for `/metrics`. Counts, and decides nothing.
//!
//! On the notice board ([`crate::status::Board::counters`]), so that parts need to know nothing of metrics. What the
//! database can tell of all time is not counted here.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::segment::{CameraName, Cause};

/// Upper ends of the histogram's buckets, in seconds: a segment goes in a tenth of one on a good line, and anything
/// above ten is slower than the camera.
const UPLOAD_SECONDS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// Why an upload has to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// S3 cannot be reached, is slow or has troubles of its own.
    Link,
    /// Bucket, keys or rights are wrong.
    Misconfigured,
    /// Another write of the same object was under way.
    Conflict,
    /// S3 refuses this object, or its file cannot be read.
    Object,
}

impl RetryCause {
    pub const ALL: [RetryCause; 4] =
        [RetryCause::Link, RetryCause::Misconfigured, RetryCause::Conflict, RetryCause::Object];

    pub const fn as_str(self) -> &'static str {
        match self {
            RetryCause::Link => "link",
            RetryCause::Misconfigured => "misconfigured",
            RetryCause::Conflict => "conflict",
            RetryCause::Object => "object",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfCamera {
    pub camera: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfCause {
    pub camera: String,
    pub cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfRetry {
    pub cause: &'static str,
}

/// Clones share it.
#[derive(Clone)]
pub struct Counters {
    pub frames: Family<OfCamera, Counter>,
    pub bytes: Family<OfCamera, Counter>,
    pub segments: Family<OfCamera, Counter>,
    pub reconnects: Family<OfCause, Counter>,
    pub uploads: Counter,
    pub upload_bytes: Counter,
    pub upload_seconds: Histogram,
    pub retries: Family<OfRetry, Counter>,
}

impl Default for Counters {
    fn default() -> Counters {
        let retries = Family::<OfRetry, Counter>::default();
        // a rate needs the zero before the first
        for cause in RetryCause::ALL {
            drop(retries.get_or_create(&OfRetry { cause: cause.as_str() }));
        }
        Counters {
            frames: Family::default(),
            bytes: Family::default(),
            segments: Family::default(),
            reconnects: Family::default(),
            uploads: Counter::default(),
            upload_bytes: Counter::default(),
            upload_seconds: Histogram::new(UPLOAD_SECONDS),
            retries,
        }
    }
}

impl Counters {
    /// A camera that is there, and has done nothing yet.
    pub fn add_camera(&self, camera: &CameraName) {
        let of = of(camera);
        for family in [&self.frames, &self.bytes, &self.segments] {
            drop(family.get_or_create(&of));
        }
        // a rate needs the zero before the first
        for cause in Cause::ALL {
            let labels = OfCause { camera: camera.to_string(), cause: cause.as_str() };
            drop(self.reconnects.get_or_create(&labels));
        }
    }

    /// Frames that left the pipeline.
    pub fn frames(&self, camera: &CameraName, frames: u64) {
        self.frames.get_or_create(&of(camera)).inc_by(frames);
    }

    /// A segment that got its row.
    pub fn recorded(&self, camera: &CameraName, bytes: u64) {
        let of = of(camera);
        self.segments.get_or_create(&of).inc();
        self.bytes.get_or_create(&of).inc_by(bytes);
    }

    /// A run after the first, and why the one before it ended.
    pub fn reconnected(&self, camera: &CameraName, cause: Cause) {
        let labels = OfCause { camera: camera.to_string(), cause: cause.as_str() };
        self.reconnects.get_or_create(&labels).inc();
    }

    pub fn uploaded(&self, bytes: u64, took: Duration) {
        self.uploads.inc();
        self.upload_bytes.inc_by(bytes);
        self.upload_seconds.observe(took.as_secs_f64());
    }

    pub fn retried(&self, cause: RetryCause) {
        self.retries.get_or_create(&OfRetry { cause: cause.as_str() }).inc();
    }
}

fn of(camera: &CameraName) -> OfCamera {
    OfCamera { camera: camera.to_string() }
}
