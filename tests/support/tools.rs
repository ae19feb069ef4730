//! Tools that tests run: a missing one fails with the name of its Debian package, it does not skip.

use std::process::{Child, Command, Output};

/// Debian packages of the tools that tests use.
const PACKAGES: [(&str, &str); 21] = [
    ("ffprobe", "ffmpeg"),
    ("chromedriver", "chromium-driver"),
    ("ffmpeg", "ffmpeg"),
    ("curl", "curl"),
    ("cvlc", "vlc-bin"),
    ("h2load", "nghttp2-client"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("sqlite3", "sqlite3"),
    ("/sbin/mkfs.ext4", "e2fsprogs"),
    ("mount", "mount"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("python3", "python3"),
    ("systemd-analyze", "systemd"),
    ("script", "bsdutils"),
    ("mosquitto", "mosquitto"),
    ("mosquitto_passwd", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("mosquitto_sub", "mosquitto-clients"),
    ("gst-launch-1.0", "gstreamer1.0-tools"),
];

/// Runs a tool to its end. Panics if it is missing; a failing tool is the caller's to judge.
#[track_caller]
pub fn run(tool: &str, args: &[&str]) -> Output {
    Command::new(tool).args(args).output().unwrap_or_else(|error| panic!("{}", missing(tool, &error)))
}

/// Starts a tool that runs on beside the test.
#[track_caller]
pub fn spawn(tool: &str, command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| panic!("{}", missing(tool, &error)))
}

/// Runs a tool that must succeed, and returns what it wrote to standard output.
#[track_caller]
pub fn output(tool: &str, args: &[&str]) -> String {
    let output = run(tool, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?} ended with {}:\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Streams, format and counted video frames of a file or an address.
#[track_caller]
pub fn ffprobe_json(path_or_url: &str) -> serde_json::Value {
    let text = output(
        "ffprobe",
        &["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path_or_url],
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("read ffprobe's answer: {error}:\n{text}"))
}

/// The first video stream of a file or an address, with `nb_read_frames` counted by decoding.
#[track_caller]
pub fn video_stream(path_or_url: &str) -> serde_json::Value {
    let probed = ffprobe_json(path_or_url);
    let streams = probed["streams"].as_array().into_iter().flatten();
    streams
        .into_iter()
        .find(|stream| stream["codec_type"] == "video")
        .cloned()
        .unwrap_or_else(|| panic!("{path_or_url} holds no video: {probed:#}"))
}

fn missing(tool: &str, error: &std::io::Error) -> String {
    let package = PACKAGES.iter().find(|(name, _)| *name == tool).map_or(tool, |(_, package)| package);
    format!("{tool} does not run ({error}): sudo apt-get install {package}")
}
