//! The API as it comes over the wire: documents, refusals, events.

use tokio::time::timeout;

use super::*;
use crate::segment::{Cause, Why};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_status_says_everything_at_a_glance() {
    let world = World::new().await;
    let now = Timestamp::now();
    world.segment(world.run(), now.epoch_seconds() - 12, b"12345");
    world.board.set_camera(&name("gate"), CameraState::Recording, None, now);
    world.board.set_upload(UploadState::Waiting, Some("connection refused".into()));
    let got = world.get("/api/v1/status").await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json")));
    let status = got.json();
    let mut fields: Vec<_> = status.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let all = ["cameras", "now", "reasons", "status", "storage", "upload", "uptime_seconds", "version"];
    assert_eq!(fields, all);
    assert_eq!((&status["upload"]["pending"], &status["upload"]["pending_bytes"]), (&1.into(), &5.into()));
    assert_eq!(status["upload"]["last_error"], "connection refused");
    let gate = &status["cameras"][0];
    assert_eq!(
        (&gate["name"], &gate["state"], &gate["pending"]),
        (&"gate".into(), &"recording".into(), &1.into())
    );
    assert_eq!(gate["by_state"], serde_json::json!([{ "state": "created", "count": 1, "bytes": 5 }]));
    let cameras = world.get("/api/v1/cameras").await.json();
    assert_eq!(
        (&cameras["cameras"][0]["name"], &cameras["cameras"][1]["name"]),
        (&"gate".into(), &"yard".into())
    );
    assert_eq!(world.get("/api/v1/cameras/yard").await.json(), cameras["cameras"][1]);
    let head = world.ask("HEAD", "/api/v1/status", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    world.stop().await;
}

#[tokio::test]
async fn a_timeline_tells_footage_and_gaps_with_their_reason() {
    let world = World::new().await;
    let run = world.run();
    world.segment(run, FIRST, b"a");
    let uploaded = world.segment(run, FIRST + 10, b"b");
    world.uploaded(&uploaded);
    let why = Why::new(Cause::Denied, "the camera refuses the password");
    world.store.end_run(run, Timestamp::from_seconds(FIRST + 20), &why).unwrap();
    world.segment(world.run(), FIRST + 50, b"c");
    let path = format!("/api/v1/cameras/gate/timeline?from={FIRST}&to=2025-11-23T14:01:00Z");
    let timeline = world.get(&path).await.json();
    let tiles = timeline["tiles"].as_array().unwrap();
    let kinds: Vec<_> = tiles.iter().map(|tile| tile["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["waiting", "uploaded", "gap", "waiting"], "{timeline:#}");
    assert_eq!((&tiles[2]["cause"], &tiles[2]["seconds"]), (&"denied".into(), &30.0.into()));
    assert_eq!(tiles[2]["reason"], "the camera refuses the password");
    assert_eq!(tiles[2]["start"], "2025-11-23T14:00:20.000Z");
    assert_eq!(timeline["playable_from"], "2025-11-23T14:00:00.000Z");
    let never = world.get("/api/v1/cameras/yard/timeline").await.json();
    assert_eq!(
        (&never["tiles"][0]["kind"], &never["playable_from"]),
        (&"before".into(), &serde_json::Value::Null)
    );
    world.stop().await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_answered_with_what_is_possible() {
    let world = World::new().await;
    for (path, status, words) in [
        ("/api", 404, "/api/v1/status"),
        ("/api/v2/status", 404, "/api/v1/status"),
        ("/api/v1/cameras/cellar", 404, "gate, yard"),
        ("/api/v1/cameras/cellar/timeline", 404, "gate, yard"),
        ("/api/v1/cameras/gate/timeline?from=noon", 400, "RFC 3339"),
        ("/api/v1/cameras/gate/timeline?from=20&to=10", 400, "from before to"),
        ("/api/v1/cameras/gate/timeline?from=0", 400, "a part of it"),
    ] {
        let got = world.get(path).await;
        assert_eq!((got.status, got.header("content-type")), (status, Some("application/json")), "{path}");
        let answer = got.json();
        assert!(answer["hint"].as_str().unwrap().contains(words), "{path}: {answer}");
        assert!(got.header("access-control-allow-origin").is_none(), "{path}");
    }
    assert_eq!(world.ask("DELETE", "/api/v1/status", &[]).await.status, 405);
    world.stop().await;
}

#[tokio::test]
async fn a_day_of_segments_is_told_in_a_short_document() {
    let world = World::new().await;
    let run = world.run();
    for at in 0..300 {
        world.segment(run, FIRST + at * 10, b"x");
    }
    let path = format!("/api/v1/cameras/gate/timeline?from={FIRST}&to={}", FIRST + 3000);
    let timeline = world.get(&path).await.json();
    assert_eq!(timeline["tiles"].as_array().unwrap().len(), 1, "{timeline:#}");
    assert_eq!(timeline["tiles"][0]["seconds"], 3000.0);
    world.stop().await;
}

/// A listener that reads one event at a time.
struct Listener(TcpStream, String);

impl Listener {
    async fn new(world: &World) -> Listener {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: recorder\r\n\r\n").await.unwrap();
        Listener(stream, String::new())
    }

    /// The next event's document; `None` at the end of the stream.
    async fn next(&mut self) -> Option<serde_json::Value> {
        loop {
            if let Some(at) = self.1.find("event: status\ndata: ")
                && let Some(end) = self.1[at..].find("\n\n")
            {
                let json = self.1[at + 20..at + end].to_owned();
                self.1.drain(..at + end);
                return Some(serde_json::from_str(&json).unwrap());
            }
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.0.read(&mut bytes)).await.expect("no event came").unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.1.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    }
}

#[tokio::test]
async fn who_listens_is_told_at_once_and_of_every_change_until_the_stop() {
    let world = World::new().await;
    let mut first = Listener::new(&world).await;
    assert_eq!(first.next().await.unwrap()["cameras"][0]["state"], "unknown");
    assert!(first.1.contains("\n\n") || first.1.is_empty());
    let mut second = Listener::new(&world).await;
    assert_eq!(second.next().await.unwrap()["cameras"][1]["state"], "unknown");
    world.board.set_camera(&name("yard"), CameraState::Waiting, Some("no route".into()), Timestamp::now());
    for listener in [&mut first, &mut second] {
        let told = listener.next().await.unwrap();
        assert_eq!(told["cameras"][1]["reason"], "no route", "{told:#}");
    }
    drop((first, second));
    world.board.set_stopping();
    let mut third = Listener::new(&world).await;
    // the first may be what the ones before were told last
    while third.next().await.expect("no news")["reasons"] != serde_json::json!(["stopping"]) {}
    world.shutdown.request();
    while third.next().await.is_some() {}
    timeout(PATIENCE, world.running).await.expect("a listener held up the stop").unwrap().unwrap();
}

#[tokio::test]
async fn listeners_beyond_the_limit_are_told_to_ask_instead() {
    let world = World::new().await;
    let mut listeners = Vec::new();
    for _ in 0..64 {
        let mut listener = Listener::new(&world).await;
        listener.next().await.unwrap();
        listeners.push(listener);
    }
    let got = world.get("/api/v1/events").await;
    assert_eq!((got.status, got.header("retry-after")), (503, Some("2")));
    assert!(got.json()["hint"].as_str().unwrap().contains("/api/v1/status"));
    let head = world.ask("HEAD", "/api/v1/events", &[]).await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    drop(listeners);
    world.stop().await;
}
