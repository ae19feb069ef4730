//! Programs that ours is measured against: ffmpeg, and bare GStreamer graphs started by `gst-launch-1.0`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cctv_s3_pipeline::error::{Context, Kind, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::contest::Mode;
use super::support::{Camera, eventually};

const END: Duration = Duration::from_secs(30);
const SOURCE: &str = "rtspsrc name=src protocols=tcp latency=200 tcp-timeout=5000000";
const WHOLE_FRAMES: &str = "video/x-h264,stream-format=byte-stream,alignment=au";

/// Killed when dropped.
pub struct Rival {
    child: Child,
    log: PathBuf,
}

/// The graph of `pipelines/*.launch`, with what the program chooses on a machine without codecs of its own.
pub fn recording(mode: Mode) -> String {
    let sink = "hlssink2 max-files=0 target-duration=10 location=segment_%05d.ts";
    match mode {
        Mode::Passthrough => {
            format!("{SOURCE} ! rtph264depay ! h264parse config-interval=-1 ! {WHOLE_FRAMES} ! {sink}")
        }
        Mode::Transcode => format!(
            "{SOURCE} ! rtph264depay ! h264parse ! avdec_h264 ! videorate skip-to-first=true ! video/x-raw,framerate=15/1 \
             ! videoconvertscale ! video/x-raw,width=1280,height=720,pixel-aspect-ratio=1/1 \
             ! x264enc tune=zerolatency speed-preset=superfast bitrate=1500 key-int-max=15 option-string=scenecut=0 \
             ! video/x-h264,profile=main ! h264parse config-interval=-1 ! {WHOLE_FRAMES} ! {sink}"
        ),
    }
}

/// Graphs that do ever less, to see what each part of receiving and muxing takes.
pub fn shares() -> [(&'static str, String); 3] {
    [
        (
            "rtspsrc, parse, mux",
            format!("{SOURCE} ! rtph264depay ! h264parse ! {WHOLE_FRAMES} ! mpegtsmux ! fakesink sync=false"),
        ),
        (
            "rtspsrc, parse",
            format!("{SOURCE} ! rtph264depay ! h264parse ! {WHOLE_FRAMES} ! fakesink sync=false"),
        ),
        ("rtspsrc", format!("{SOURCE} ! rtph264depay ! fakesink sync=false")),
    ]
}

impl Rival {
    pub fn ffmpeg(mode: Mode, camera: &Camera, folder: &Path) -> Result<Self> {
        let login = camera.options().login.as_ref().map(|(user, password)| format!("{user}:{password}@"));
        let url = camera.url().replace("rtsp://", &format!("rtsp://{}", login.unwrap_or_default()));
        let work = match mode {
            // GStreamer scales bilinearly
            Mode::Transcode => {
                "-vf fps=15,scale=1280:720:flags=bilinear -c:v libx264 -preset superfast -tune zerolatency -b:v 1500k -g 15 \
                 -profile:v main -sc_threshold 0"
            }
            Mode::Passthrough => "-c copy",
        };
        let mut command = Command::new("ffmpeg");
        command
            .args("-nostdin -hide_banner -loglevel warning -rtsp_transport tcp -i".split(' '))
            .arg(url)
            .args(work.split_whitespace())
            .args(
                "-f hls -hls_time 10 -hls_list_size 0 -hls_segment_filename segment_%05d.ts live.m3u8"
                    .split(' '),
            );
        Self::start(command, folder, "sudo apt-get install ffmpeg")
    }

    pub fn graph(text: &str, camera: &Camera, folder: &Path) -> Result<Self> {
        let (user, password) = camera.options().login.clone().unwrap_or_default();
        let source = format!("{SOURCE} user-id={user} user-pw={password} location={}", camera.url());
        let mut command = Command::new("gst-launch-1.0");
        command.arg("-q").args(text.replace(SOURCE, &source).split_whitespace());
        Self::start(command, folder, "sudo apt-get install gstreamer1.0-tools")
    }

    fn start(mut command: Command, folder: &Path, missing: &'static str) -> Result<Self> {
        let log = folder.join("rival.log");
        let stderr = File::create(&log).context(Kind::Disk, || format!("create {}", log.display()))?;
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .context(Kind::Config, || format!("run {:?}: {missing}", command.get_program()))?;
        Ok(Self { child, log })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last it said.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        format!("it says: {}", text.lines().last().unwrap_or("nothing"))
    }

    pub fn stop(&mut self) {
        // one that has ended already needs no signal
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        eventually(END, "a rival to end", || self.child.try_wait().ok().flatten());
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
