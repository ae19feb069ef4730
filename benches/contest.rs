//! Recorders of the same camera, each started, watched in its steady state and stopped.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use serde::Serialize;

use super::process::{self, Cost};
use super::rival::{self, Rival};
use super::support::program::files_under;
use super::support::tools::video_stream;
use super::support::{Camera, Program, S3Options, S3Server, Settings, Workspace, eventually};

/// The first segment takes 10 s and a keyframe; a loaded machine starts slowly.
const FIRST_SEGMENT: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Transcode,
    Passthrough,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Recorder {
    Ours,
    /// The same elements, started by `gst-launch-1.0`: no rows, no upload, no server.
    Graph,
    Ffmpeg,
}

impl Recorder {
    pub const ALL: [Recorder; 3] = [Recorder::Ours, Recorder::Graph, Recorder::Ffmpeg];
}

/// One window of one recorder, and one of its segments, to see that both did the same work.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub mode: Mode,
    pub recorder: Recorder,
    /// CPU-seconds per second of stream.
    pub cpu: f64,
    pub peak_rss_mib: f64,
    pub rss_mib: f64,
    pub threads: u64,
    pub others_cores: f64,
    pub segment_width: u64,
    pub segment_frames: u64,
    pub segment_bytes: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { cpu, peak_rss_mib, rss_mib, threads, others_cores, .. } = self;
        write!(
            f,
            "{:<11} {:<6} {cpu:.4} CPU-s/s, {rss_mib:.0} MiB (peak {peak_rss_mib:.0}), {threads} threads; a segment: {} frames {} wide, \
             {:.2} MB; others took {others_cores:.2} cores",
            format!("{:?}", self.mode).to_lowercase(),
            format!("{:?}", self.recorder).to_lowercase(),
            self.segment_frames,
            self.segment_width,
            self.segment_bytes as f64 / 1e6
        )
    }
}

/// Starts the recorder, waits for its first closed segment, and watches it for so long.
pub fn measure(recorder: Recorder, mode: Mode, camera: &Camera, seconds: u64) -> Result<Sample> {
    match recorder {
        Recorder::Ours => ours(mode, camera, seconds),
        Recorder::Graph | Recorder::Ffmpeg => rival(recorder, mode, camera, seconds),
    }
}

fn ours(mode: Mode, camera: &Camera, seconds: u64) -> Result<Sample> {
    let bucket = tempfile::tempdir().context(Kind::Disk, || "make a folder for the bucket")?;
    let s3 = S3Server::start(bucket.path(), S3Options::default())?;
    let workspace = Workspace::new(&settings(mode, camera, &s3), &s3);
    let mut program = Program::start(&workspace);
    eventually(FIRST_SEGMENT, "our first uploaded segment", || {
        !workspace.rows("SELECT id FROM segments WHERE state = 'uploaded'").is_empty()
    });
    let cost = process::watch(program.id(), seconds)?;
    program.sigterm();
    program.wait_exit(END);
    sample(Recorder::Ours, mode, cost, &workspace.segment_files())
}

/// As in production, but for the ports and folders.
fn settings(mode: Mode, camera: &Camera, s3: &S3Server) -> Settings {
    let mut settings = Settings::new(s3);
    settings
        .set("capture.mode", if mode == Mode::Transcode { "transcode" } else { "passthrough" })
        .set("capture.resolution", "1280x720")
        .set("capture.bitrate_kbps", 1500)
        .set("capture.segment_duration", 10)
        .set("logging.level", "info")
        .camera("bench", camera);
    settings
}

fn rival(recorder: Recorder, mode: Mode, camera: &Camera, seconds: u64) -> Result<Sample> {
    let folder = tempfile::tempdir().context(Kind::Disk, || "make a folder for a rival")?;
    let mut rival = match recorder {
        Recorder::Ffmpeg => Rival::ffmpeg(mode, camera, folder.path())?,
        _ => Rival::graph(&rival::recording(mode), camera, folder.path())?,
    };
    let segments = || {
        let mut segments = files_under(folder.path());
        segments.retain(|file| file.extension().is_some_and(|extension| extension == "ts"));
        segments.sort();
        segments
    };
    // the second is begun when the first is closed
    eventually(FIRST_SEGMENT, "a rival's first closed segment", || {
        if segments().len() > 1 { Ok(()) } else { Err(rival.log()) }
    });
    let cost = process::watch(rival.id(), seconds)
        .map_err(|error| Error::with_source(error.kind(), rival.log(), error))?;
    rival.stop();
    sample(recorder, mode, cost, &segments())
}

fn sample(recorder: Recorder, mode: Mode, cost: Cost, segments: &[PathBuf]) -> Result<Sample> {
    // the first is closed for certain
    let first = segments.first().ok_or_else(|| Error::new(Kind::Data, "measure a recorder: no segment"))?;
    let path = first.display().to_string();
    let metadata = std::fs::metadata(first).context(Kind::Disk, || format!("look at {path}"))?;
    let stream = video_stream(&path);
    let frames = stream["nb_read_frames"].as_str().and_then(|count| count.parse().ok());
    Ok(Sample {
        mode,
        recorder,
        cpu: cost.cores,
        peak_rss_mib: cost.peak_rss_mib,
        rss_mib: cost.rss_mib,
        threads: cost.threads,
        others_cores: cost.others_cores,
        segment_width: stream["width"].as_u64().unwrap_or_default(),
        segment_frames: frames.unwrap_or_default(),
        segment_bytes: metadata.len(),
    })
}
