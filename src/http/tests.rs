//! The real server on a real store, asked over plain TCP: what goes over the wire is what is tested.

use std::net::{IpAddr, Ipv4Addr};

use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::config::StorageConfig;
use crate::segment::{FileName, NewSegment, Prefix, RunId, Segment, Timestamp};
use crate::status::{CameraState, UploadState};

const FIRST: i64 = 1_763_906_400;
const DRAIN: Duration = Duration::from_secs(20);

/// A server with the cameras `gate` and `yard`, and what it serves from.
struct World {
    folder: tempfile::TempDir,
    store: Store,
    board: Board,
    address: SocketAddr,
    shutdown: Shutdown,
    running: JoinHandle<Result<()>>,
}

/// An answer as it came over the wire.
struct Got {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn name(text: &str) -> CameraName {
    CameraName::new(text).unwrap()
}

fn server_config(port: u16) -> ServerConfig {
    ServerConfig { enabled: true, bind: IpAddr::V4(Ipv4Addr::LOCALHOST), port, playlist_segments: 3 }
}

impl World {
    async fn new() -> World {
        World::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Limits)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            local_buffer: Duration::ZERO,
            segments_dir: folder.path().join("segments"),
            database: folder.path().join("segments.db"),
            max_size_bytes: None,
            min_free_bytes: 0,
        };
        let store = Store::open(&config, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
        let board = Board::new();
        let served = |text| ServedCamera { name: name(text), segment_duration: Duration::from_secs(10) };
        let cameras = vec![served("gate"), served("yard")];
        let mut server =
            Server::bind(&server_config(0), cameras, store.clone(), board.clone()).await.unwrap();
        change(&mut server.limits);
        let address = server.local_addr();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(server.run(shutdown.clone(), DRAIN));
        World { folder, store, board, address, shutdown, running }
    }

    fn run(&self) -> RunId {
        self.store.begin_run(&name("gate"), Timestamp::from_seconds(FIRST)).unwrap()
    }

    /// A closed segment of `gate` with its row.
    fn segment(&self, run: RunId, epoch: i64, bytes: &[u8]) -> Segment {
        let (camera, file) = (name("gate"), FileName::new(epoch));
        let path = self.store.camera_dir(&camera).unwrap().join(file.to_string());
        std::fs::write(path, bytes).unwrap();
        let segment = NewSegment {
            camera,
            run,
            start: Timestamp::from_seconds(epoch),
            duration: Duration::from_secs(10),
            bytes: bytes.len().try_into().unwrap(),
            md5: Md5::digest(bytes).into(),
            sha256: [0; 32],
            file,
        };
        self.store.insert(&segment).unwrap()
    }

    fn uploaded(&self, segment: &Segment) {
        self.store.begin_upload(segment.id).unwrap();
        self.store.finish_uploaded(segment.id, Timestamp::from_seconds(FIRST + 60)).unwrap();
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: recorder\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.send(request.as_bytes()).await
    }

    async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &[]).await
    }

    /// Sends these bytes and reads until the server closes.
    async fn send(&self, request: &[u8]) -> Got {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        read_all(&mut stream).await
    }

    async fn stop(self) {
        self.shutdown.request();
        self.running.await.unwrap().unwrap();
    }
}

async fn read_all(stream: &mut TcpStream) -> Got {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no end of headers") + 4;
    let headers = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    Got { status, headers, body: bytes.split_off(end) }
}

/// Bytes that differ at every place that matters; longer than one chunk.
fn footage() -> Vec<u8> {
    (0..1_300_001_u32).map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect()
}

#[tokio::test]
async fn a_segment_is_sent_whole_with_headers_that_say_what_it_is() {
    let world = World::new().await;
    let bytes = footage();
    let segment = world.segment(world.run(), FIRST, &bytes);
    let path = format!("/cameras/gate/segments/{}", segment.file);
    let got = world.get(&path).await;
    assert_eq!((got.status, got.body == bytes), (200, true));
    let etag = format!("\"{}\"", hex::encode(segment.md5));
    for (name, value) in [
        ("content-type", "video/mp2t"),
        ("content-length", "1300001"),
        ("accept-ranges", "bytes"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("last-modified", "Sun, 23 Nov 2025 14:00:10 GMT"),
        ("access-control-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
        ("etag", &etag),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    let head = world.ask("HEAD", &path, &[("Range", "bytes=5-6")]).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("1300001")));
    let fresh = world.ask("GET", &path, &[("If-None-Match", &etag)]).await;
    assert_eq!((fresh.status, fresh.body.len(), fresh.header("etag")), (304, 0, Some(etag.as_str())));
    world.stop().await;
}

#[tokio::test]
async fn parts_of_a_segment_are_exactly_the_bytes_asked_for() {
    let world = World::new().await;
    let bytes = footage();
    let segment = world.segment(world.run(), FIRST, &bytes);
    let path = format!("/cameras/gate/segments/{}", segment.file);
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=524287-524288", 524_287, 524_289),
        ("bytes=1000-1299999", 1000, 1_300_000),
        ("bytes=1300000-", 1_300_000, 1_300_001),
        ("bytes=-5", 1_299_996, 1_300_001),
        ("bytes=0-", 0, 1_300_001),
    ] {
        let got = world.ask("GET", &path, &[("Range", range)]).await;
        assert_eq!(got.status, 206, "{range}");
        assert!(got.body == bytes[start..end], "{range}");
        let content_range = format!("bytes {start}-{}/1300001", end - 1);
        assert_eq!(got.header("content-range"), Some(content_range.as_str()));
    }
    let beyond = world.ask("GET", &path, &[("Range", "bytes=1300001-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */1300001")));
    assert_eq!(beyond.json()["hint"], "the segment has 1300001 bytes");
    assert_eq!(world.ask("GET", &path, &[("Range", "bytes=0-1,4-5")]).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_segment_that_is_gone_says_where_it_went() {
    let world = World::new().await;
    let run = world.run();
    let cleaned = world.segment(run, FIRST, b"first");
    world.uploaded(&cleaned);
    let kept = world.segment(run, FIRST + 10, b"second");
    assert_eq!(world.store.retain(Timestamp::from_seconds(FIRST + 7200)).unwrap().cleaned, 1);
    let got = world.get(&format!("/cameras/gate/segments/{}", cleaned.file)).await;
    assert_eq!(got.status, 410);
    assert_eq!(got.json()["hint"], format!("it is in the bucket under {}", cleaned.key));
    let never = world.get("/cameras/gate/segments/segment_5.ts").await;
    assert_eq!(never.status, 404);
    // a file that is not what its row says is not passed off as it
    std::fs::write(world.store.path(&kept), b"longer than it was").unwrap();
    let damaged = world.get(&format!("/cameras/gate/segments/{}", kept.file)).await;
    assert_eq!(damaged.status, 500);
    assert!(damaged.text().contains("another size"), "{}", damaged.text());
    world.stop().await;
}

#[tokio::test]
async fn the_live_playlist_rolls_and_goes_on_over_runs() {
    let world = World::new().await;
    let run = world.run();
    for number in 0..4 {
        world.segment(run, FIRST + number * 10, b"x");
    }
    let first = world.get("/live.m3u8").await;
    assert_eq!(first.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert_eq!(first.header("access-control-allow-origin"), Some("*"));
    let (_, before) = m3u8_rs::parse_media_playlist(&first.body).unwrap();
    let next = world.segment(world.run(), FIRST + 100, b"after the restart");
    let second = world.ask("GET", "/cameras/gate/live.m3u8", &[("Range", "bytes=0-")]).await;
    assert_eq!(second.status, 200);
    let (_, after) = m3u8_rs::parse_media_playlist(&second.body).unwrap();
    assert_eq!((before.segments.len(), after.segments.len()), (3, 3));
    assert_eq!(after.media_sequence, before.media_sequence + 1);
    assert_eq!(after.discontinuity_sequence, before.discontinuity_sequence);
    assert!(after.segments[2].discontinuity && !after.segments[1].discontinuity);
    assert_eq!(after.segments[2].uri, format!("/cameras/gate/segments/{}", next.file));
    for segment in &after.segments {
        assert_eq!(world.get(&segment.uri).await.status, 200, "{}", segment.uri);
    }
    let (_, recent) =
        m3u8_rs::parse_media_playlist(&world.get("/cameras/gate/recent.m3u8").await.body).unwrap();
    assert_eq!((recent.segments.len(), recent.end_list), (5, false));
    world.stop().await;
}

#[tokio::test]
async fn a_camera_without_footage_asks_the_player_to_come_again() {
    let world = World::new().await;
    let reason = Some("connection refused".to_owned());
    world.board.set_camera(&name("yard"), CameraState::Waiting, reason, Timestamp::now());
    let got = world.get("/cameras/yard/live.m3u8").await;
    assert_eq!((got.status, got.header("retry-after")), (503, Some("2")));
    assert_eq!(got.json()["hint"], "the camera is waiting: connection refused");
    world.stop().await;
}

#[tokio::test]
async fn nothing_outside_the_rows_can_be_read() {
    let world = World::new().await;
    let segment = world.segment(world.run(), FIRST, b"footage");
    let folder = world.store.path(&segment).parent().unwrap().to_owned();
    std::fs::write(folder.join("segment_77.ts"), b"secret").unwrap();
    std::fs::write(world.folder.path().join("secret.ts"), b"secret").unwrap();
    for path in [
        "/cameras/gate/segments/segment_77.ts",
        "/cameras/gate/segments/../../../secret.ts",
        "/cameras/gate/segments/..%2f..%2f..%2fsecret.ts",
        "/cameras/gate/segments/%2e%2e/%2e%2e/%2e%2e/secret.ts",
        "/cameras/gate/segments/..\\..\\secret.ts",
        "/cameras/../segments.db",
        "/cameras/gate/segments//etc/passwd",
        "//etc/passwd",
        "/segments.db",
        "/cameras/gate/segments/segment_1763906400.ts%00",
    ] {
        let got = world.get(path).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(!got.text().contains("secret\""), "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn refusals_say_why_and_what_is_possible() {
    let world = World::new().await;
    let post = world.ask("POST", "/live.m3u8", &[("Content-Length", "0")]).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let lost = world.get("/cameras/cellar/live.m3u8").await;
    assert_eq!((lost.status, lost.json()["hint"].as_str()), (404, Some("the cameras are: gate, yard")));
    assert_eq!(lost.header("content-type"), Some("application/json"));
    assert_eq!(world.get("/%ff").await.status, 400);
    let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    // the server may hang up before it has read everything
    let _ = stream.write_all(huge.as_bytes()).await;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 431");
    world.stop().await;
}

#[tokio::test]
async fn pages_of_other_sites_may_play_but_not_look_around() {
    let world = World::new().await;
    world.segment(world.run(), FIRST, b"x");
    let headers = [("Origin", "http://elsewhere"), ("Access-Control-Request-Method", "GET")];
    let got = world.ask("OPTIONS", "/live.m3u8", &headers).await;
    assert_eq!((got.status, got.body.len()), (204, 0));
    assert_eq!(got.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert!(got.header("access-control-allow-headers").is_some_and(|names| names.contains("Range")));
    for (path, open) in
        [("/live.m3u8", true), ("/cameras/gate/segments/none", true), ("/", false), ("/health", false)]
    {
        let got = world.get(path).await;
        assert_eq!(got.header("access-control-allow-origin").is_some(), open, "{path}");
        assert!(got.header("content-security-policy").is_some_and(|csp| csp.contains("default-src 'none'")));
    }
    world.stop().await;
}

#[tokio::test]
async fn health_says_how_everything_is() {
    let world = World::new().await;
    let now = Timestamp::now();
    world.segment(world.run(), now.epoch_seconds() - 12, b"12345");
    world.board.set_camera(&name("gate"), CameraState::Recording, None, now);
    world.board.set_camera(&name("yard"), CameraState::Recording, None, now);
    world.board.set_upload(UploadState::Ok, None);
    let got = world.get("/health").await;
    let health = got.json();
    assert_eq!(
        (got.status, &health["status"], &health["reasons"]),
        (200, &"ok".into(), &serde_json::json!([]))
    );
    let mut fields: Vec<_> = health.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["cameras", "reasons", "status", "storage", "upload", "uptime_seconds", "version"]);
    assert_eq!(health["cameras"][0]["name"], "gate");
    assert_eq!(health["cameras"][0]["since"], now.rfc3339());
    assert!(health["cameras"][0]["last_segment_age_seconds"].as_u64().unwrap() < 60);
    assert_eq!((&health["upload"]["pending"], &health["upload"]["failed"]), (&1.into(), &0.into()));
    assert_eq!((&health["storage"]["segments"], &health["storage"]["bytes"]), (&1.into(), &5.into()));
    assert!(health["storage"]["free_bytes"].as_u64().is_some());
    assert!(serde_json::from_slice::<report::Report>(&got.body).is_ok(), "`status` reads it back");

    world.board.set_camera(&name("gate"), CameraState::Waiting, Some("refused".into()), now);
    let got = world.get("/health").await;
    assert_eq!((got.status, &got.json()["status"]), (200, &"degraded".into()));
    world.board.set_camera(&name("yard"), CameraState::Waiting, Some("refused".into()), now);
    let got = world.get("/health").await;
    assert_eq!((got.status, &got.json()["status"]), (503, &"down".into()));
    world.board.set_stopping();
    assert_eq!(world.get("/health").await.json()["reasons"], serde_json::json!(["stopping"]));
    let page = world.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("waiting: refused"), "{}", page.text());
    assert_eq!(world.get("/style.css").await.header("content-type"), Some("text/css; charset=utf-8"));
    world.stop().await;
}

#[tokio::test]
async fn slow_and_silent_clients_are_hung_up_on() {
    let world = World::with(|limits| limits.request_time = Duration::from_millis(100)).await;
    for begun in ["GET /health HTTP/1.1\r\nHost: rec", "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", ""] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "{begun:?} is still connected");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_flood_waits_for_a_place_and_then_is_answered() {
    let world = World::with(|limits| {
        limits.connections = 2;
        limits.request_time = Duration::from_millis(300);
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(world.address).await.unwrap());
    }
    let got = tokio::time::timeout(Duration::from_secs(20), world.get("/style.css")).await;
    assert_eq!(got.expect("the flood shut everybody out").status, 200);
    world.stop().await;
}

#[tokio::test]
async fn an_open_answer_is_finished_and_a_dead_one_is_cut_at_the_stop() {
    let world = World::with(|limits| limits.stalled = Duration::from_secs(2)).await;
    // more than the sockets' buffers can hold: the answer is open until somebody reads it
    let bytes = vec![7; 24 << 20];
    let segment = world.segment(world.run(), FIRST, &bytes);
    let request = format!("GET /cameras/gate/segments/{} HTTP/1.1\r\nHost: a\r\n\r\n", segment.file);
    let mut viewers = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        viewers.push(stream);
    }
    let _dead = viewers.pop();
    let mut alive = viewers.pop().unwrap();
    world.shutdown.request();
    let mut rest = Vec::new();
    alive.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > bytes.len() && rest.ends_with(&bytes), "{} bytes", rest.len());
    let ended = tokio::time::timeout(DRAIN / 2, world.running).await;
    ended.expect("a viewer who reads nothing held up the stop").unwrap().unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_says_what_to_change() {
    let world = World::new().await;
    let config = server_config(world.address.port());
    let error = Server::bind(&config, Vec::new(), world.store.clone(), Board::new()).await.err().unwrap();
    let expected =
        format!("listen on {}: address in use; stop the other program or change server.port", world.address);
    assert_eq!(error.to_string(), expected);
    world.stop().await;
}
