//! The configuration as a whole: good files here, bad ones in `bad`, the sample file against the parser in
//! `sample`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::error::{Kind, Result};

mod alerts;
mod bad;
mod fuzz;
mod obsolete;
mod sample;

/// Stands for every secret in these tests; no message may hold it.
const SECRET: &str = "hunter2-s3cret";
/// What every good file holds, in 6 lines.
const CAMERA: &str =
    "[[camera]]\nname = \"gate\"\nip = \"10.0.0.1\"\nusername = \"admin\"\npassword = \"${PASSWORD}\"\n\n";
const BUCKET: &str = "[s3]\nbucket = \"footage\"\n";

fn env(name: &str) -> Option<String> {
    match name {
        "PASSWORD" | "CAMERA_PASSWORD" => Some(SECRET.into()),
        "SITE" => Some("north".into()),
        "BROKEN" => Some(format!("{SECRET}\r")),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config> {
    Config::parse(text, Path::new("config.toml"), &env)
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}\nin:\n{text}"))
}

/// The message for a bad file, after the checks that hold for all of them.
fn bad(text: &str) -> String {
    let error = parse(text).err().unwrap_or_else(|| panic!("accepted:\n{text}"));
    assert_eq!(error.kind(), Kind::Config);
    let message = error.to_string();
    assert!(!message.contains(SECRET) && !message.contains("hunter2"), "a secret is in: {message}");
    assert!(message.lines().all(|line| line.starts_with("config.toml:")), "{message}");
    message
}

#[test]
fn a_camera_and_a_bucket_are_enough() {
    let config = good(&format!("{CAMERA}{BUCKET}"));
    let camera = &config.cameras[0];
    assert_eq!(camera.name.as_str(), "gate");
    assert_eq!(camera.url, "rtsp://10.0.0.1:554/cam/realmonitor?channel=1&subtype=0");
    assert_eq!((camera.username.as_str(), camera.password.reveal()), ("admin", SECRET));
    assert_eq!(camera.capture, CaptureConfig::default());
    assert_eq!(config.storage, StorageConfig::default());
    assert_eq!(config.server, ServerConfig::default());
    assert_eq!(config.logging, LoggingConfig::default());
    assert!(!config.s3.path_style);
}

#[test]
fn a_camera_overrides_capture_key_by_key() {
    let text = format!(
        "{CAMERA}[camera.capture]\nframerate = 5\npipeline = \"\"\n\n\
         [[camera]]\nname = \"yard\"\nurl = \"rtsp://yard.example/a?b=c\"\ncapture.mode = \"passthrough\"\n\n\
         [capture]\nbitrate_kbps = 800\nresolution = \"640x360\"\nsegment_duration = 4\npipeline = \"mine.launch\"\n{BUCKET}"
    );
    let config = good(&text);
    let shared = CaptureConfig {
        width: 640,
        height: 360,
        bitrate_kbps: 800,
        segment_duration: Duration::from_secs(4),
        pipeline: Some("mine.launch".into()),
        ..CaptureConfig::default()
    };
    assert_eq!(config.cameras[0].capture, CaptureConfig { framerate: 5, pipeline: None, ..shared.clone() });
    assert_eq!(config.cameras[1].capture, CaptureConfig { mode: Mode::Passthrough, ..shared });
}

#[test]
fn addresses_come_out_as_rtsp_with_port_and_without_credentials() {
    for (keys, url, username, password) in [
        ("ip = \"10.0.0.1\"\nport = 8554\nrtsp_path = \"/a\"", "rtsp://10.0.0.1:8554/a", "", ""),
        ("ip = \"fd00::7\"\nrtsp_path = \"/a\"", "rtsp://[fd00::7]:554/a", "", ""),
        ("url = \"rtsp://cam.example/a?x=1&y=2\"", "rtsp://cam.example:554/a?x=1&y=2", "", ""),
        ("url = \"rtsp://[fd00::7]:99/a\"", "rtsp://[fd00::7]:99/a", "", ""),
        ("url = \"rtsp://bob:p%40ss%3A%2f@10.0.0.1/a\"", "rtsp://10.0.0.1:554/a", "bob", "p@ss:/"),
        ("url = \"rtsp://bob@10.0.0.1/a\"", "rtsp://10.0.0.1:554/a", "bob", ""),
        ("url = \"rtsp://bob:${PASSWORD}@10.0.0.1:1/a\"", "rtsp://10.0.0.1:1/a", "bob", SECRET),
        (
            "url = \"rtsp://10.0.0.1/a\"\nusername = \"bob\"\npassword = \"x\"",
            "rtsp://10.0.0.1:554/a",
            "bob",
            "x",
        ),
    ] {
        let config = good(&format!("[[camera]]\nname = \"gate\"\n{keys}\n{BUCKET}"));
        let camera = &config.cameras[0];
        assert_eq!(camera.url, url, "{keys}");
        assert_eq!((camera.username.as_str(), camera.password.reveal()), (username, password), "{keys}");
    }
}

#[test]
fn sizes_times_and_switches_are_taken_over() {
    let config = good(&format!(
        "{CAMERA}[storage]\nlocal_buffer_minutes = 0\nmax_size_gb = 1.5\nmin_free_mb = 0\nsegments_dir = \"/srv/${{SITE}}\"\n\
         [s3]\nbucket = \"foo.tage\"\nendpoint = \"http://localhost:9000/\"\npath_style = false\nprofile = \"p\"\n\
         order = \"newest-first\"\nmax_upload_kbps = 500\nmultipart_threshold_mb = 5\nconcurrency = 0x08\nmax_retries = 1_000\nprefix = \"${{SITE}}/{{camera_name}}/{{date}}/{{hour}}/\"\n\
         [server]\nenabled = false\nbind = \"::1\"\nport = 0\n[logging]\nlevel = \"warn,a::b=trace\"\nfile = \"\"\nbackup_count = 0\n"
    ));
    assert_eq!(config.storage.local_buffer, Duration::ZERO);
    assert_eq!(config.storage.max_size_bytes, Some(1_610_612_736));
    assert_eq!(config.storage.min_free_bytes, 0);
    assert_eq!(config.storage.segments_dir, PathBuf::from("/srv/north"));
    assert_eq!(config.s3.endpoint.as_deref(), Some("http://localhost:9000"));
    assert!(!config.s3.path_style);
    assert_eq!(config.s3.multipart_threshold_bytes, 5 * 1024 * 1024);
    assert_eq!((config.s3.concurrency, config.s3.max_retries), (8, 1000));
    assert_eq!(config.s3.order, UploadOrder::NewestFirst);
    assert_eq!(config.s3.max_upload_bytes_per_second, Some(62_500));
    assert_eq!(config.s3.prefix.to_string(), "north/{camera_name}/{date}/{hour}/");
    assert!(!config.server.enabled);
    assert_eq!((config.server.bind.to_string().as_str(), config.server.port), ("::1", 0));
    assert_eq!((config.logging.level.as_str(), &config.logging.file), ("warn,a::b=trace", &None));
}

#[test]
fn path_style_follows_the_endpoint_and_the_bucket() {
    for (keys, path_style) in [
        ("bucket = \"footage\"", false),
        ("bucket = \"footage\"\nendpoint = \"\"", false),
        ("bucket = \"foot.age\"", true),
        ("bucket = \"footage\"\nendpoint = \"https://s3.example\"", true),
    ] {
        assert_eq!(good(&format!("{CAMERA}[s3]\n{keys}\n")).s3.path_style, path_style, "{keys}");
    }
}

#[test]
fn no_debug_output_holds_a_password() {
    let text = format!("[[camera]]\nname = \"gate\"\nurl = \"rtsp://bob:{SECRET}@h/a\"\n{CAMERA}{BUCKET}");
    let text = text.replacen("\"gate\"", "\"other\"", 1);
    assert!(!format!("{:?}", good(&text)).contains("hunter2"));
}
