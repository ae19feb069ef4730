//! Live streams over the wire: blocking reloads, parts, the endless MP4 and the WebSocket.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::live::testing::Scene;

const LIMIT: Duration = Duration::from_secs(30);

/// A server with a camera `gate` that has sent just over one second.
async fn world() -> (World, Scene) {
    let mut scene = Scene::begun();
    scene.frames(16);
    (World::showing(scene.live.clone(), |_| {}).await, scene)
}

fn sequence(playlist: &str) -> u64 {
    let line = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
    line.unwrap().parse().unwrap()
}

/// Asks from a task of its own.
fn asking(world: &World, path: &str) -> JoinHandle<Got> {
    let (address, request) =
        (world.address, format!("GET {path} HTTP/1.1\r\nHost: recorder\r\nConnection: close\r\n\r\n"));
    tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    })
}

async fn socket(world: &World) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let url = format!("ws://{}/cameras/gate/live.ws", world.address);
    client_async(url, stream).await.unwrap().0
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    loop {
        let message = tokio::time::timeout(LIMIT, socket.next()).await.expect("nothing more came");
        match message.expect("it ended").unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

#[tokio::test]
async fn the_live_playlist_has_its_headers_and_all_that_it_lists_is_there() {
    let (world, mut scene) = world().await;
    scene.frames(40);
    let got = world.get("/cameras/gate/live.m3u8").await;
    for (name, value) in [
        ("content-type", "application/vnd.apple.mpegurl"),
        ("cache-control", "no-cache"),
        ("access-control-allow-origin", "*"),
        ("vary", "Accept-Encoding"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    assert_eq!(world.get("/live.m3u8").await.body, got.body);
    let zipped = world.ask("GET", "/live.m3u8", &[("Accept-Encoding", "gzip")]).await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&zipped.body[..]), &mut text).unwrap();
    assert_eq!(text, got.text());
    let etag = got.header("etag").unwrap().to_owned();
    let fresh = world.ask("GET", "/live.m3u8", &[("If-None-Match", &etag)]).await;
    assert_eq!((fresh.status, fresh.body.len()), (304, 0));
    let head = world.ask("HEAD", "/live.m3u8", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()));
    let parts = text.split('"').filter(|uri| uri.starts_with('/'));
    let hint = text.rsplit('"').nth(1).unwrap();
    for uri in parts.chain(text.lines().filter(|line| line.starts_with('/'))).filter(|uri| *uri != hint) {
        let media = world.get(uri).await;
        assert_eq!((media.status, media.header("content-type")), (200, Some("video/mp4")), "{uri}");
        assert!(media.header("cache-control").unwrap().contains("immutable"), "{uri}");
        assert!(media.body.len() > 100, "{uri}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_blocking_reload_and_an_announced_part_come_together() {
    let (world, mut scene) = world().await;
    let first = world.get("/live.m3u8").await;
    let hint = first.text().rsplit('"').nth(1).unwrap().to_owned();
    let newest = sequence(first.text()) + 1;
    let reload = asking(&world, &format!("/live.m3u8?_HLS_msn={newest}&_HLS_part=0"));
    let part = asking(&world, &hint);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!reload.is_finished() && !part.is_finished(), "answered before it was there");
    scene.frames(3);
    let reload = tokio::time::timeout(LIMIT, reload).await.unwrap().unwrap();
    assert!(
        reload.text().contains(&format!("#EXT-X-PART:DURATION=0.200000,URI=\"{hint}\"")),
        "{}",
        reload.text()
    );
    let part = tokio::time::timeout(LIMIT, part).await.unwrap().unwrap();
    assert_eq!((part.status, &part.body[4..8]), (200, &b"moof"[..]));
    world.stop().await;
}

#[tokio::test]
async fn what_no_player_may_ask_for_is_refused_in_words() {
    let (world, _scene) = world().await;
    let newest = sequence(world.get("/live.m3u8").await.text());
    for (path, status, words) in [
        ("/live.m3u8?_HLS_part=1".to_owned(), 400, "_HLS_msn"),
        ("/live.m3u8?_HLS_msn=x".to_owned(), 400, "whole number"),
        (format!("/live.m3u8?_HLS_msn={}", newest + 9), 400, "too far"),
        (format!("/cameras/gate/live/{}.m4s", newest + 1), 404, "no longer in memory"),
        (format!("/cameras/gate/live/{newest}.77.m4s"), 404, "no longer in memory"),
        ("/cameras/gate/live/init_1.mp4".to_owned(), 404, "no longer in memory"),
        ("/cameras/gate/live.ws".to_owned(), 426, "WebSocket"),
        ("/cameras/yard/live/1.m4s".to_owned(), 503, "another process"),
        ("/cameras/cellar/live.mp4".to_owned(), 404, "no camera"),
    ] {
        let got = world.get(&path).await;
        assert_eq!(got.status, status, "{path}");
        assert!(got.json()["error"].as_str().unwrap().contains(words), "{path}: {}", got.text());
        assert!(!got.json()["hint"].as_str().unwrap().is_empty());
    }
    world.stop().await;
}

#[tokio::test]
async fn a_camera_that_is_away_is_not_waited_for() {
    let scene = Scene::begun();
    let world = World::showing(scene.live.clone(), |_| {}).await;
    let reason = Some("connection refused".to_owned());
    world.board.set_camera(&name("gate"), CameraState::Waiting, reason, Timestamp::now());
    for path in ["/live.m3u8", "/cameras/gate/live.mp4"] {
        let got = world.get(path).await;
        assert_eq!((got.status, got.header("retry-after")), (503, Some("2")), "{path}");
        assert_eq!(got.json()["hint"], "the camera is waiting: connection refused");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_websocket_begins_with_words_and_the_init_and_ends_with_the_program() {
    let (world, mut scene) = world().await;
    world.board.set_camera(&name("gate"), CameraState::Recording, None, Timestamp::now());
    let mut socket = socket(&world).await;
    let (mut words, mut media) = (Vec::new(), Vec::new());
    while media.len() < 3 || words.len() < 2 {
        scene.frames(1);
        match next(&mut socket).await {
            Message::Text(text) => words.push(serde_json::from_str::<serde_json::Value>(&text).unwrap()),
            Message::Binary(bytes) => media.push(bytes),
            other => panic!("{other:?}"),
        }
    }
    let init = serde_json::json!({"type": "init", "codec": "avc1.64000c", "width": 320, "height": 180});
    let state = serde_json::json!({"type": "state", "state": "recording", "reason": null});
    assert!(words.contains(&init) && words.contains(&state), "{words:?}");
    assert_eq!((&media[0][4..8], &media[1][4..8]), (&b"ftyp"[..], &b"moof"[..]));
    assert!(media[1].windows(4).any(|flags| flags == 0x0200_0000_u32.to_be_bytes()), "no keyframe first");
    world.board.set_camera(&name("gate"), CameraState::Waiting, Some("refused".into()), Timestamp::now());
    let told = loop {
        if let Message::Text(text) = next(&mut socket).await {
            break text;
        }
    };
    assert!(told.contains("\"waiting\"") && told.contains("\"refused\""), "{told}");
    world.shutdown.request();
    loop {
        match next(&mut socket).await {
            Message::Close(frame) => {
                break assert_eq!(frame.unwrap().reason.as_str(), "the recorder is stopping");
            }
            Message::Binary(_) | Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    }
    world.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_websocket_viewer_who_leaves_or_floods_is_let_go() {
    let (world, scene) = world().await;
    let hub = scene.hub();
    let mut polite = socket(&world).await;
    polite.close(None).await.unwrap();
    let mut flood = socket(&world).await;
    let huge = Message::Binary(vec![0; 100_000].into());
    let sent = flood.send(huge).await;
    let mut ended = matches!(sent, Err(SocketError::Io(_)));
    while !ended {
        ended = !matches!(tokio::time::timeout(LIMIT, flood.next()).await.unwrap(), Some(Ok(_)));
    }
    let begun = tokio::time::Instant::now();
    while hub.viewers() > 0 {
        assert!(begun.elapsed() < LIMIT, "{} viewers are still counted", hub.viewers());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn the_endless_mp4_goes_on_over_runs_of_one_kind_and_ends_with_the_program() {
    let (world, mut scene) = world().await;
    let head = world.ask("HEAD", "/cameras/gate/live.mp4", &[]).await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("video/mp4")));
    let stream = asking(&world, "/cameras/gate/live.mp4");
    while scene.hub().viewers() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut sent = 15;
    for run in 1..=2 {
        for _ in 0..30 {
            scene.frames(1);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sent += 30;
        if run == 1 {
            scene.hub().end();
            sent += 1;
            tokio::time::sleep(Duration::from_millis(300)).await;
            scene.number = 60;
            scene.begin();
        }
    }
    assert!(!stream.is_finished());
    world.shutdown.request();
    let got = tokio::time::timeout(LIMIT, stream).await.unwrap().unwrap();
    let count = |name: &[u8]| got.body.windows(4).filter(|four| *four == name).count();
    assert_eq!((got.status, count(b"ftyp"), count(b"moov")), (200, 1, 1));
    // all but the frame that is held back; a machine that is very busy may skip some
    assert!((sent / 2..sent).contains(&count(b"moof")), "{} of {sent}", count(b"moof"));
    world.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn many_viewers_of_one_camera_are_answered_together() {
    let (world, mut scene) = world().await;
    let newest = sequence(world.get("/live.m3u8").await.text()) + 1;
    let path = format!("/live.m3u8?_HLS_msn={newest}&_HLS_part=0");
    let viewers: Vec<_> = (0..200).map(|_| asking(&world, &path)).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(viewers.iter().all(|viewer| !viewer.is_finished()));
    scene.frames(5);
    let mut bodies = std::collections::BTreeSet::new();
    for viewer in viewers {
        let got = tokio::time::timeout(LIMIT, viewer).await.expect("left waiting").unwrap();
        assert_eq!(got.status, 200);
        bodies.insert(got.body);
    }
    assert_eq!(bodies.len(), 1, "everybody gets the same");
    world.stop().await;
}
