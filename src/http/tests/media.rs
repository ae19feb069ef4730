//! Segments and playlists, as a player asks for them.

use super::*;

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
