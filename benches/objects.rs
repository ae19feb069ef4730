//! What an upload costs: the uploader alone works off full-sized segments, and its CPU is divided by their number.

use std::fmt;
use std::time::{Duration, Instant};

use cctv_s3_pipeline::error::Result;
use cctv_s3_pipeline::segment::Timestamp;
use serde::Serialize;

use super::support::backlog::{SEGMENT, open, seed};
use super::support::{Program, S3Options, S3Server, Settings, Workspace, eventually};
use super::{bucket, process};

const LIMIT: Duration = Duration::from_secs(180);
pub const BYTES: usize = 2_500_000;

#[derive(Clone, Debug, Serialize)]
pub struct Objects {
    pub count: usize,
    pub bytes: usize,
    /// Per object; HEAD or condition, PUT, verification and rows included.
    pub cpu_ms: f64,
    pub per_second: f64,
}

pub fn measure(count: usize) -> Result<Objects> {
    let bucket = bucket::folder()?;
    let mut s3 = S3Server::start(bucket.path(), S3Options::default())?;
    let mut settings = Settings::new(&s3);
    settings.set("logging.level", "info").camera_at("bench", "rtsp://127.0.0.1:1/", None);
    let workspace = Workspace::new(&settings, &s3);
    s3.stop();
    let first = Timestamp::now().minus(SEGMENT * u32::try_from(count + 6).unwrap_or(u32::MAX));
    seed(&open(&workspace)?, "bench", first, count, BYTES)?;
    let mut program = Program::start_with(&workspace, &["upload"]);
    program.wait_for_log(LIMIT, "ready");
    s3.start_again()?;
    let stored = || s3.all_commits().keys().filter(|key| key.ends_with(".ts")).count();
    // the first pay for the connection and the probe of the store
    eventually(LIMIT, "the first uploads", || stored() >= count / 10);
    let (before, began, cpu) = (stored(), Instant::now(), process::cpu_seconds(program.id())?);
    eventually(LIMIT, "the last uploads", || stored() >= count);
    let (done, cpu) = (count - before, process::cpu_seconds(program.id())? - cpu);
    let per_second = done as f64 / began.elapsed().as_secs_f64();
    program.sigterm();
    program.wait_exit(LIMIT);
    Ok(Objects { count: done, bytes: BYTES, cpu_ms: cpu * 1e3 / done.max(1) as f64, per_second })
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Objects { count, bytes, cpu_ms, per_second } = self;
        let mb = *bytes as f64 / 1e6;
        write!(f, "{count} objects of {mb:.1} MB: {cpu_ms:.2} ms of CPU each, {per_second:.0} a second")
    }
}
