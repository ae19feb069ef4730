//! The simulated camera plays, refuses, freezes, dies and comes back.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::viewer::Viewer;
use crate::support::program::timed;
use crate::support::wait::throughout;
use crate::support::{Camera, CameraOptions, Clip, Codec, DahuaProxy, eventually, rtsp, tools};

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
fn a_clip_plays_on_beyond_its_end_at_the_speed_of_a_camera() {
    let mut options = CameraOptions { bitrate_kbps: 400, ..CameraOptions::default() };
    let clip = Clip::encode(&options, 2).unwrap();
    assert!((200..600).contains(&clip.kbps()), "{clip:?} of {} kbit/s", clip.kbps());
    options.clip = Some(clip);
    let camera = start(options);
    let url = camera.url().replace("rtsp://", "rtsp://admin:camera-secret@");
    // 5 s of a clip of 2 s, copied as it comes
    let arguments =
        ["-v", "error", "-rtsp_transport", "tcp", "-i", &url, "-t", "5", "-c", "copy", "-f", "framecrc", "-"];
    let (frames, took) = timed(|| tools::output("ffmpeg", &arguments));
    let frames = frames.lines().filter(|line| !line.starts_with('#')).count();
    assert!((74..=76).contains(&frames), "{frames} frames");
    assert!(took > Duration::from_secs(4), "it came in {took:?}");
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
fn a_frozen_camera_gives_new_viewers_nothing_until_it_thaws() {
    let mut camera = start(CameraOptions::default());
    camera.freeze();
    let viewer = Viewer::connect(&camera.url(), LOGIN);
    eventually(LIMIT, "the connection", || camera.connections() == 1);
    throughout(Duration::from_secs(1), "the silence", || match viewer.packets() {
        0 => viewer.ending().map_or(Ok(()), Err),
        count => Err(format!("{count} packets")),
    });
    camera.thaw();
    receives(&viewer, 10);
    drop(viewer);

    camera.freeze();
    let _waiting = Viewer::connect(&camera.url(), LOGIN);
    eventually(LIMIT, "the second connection", || camera.connections() == 2);
    let ((), took) = timed(|| camera.stop());
    assert!(took < Duration::from_secs(2), "stopping took {took:?}");
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

/// Each cut falls into another moment of somebody's asking: a server that is not told in its own thread loses its way,
/// answers nobody any more, or ends the whole process in an assertion.
#[test]
fn viewers_who_are_cut_off_while_they_ask_find_the_camera_again() {
    let mut camera = start(CameraOptions { login: None, ..CameraOptions::default() });
    let (counts, url) = (camera.counts().clone(), camera.url());
    let wanted = Arc::new(());
    let viewers = [(); 2].map(|()| {
        let (url, wanted) = (url.clone(), Arc::downgrade(&wanted));
        std::thread::spawn(move || {
            while wanted.strong_count() > 0 {
                let _ = rtsp::play(&url);
            }
        })
    });
    for round in 0..200 {
        let request = [&counts.describe, &counts.setup, &counts.play][round % 3];
        let before = request.load(Ordering::SeqCst);
        eventually(LIMIT, "the next request", || request.load(Ordering::SeqCst) > before);
        if round % 4 == 0 {
            camera.stop();
            camera.start_again().unwrap();
        } else {
            camera.kick();
        }
    }
    drop(wanted);
    eventually(LIMIT, "the end of all asking", || viewers.iter().all(JoinHandle::is_finished));
    // an encoder that ends refuses once more
    let mut stream = eventually(LIMIT, "a viewer who stays", || rtsp::play(&url));
    assert!(matches!(rtsp::read_piece(&mut stream).unwrap(), rtsp::Piece::Frame(_)));
}

#[test]
fn an_encoder_ends_with_its_last_viewer_or_its_camera() {
    let mut camera = start(CameraOptions { audio: true, ..CameraOptions::default() });
    let viewer = Viewer::connect(&camera.url(), LOGIN);
    receives(&viewer, 5);
    assert_eq!(camera.encoded_tracks(), 2, "video and audio");
    drop(viewer);
    eventually(LIMIT, "the encoder to end without viewers", || camera.encoded_tracks() == 0);

    let viewer = Viewer::connect(&camera.url(), LOGIN);
    receives(&viewer, 5);
    camera.kick();
    eventually(LIMIT, "the encoder to end with its connection", || camera.encoded_tracks() == 0);

    let _viewer = Viewer::connect(&camera.url(), LOGIN);
    eventually(LIMIT, "an encoder", || camera.encoded_tracks() == 2);
    camera.stop();
    eventually(LIMIT, "the encoder to end with the camera", || camera.encoded_tracks() == 0);
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
