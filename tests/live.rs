//! What viewers see within a second: the low-latency playlist, its media and the direct streams.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::playlists::Viewer;
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows};
use crate::support::camera::Codec;
use crate::support::tools::{output, video_stream};
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

mod outages;

/// The live playlist, once there is one.
fn playlist(program: &Program<'_>) -> String {
    eventually(LIMIT, "the live playlist", || {
        let answer = program.get("/live.m3u8");
        if answer.status == 200 { Ok(answer.text()) } else { Err(answer.text()) }
    })
}

fn number(playlist: &str, tag: &str) -> u64 {
    let found = playlist.lines().find_map(|line| line.strip_prefix(tag)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {tag} in {playlist}")).parse().unwrap()
}

/// The announced part's address, and its numbers.
fn hint(playlist: &str) -> (String, u64, u64) {
    let uri = playlist.rsplit('"').nth(1).unwrap().to_owned();
    let name = uri.rsplit('/').next().unwrap().strip_suffix(".m4s").unwrap();
    let (sequence, part) = name.split_once('.').unwrap();
    (uri.clone(), sequence.parse().unwrap(), part.parse().unwrap())
}

fn socket(program: &Program<'_>, camera: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(program.http_address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let url = format!("ws://{}/cameras/{camera}/live.ws", program.http_address());
    tungstenite::client(url, stream).unwrap().0
}

/// The next media message, past all words.
fn media(socket: &mut WebSocket<TcpStream>) -> Vec<u8> {
    loop {
        if let Message::Binary(bytes) = socket.read().unwrap() {
            return bytes.to_vec();
        }
    }
}

/// A player that ends when it has decoded this many frames.
fn player(url: &str, frames: usize) -> Child {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i", url, "-frames:v", &frames.to_string(), "-f", "null", "-"]);
    command.stdin(Stdio::null()).spawn().expect("ffmpeg does not run: sudo apt-get install ffmpeg")
}

#[track_caller]
fn plays_to_its_end(player: &mut Child) {
    let status = eventually(LIMIT, "the player to have its frames", || player.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn a_player_gets_every_part_as_it_comes() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let mut text = playlist(&program);
    assert!(text.contains("#EXT-X-MAP:URI=\"/cameras/gate/live/init_"), "{text}");
    let init = text.split("#EXT-X-MAP:URI=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut stream = program.get(&init).body;
    for _ in 0..20 {
        let (uri, sequence, part) = hint(&text);
        let announced = program.get(&uri);
        assert_eq!((announced.status, announced.header("content-type")), (200, Some("video/mp4")), "{uri}");
        stream.extend(&announced.body);
        let reload = program.get(&format!("/live.m3u8?_HLS_msn={sequence}&_HLS_part={part}"));
        text = reload.text();
        assert!(text.contains(&format!("URI=\"{uri}\"")), "{uri} is not in {text}");
    }
    // parts joined are one stream: nothing missing, nothing twice
    let file = workspace.path().join("parts.mp4");
    std::fs::write(&file, stream).unwrap();
    let video = video_stream(file.to_str().unwrap());
    let frames: usize = video["nb_read_frames"].as_str().unwrap().parse().unwrap();
    assert!(frames >= 50, "{video}");
    assert_eq!((&video["width"], &video["height"]), (&320.into(), &180.into()));
    for (path, status) in [
        ("/live.m3u8?_HLS_part=1", 400),
        ("/live.m3u8?_HLS_msn=99999999999", 400),
        ("/cameras/gate/live/1.m4s", 404),
        ("/cameras/cellar/live.m3u8", 404),
    ] {
        assert_eq!(program.get(path).status, status, "{path}");
    }
}

#[test]
fn a_websocket_viewer_gets_an_init_and_every_frame_from_a_keyframe_on() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let mut socket = socket(&program, "gate");
    let mut stream = media(&mut socket);
    assert_eq!(&stream[4..8], b"ftyp");
    for _ in 0..45 {
        let fragment = media(&mut socket);
        assert_eq!(&fragment[4..8], b"moof");
        stream.extend(fragment);
    }
    let file = workspace.path().join("socket.mp4");
    std::fs::write(&file, stream).unwrap();
    assert_eq!(video_stream(file.to_str().unwrap())["nb_read_frames"], "45");
}

#[test]
fn the_endless_mp4_is_played_and_many_watch_at_once() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let url = program.url("/cameras/gate/live.mp4");
    let mut players: Vec<Child> = (0..3).map(|_| player(&url, 45)).collect();
    players.iter_mut().for_each(plays_to_its_end);
    // an endless answer does not hold up the end of the program
    let mut endless = player(&url, 1_000_000);
    let mut socket = socket(&program, "gate");
    media(&mut socket);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    eventually(LIMIT, "the player to see the end", || endless.try_wait().unwrap());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn every_kind_of_pipeline_can_be_watched() {
    let bucket = Bucket::new();
    let h265 = Camera::start(CameraOptions { codec: Codec::H265, ..CameraOptions::default() }).unwrap();
    let h264 = camera();
    let mut settings = Settings::new(&bucket.server);
    let own = "rtspsrc name=src protocols=tcp latency=200 ! rtph264depay ! h264parse config-interval=-1 \
               ! hlssink2 name=sink";
    settings
        .camera("as-it-is", &h265)
        .for_camera("capture.mode", "passthrough")
        .camera("encoded", &h265)
        .camera("own", &h264)
        .for_camera("capture.pipeline", own);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    for (name, codec, tag) in
        [("as-it-is", "hevc", "hvc1"), ("encoded", "h264", "avc1"), ("own", "h264", "avc1")]
    {
        camera_state(&program, name, "recording");
        let url = program.url(&format!("/cameras/{name}/live.mp4"));
        let args = [
            "-v",
            "error",
            "-read_intervals",
            "%+#30",
            "-show_streams",
            "-count_frames",
            "-of",
            "json",
            &url,
        ];
        let probed: serde_json::Value = serde_json::from_str(&output("ffprobe", &args)).unwrap();
        let stream = &probed["streams"][0];
        assert_eq!(
            (&stream["codec_name"], &stream["codec_tag_string"]),
            (&codec.into(), &tag.into()),
            "{name}"
        );
        assert_eq!(stream["nb_read_frames"], "30", "{name}");
    }
}

#[test]
fn the_archive_does_not_notice_viewers_who_come_and_go() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    for _ in 0..2 {
        let mut socket = socket(&program, "gate");
        (0..20).for_each(|_| drop(media(&mut socket)));
        playlist(&program);
    }
    // a minute after the last viewer
    program.wait_for_log(Duration::from_secs(100), "live: nobody watches any more");
    let before = rows(&workspace).len();
    let again = number(&playlist(&program), "#EXT-X-MEDIA-SEQUENCE");
    assert!(again > 0);
    eventually(LIMIT, "two more segments", || rows(&workspace).len() >= before + 2);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let log = program.log();
    assert_eq!(log.iter().filter(|line| line.contains("live: somebody watches")).count(), 2, "{log:?}");
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    let rows = rows(&workspace);
    let (tail, whole) = rows.split_last().unwrap();
    assert!(whole.len() > 25 && tail.run == rows[0].run, "{rows:?}");
    for (row, next) in whole.iter().zip(&rows[1..]) {
        let hole_ms = next.start_ms as f64 - row.start_ms as f64 - row.duration_s * 1e3;
        assert!(hole_ms.abs() <= 67.0 && (row.duration_s - 2.0).abs() < 0.07, "{hole_ms} ms after {row:?}");
        let object = bucket.server.folder().join(&row.key);
        assert_eq!(video_stream(object.to_str().unwrap())["nb_read_frames"], "30", "{row:?}");
    }
}
