//! Other people's players on the live stream: hls.js, the browser's own, VLC; and hls-parser in strict mode.
//!
//! hls.js and hls-parser are those of `players/package-lock.json`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scene::{Bucket, LIMIT, camera, camera_state, uploaded};
use crate::support::browser::Browser;
use crate::support::camera::Codec;
use crate::support::files::Site;
use crate::support::port::Port;
use crate::support::tools::{spawn, video_stream};
use crate::support::vlc::vlc;
use crate::support::wait::throughout;
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually, npm};

/// How long the playlist is followed, over an outage of the camera and a restart of the program.
const FOLLOWED: Duration = Duration::from_secs(120);
const OUTAGE: Duration = Duration::from_secs(12);

fn players() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/players"))
}

/// Pages that play `?src=…`, on another site than the program.
fn site() -> Site {
    let hls_js = npm::modules().join("hls.js/dist/hls.min.js");
    Site::start(vec![players().join("hls.html"), players().join("native.html"), hls_js])
}

/// Waits until the page's video went on by this many seconds; returns its time.
#[track_caller]
fn advances(browser: &Browser, seconds: f64, limit: Duration) -> f64 {
    let look = "const v = document.getElementById('v'); return { time: v.currentTime, width: v.videoWidth, \
                fatal: window.fatal, errors: window.errors, behind: window.behind?.(), paused: v.paused, ready: v.readyState, \
                error: v.error?.message, buffered: v.buffered.length ? [v.buffered.start(0), v.buffered.end(0)] : [] }";
    let begin = browser.eval(look)["time"].as_f64().unwrap();
    eventually(limit, "the video to go on", || {
        let now = browser.eval(look);
        let time = now["time"].as_f64().unwrap();
        if time > begin + seconds && now["width"].as_u64() > Some(0) {
            Ok(time)
        } else {
            Err(now.to_string())
        }
    })
}

/// hls-parser on every text of the playlist, as a low-latency player asks for them.
fn follow(url: &str) -> Child {
    let mut command = Command::new("node");
    command.arg(players().join("follow.mjs")).arg(url).arg(FOLLOWED.as_secs().to_string());
    command.env("NODE_MODULES", npm::modules()).stdin(Stdio::null()).stdout(Stdio::piped());
    spawn("node", &mut command)
}

#[test]
fn hls_parser_and_hls_js_follow_over_an_outage_and_a_restart() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    let free = Port::hold(0).unwrap();
    settings.camera("gate", &camera).set("server.port", i64::from(free.number()));
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let (site, browser) = (site(), Browser::start());
    browser.open(&site.url(&format!("hls.html?src={}", program.url("/live.m3u8"))));
    advances(&browser, 5.0, LIMIT);
    browser.eval("window.isSame = true");
    let began = Instant::now();
    let follower = follow(&program.url("/live.m3u8"));
    advances(&browser, 10.0, LIMIT);
    let behind = browser.eval("return window.behind()").as_f64().unwrap();
    let errors = browser.eval("return window.errors");
    // a second on a quiet machine; each stall of a busy one adds a second
    assert!((0.0..6.0).contains(&behind), "hls.js is {behind} s behind after {errors}");

    camera.stop();
    throughout(OUTAGE, "the program", || program.health().is_object().then_some(()).ok_or("no answer"));
    camera.start_again().unwrap();
    advances(&browser, 8.0, LIMIT);

    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    advances(&browser, 8.0, LIMIT);

    throughout(FOLLOWED.saturating_sub(began.elapsed()), "hls.js without an error that ends it", || {
        let fatal = browser.eval("return window.fatal");
        if fatal == serde_json::json!([]) { Ok(()) } else { Err(fatal) }
    });
    advances(&browser, 2.0, LIMIT);
    assert_eq!(browser.eval("return window.isSame"), true, "the page was not loaded anew");
    let output = follower.wait_with_output().unwrap();
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["complaints"], serde_json::json!([]), "{seen:#}");
    let count = |what: &str| seen[what].as_u64().unwrap();
    // three parts a second, but for the outage and the restart
    assert!(count("parts") > 150 && count("playlists") >= count("parts"), "{seen}");
    assert!(count("discontinuities") >= 2, "an outage and a restart: {seen}");
}

#[test]
fn the_browsers_own_player_plays() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let (site, browser) = (site(), Browser::start());
    let url = site.url(&format!("native.html?src={}", program.url("/live.m3u8")));
    browser.open(&url);
    // Chromium 156 may give up on a stream that was opened a few seconds ago, and plays it when it is loaded again
    eventually(Duration::from_secs(90), "the video to play for 12 seconds", || {
        let look = "const v = document.getElementById('v'); return [v.currentTime, v.error?.message ?? null]";
        let seen = browser.eval(look);
        if !seen[1].is_null() {
            browser.open(&url);
        }
        if seen[0].as_f64() > Some(12.0) { Ok(()) } else { Err(seen.to_string()) }
    });
}

#[test]
fn vlc_plays_the_playlists_and_the_endless_mp4() {
    let bucket = Bucket::new();
    let h265 = Camera::start(CameraOptions { codec: Codec::H265, ..CameraOptions::default() }).unwrap();
    let h264 = camera();
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &h264).camera("yard", &h265).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 4);
    for (path, codec) in [
        ("/live.m3u8", "h264"),
        ("/cameras/gate/live.mp4", "h264"),
        ("/cameras/gate/recent.m3u8", "h264"),
        ("/cameras/yard/live.m3u8", "hevc"),
        ("/cameras/yard/live.mp4", "hevc"),
    ] {
        let played = vlc(&program.url(path), 5);
        let file = played.path().join("played.ts");
        let video = video_stream(file.to_str().unwrap());
        let frames: u32 = video["nb_read_frames"].as_str().unwrap().parse().unwrap();
        assert!(frames >= 30 && video["codec_name"] == codec, "{path}: {video}");
    }
}
