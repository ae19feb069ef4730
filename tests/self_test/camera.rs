//! The simulated camera plays, refuses, freezes, dies and comes back.

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::viewer::Viewer;
use crate::support::wait::throughout;
use crate::support::{Camera, CameraOptions, Codec, DahuaProxy, eventually, tools};

const LIMIT: Duration = Duration::from_secs(15);
const LOGIN: Option<(&str, &str)> = Some(("admin", "camera-secret"));

fn start(options: CameraOptions) -> Camera {
    Camera::start(options).unwrap()
}

/// Waits until `more` packets have come since now.
#[track_caller]
fn receives(viewer: &Viewer, more: usize) {
    let before = viewer.packets();
    eventually(LIMIT, "packets", || match viewer.packets() - before {
        count if count >= more => Ok(()),
        count => Err(format!("{count} of {more}, {:?}", viewer.ending())),
    });
}

#[test]
fn a_camera_plays_to_whom_knows_the_password() {
    let camera = start(CameraOptions::default());
    let viewer = Viewer::connect(&camera.url(), LOGIN);
    receives(&viewer, 30);
    let counts = camera.counts();
    assert_eq!(camera.connections(), 1);
    assert_eq!(counts.setup.load(Ordering::SeqCst), 1);
    assert_eq!(counts.play.load(Ordering::SeqCst), 1);
    assert_eq!(counts.unauthorized.load(Ordering::SeqCst), 1, "the challenge");
    viewer.ping();
    eventually(LIMIT, "the ping", || counts.get_parameter.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_wrong_password_is_refused_with_401() {
    let camera = start(CameraOptions::default());
    for login in [Some(("admin", "guess")), None] {
        let viewer = Viewer::connect(&camera.url(), login);
        let ending = eventually(LIMIT, "the refusal", || viewer.ending());
        assert!(ending.contains("Unauthorized"), "{ending}");
        assert_eq!(viewer.packets(), 0);
    }
    assert!(camera.counts().unauthorized.load(Ordering::SeqCst) >= 3);
}

#[test]
fn a_frozen_camera_keeps_its_connection_and_sends_nothing() {
    let camera = start(CameraOptions::default());
    let viewer = Viewer::connect(&camera.url(), LOGIN);
    receives(&viewer, 10);
    camera.freeze();
    // packets on their way may still arrive
    let mut last = (viewer.packets(), Instant::now());
    eventually(LIMIT, "silence for half a second", || {
        if viewer.packets() != last.0 {
            last = (viewer.packets(), Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(500)
    });
    throughout(Duration::from_secs(1), "the silent connection", || viewer.ending().map_or(Ok(()), Err));
    assert_eq!(viewer.packets(), last.0);
    camera.thaw();
    receives(&viewer, 10);
    assert_eq!(camera.connections(), 1);
}

#[test]
fn a_stopped_camera_refuses_and_comes_back_on_its_port() {
    let mut camera = start(CameraOptions::default());
    let port = camera.port();
    for _ in 0..2 {
        let viewer = Viewer::connect(&camera.url(), LOGIN);
        receives(&viewer, 10);
        camera.stop();
        eventually(LIMIT, "the viewer to lose the camera", || viewer.ending());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is open");
        camera.start_again().unwrap();
        assert_eq!(camera.port(), port);
    }
    receives(&Viewer::connect(&camera.url(), LOGIN), 10);
}

#[test]
fn a_kicked_viewer_may_come_again_at_once() {
    let camera = start(CameraOptions::default());
    let viewer = Viewer::connect(&camera.url(), LOGIN);
    receives(&viewer, 10);
    camera.kick();
    eventually(LIMIT, "the viewer to lose the camera", || viewer.ending());
    receives(&Viewer::connect(&camera.url(), LOGIN), 10);
    assert_eq!(camera.connections(), 2);
}

#[test]
fn stopped_cameras_leave_no_thread_behind() {
    // the first one starts what GStreamer and GLib keep for the life of the process
    let cycle = || {
        let camera = start(CameraOptions::default());
        receives(&Viewer::connect(&camera.url(), LOGIN), 5);
    };
    let ours = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with("camera-")).count()
    };
    cycle();
    let before = ours();
    (0..3).for_each(|_| cycle());
    eventually(LIMIT, "the cameras' threads to end", || match ours() {
        now if now <= before => Ok(()),
        now => Err(format!("{now} threads, {before} before")),
    });
}

#[test]
fn every_codec_is_what_it_says() {
    for (codec, audio, name) in
        [(Codec::H264, true, "h264"), (Codec::H265, false, "hevc"), (Codec::Mjpeg, false, "mjpeg")]
    {
        let camera = start(CameraOptions { codec, audio, login: None, ..CameraOptions::default() });
        let args = ["-v", "error", "-rtsp_transport", "tcp", "-show_streams", "-of", "json"];
        let text = tools::output("ffprobe", &[&args[..], &[camera.url().as_str()]].concat());
        let probed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(probed["streams"][0]["codec_name"], name);
        assert_eq!(probed["streams"][0]["width"], 320);
        assert_eq!(probed["streams"].as_array().unwrap().len(), if audio { 2 } else { 1 });
    }
}

#[test]
fn the_odd_camera_refuses_tracks_joined_by_the_rfc() {
    let camera = start(CameraOptions::default());
    for (refusal, plays) in [("451 Parameter Not Understood", false), ("404 Not Found", true)] {
        let proxy = DahuaProxy::start(camera.port(), refusal).unwrap();
        let viewer = Viewer::connect(&proxy.url(), LOGIN);
        if plays {
            // rtspsrc tries the camera's way of joining after a 404, in every version
            receives(&viewer, 10);
            let asked = proxy.requests();
            assert!(asked.iter().any(|line| line.contains("subtype=0/trackID=0")), "{asked:#?}");
        } else {
            // newer versions of rtspsrc try again after a 451 too: only the first SETUP is certain
            let setup = eventually(LIMIT, "a SETUP", || {
                proxy.requests().into_iter().find(|line| line.starts_with("SETUP"))
            });
            assert!(setup.ends_with("/cam/trackID=0"), "{setup}");
        }
    }
}
