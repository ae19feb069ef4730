//! Two recorders of the same camera, each started, watched in its steady state and stopped.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::process::{self, Cost};
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
    Ffmpeg,
}

impl Recorder {
    pub const ALL: [Recorder; 2] = [Recorder::Ours, Recorder::Ffmpeg];
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
        Recorder::Ffmpeg => ffmpeg(mode, camera, seconds),
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

fn ffmpeg(mode: Mode, camera: &Camera, seconds: u64) -> Result<Sample> {
    let folder = tempfile::tempdir().context(Kind::Disk, || "make a folder for ffmpeg")?;
    let mut ffmpeg = Ffmpeg::start(mode, camera, folder.path())?;
    let playlist = folder.path().join("live.m3u8");
    eventually(FIRST_SEGMENT, "ffmpeg's first closed segment", || {
        let text = std::fs::read_to_string(&playlist).map_err(|_| ffmpeg.log())?;
        if text.contains("#EXTINF") { Ok(()) } else { Err(ffmpeg.log()) }
    });
    let cost = process::watch(ffmpeg.child.id(), seconds)
        .map_err(|error| Error::with_source(error.kind(), ffmpeg.log(), error))?;
    ffmpeg.stop();
    let mut segments = files_under(folder.path());
    segments.retain(|file| file.extension().is_some_and(|extension| extension == "ts"));
    sample(Recorder::Ffmpeg, mode, cost, &segments)
}

/// Killed when dropped.
struct Ffmpeg {
    child: Child,
    log: PathBuf,
}

impl Ffmpeg {
    fn start(mode: Mode, camera: &Camera, folder: &Path) -> Result<Self> {
        let log = folder.join("ffmpeg.log");
        let stderr = File::create(&log).context(Kind::Disk, || format!("create {}", log.display()))?;
        let login = camera.options().login.as_ref().map(|(user, password)| format!("{user}:{password}@"));
        let url = camera.url().replace("rtsp://", &format!("rtsp://{}", login.unwrap_or_default()));
        let work = match mode {
            Mode::Transcode => {
                "-vf fps=15,scale=1280:720 -c:v libx264 -preset superfast -tune zerolatency -b:v 1500k -g 30"
            }
            Mode::Passthrough => "-c copy",
        };
        let child = Command::new("ffmpeg")
            .args("-nostdin -hide_banner -loglevel warning -rtsp_transport tcp -i".split(' '))
            .arg(url)
            .args(work.split(' '))
            .args("-f hls -hls_time 10 -hls_segment_filename segment_%05d.ts live.m3u8".split(' '))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .context(Kind::Config, || "run ffmpeg: sudo apt-get install ffmpeg")?;
        Ok(Self { child, log })
    }

    /// The last it said.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        format!("ffmpeg says: {}", text.lines().last().unwrap_or("nothing"))
    }

    fn stop(&mut self) {
        // one that has ended already needs no signal
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        eventually(END, "ffmpeg to end", || self.child.try_wait().ok().flatten());
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
