//! From the start of the process to its first footage on disk, and from a camera's return to recording.

use std::fmt;
use std::time::{Duration, Instant};

use cctv_s3_pipeline::error::{Context, Kind, Result};
use serde::Serialize;

use super::support::{Camera, CameraOptions, Program, S3Options, S3Server, Settings, Workspace, eventually};

const LIMIT: Duration = Duration::from_secs(60);
const ROUNDS: usize = 5;
const AWAY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default, Serialize)]
pub struct Start {
    pub gop_s: f64,
    /// Until the camera's first keyframe, and the second at most that footage waits in memory.
    pub first_bytes_s: Vec<f64>,
    /// From the camera's return to the state `recording`, after five seconds without it.
    pub recording_again_s: Vec<f64>,
}

/// `options`: the camera's; one of its own is started, because it is stopped in between.
pub fn measure(options: &CameraOptions) -> Result<Start> {
    let gop_s = f64::from(options.gop) / f64::from(options.fps);
    let mut start = Start { gop_s, ..Start::default() };
    let mut camera = Camera::start(options.clone())?;
    for _ in 0..ROUNDS {
        let bucket = tempfile::tempdir().context(Kind::Disk, || "make a folder for the bucket")?;
        let s3 = S3Server::start(bucket.path(), S3Options::default())?;
        let mut settings = Settings::new(&s3);
        settings
            .set("capture.mode", "passthrough")
            .set("capture.segment_duration", 10)
            .set("logging.level", "info")
            .camera("bench", &camera);
        let workspace = Workspace::new(&settings, &s3);
        let began = Instant::now();
        let mut program = Program::start(&workspace);
        let has_bytes = || {
            let files = workspace.segment_files();
            files.iter().any(|file| file.metadata().is_ok_and(|file| file.len() > 0))
        };
        eventually(LIMIT, "the first bytes of footage", has_bytes);
        start.first_bytes_s.push(began.elapsed().as_secs_f64());
        let is_recording = || program.health()["cameras"][0]["state"] == "recording";
        eventually(LIMIT, "recording", is_recording);
        camera.stop();
        eventually(LIMIT, "the camera to be missed", || !is_recording());
        std::thread::sleep(AWAY);
        camera.start_again()?;
        let back = Instant::now();
        eventually(LIMIT, "recording again", is_recording);
        start.recording_again_s.push(back.elapsed().as_secs_f64());
        program.sigterm();
        program.wait_exit(LIMIT);
    }
    Ok(start)
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: &[f64]| all.iter().map(|one| format!("{one:.2}")).collect::<Vec<_>>().join(", ");
        let (first, again) = (list(&self.first_bytes_s), list(&self.recording_again_s));
        write!(
            f,
            "a keyframe every {:.0} s: first footage on disk after {first} s; recording again after {again} s, when the camera \
             had been away for {} s",
            self.gop_s,
            AWAY.as_secs()
        )
    }
}
