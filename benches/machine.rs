//! What the figures were taken on: without it they say nothing.

use std::process::Command;

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use serde_json::{Value, json};

/// Machine and versions. Fails if ffmpeg, the rival, is missing.
pub fn facts() -> Result<Value> {
    gst::init().context(Kind::Pipeline, || "start GStreamer; install gstreamer1.0-plugins-base")?;
    let (gst_major, gst_minor, gst_micro, _) = gst::version();
    Ok(json!({
        "cpu": cpu(),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory_mib": memory_mib(),
        "system": line("/etc/os-release", "PRETTY_NAME=").map(|name| name.trim_matches('"').to_owned()),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "file_system": file_system(),
        "program": env!("CARGO_PKG_VERSION"),
        "profile": if cfg!(debug_assertions) { "debug: not for comparison" } else { "release" },
        "gstreamer": format!("{gst_major}.{gst_minor}.{gst_micro}"),
        "ffmpeg": ffmpeg()?,
    }))
}

fn cpu() -> Option<String> {
    let board = std::fs::read_to_string("/proc/device-tree/model").ok();
    let board = board.map(|name| name.trim_end_matches('\0').to_owned());
    board.or_else(|| line("/proc/cpuinfo", "model name"))
}

fn memory_mib() -> Option<u64> {
    line("/proc/meminfo", "MemTotal")?.trim_end_matches(" kB").parse().ok().map(|kib: u64| kib / 1024)
}

/// Where recordings go: a file system in memory syncs for nothing.
fn file_system() -> Option<String> {
    let folder = std::env::temp_dir();
    let output = Command::new("stat").args(["--file-system", "--format=%T"]).arg(folder).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn ffmpeg() -> Result<String> {
    let output = Command::new("ffmpeg")
        .arg("-version")
        .output()
        .context(Kind::Config, || "run ffmpeg, the rival: sudo apt-get install ffmpeg")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.strip_prefix("ffmpeg version ").and_then(|rest| rest.split(' ').next());
    let unknown = || Error::new(Kind::Config, "run ffmpeg: it does not tell its version");
    version.map(str::to_owned).ok_or_else(unknown)
}

/// What follows the name and its colon, in the first line that begins with it.
fn line(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.trim_start_matches([' ', '\t', ':']).to_owned())
}
