//! What viewers and operators get over HTTP and from the bucket, judged by other people's players.

use std::collections::BTreeSet;

use crate::playlists::{Viewer, numbered, parse};
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded};
use crate::support::tools::{output, video_stream};
use crate::support::{Program, Settings, Workspace, eventually, http};

mod played;

#[test]
fn live_m3u8_only_ever_moves_on_also_over_a_restart() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut viewer = Viewer::new("/live.m3u8");
    let mut ends = Vec::new();
    for _ in 0..2 {
        let mut program = Program::start(&workspace);
        let mut sequences = Vec::new();
        while sequences.len() < 5 {
            let newest = viewer.newest();
            let playlist = eventually(LIMIT, "the next segment in the playlist", || {
                let playlist = viewer.look(&program)?;
                if viewer.newest() > newest { Ok(playlist) } else { Err(format!("still {newest}")) }
            });
            assert!(playlist.segments.len() <= 8, "{playlist:?}");
            sequences.push(playlist.media_sequence);
        }
        assert!(sequences.is_sorted(), "{sequences:?}");
        ends.push((viewer.newest(), viewer.discontinuity()));
        program.sigterm();
        assert!(program.wait_exit(LIMIT).success());
    }
    assert!(ends[1].0 > ends[0].0 && ends[1].1 > ends[0].1, "{ends:?}");
}

#[test]
fn a_playlist_names_its_times_as_the_rows_have_them() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 3);
    camera.stop();
    camera_state(&program, "gate", "waiting");
    let playlist = parse(&program.get("/cameras/gate/recent.m3u8").text());
    drop(program);
    let rows = rows(&workspace);
    let listed = numbered(&playlist);
    assert_eq!(listed.len(), rows.len());
    for ((segment, (sequence, uri, discontinuity)), row) in playlist.segments.iter().zip(listed).zip(&rows) {
        assert_eq!((sequence as i64, discontinuity as i64), (row.sequence, row.discontinuity));
        assert_eq!(uri, format!("/cameras/gate/segments/segment_{}.ts", row.file_epoch));
        assert_eq!(segment.program_date_time.unwrap().timestamp_millis(), row.start_ms);
        assert!((f64::from(segment.duration) - row.duration_s).abs() < 0.001);
    }
}

fn ask(program: &Program<'_>, method: &str, path: &str, headers: &[(&str, &str)]) -> http::Response {
    http::request(program.http_address(), method, path, headers, b"").unwrap()
}

#[test]
fn segments_answer_head_range_and_validators_and_open_themselves_to_other_sites() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let row = uploaded(&workspace, "gate", 1).remove(0);
    let path = format!("/cameras/gate/segments/segment_{}.ts", row.file_epoch);
    let bytes = bucket.server.object(&row.key).unwrap();
    let whole = program.get(&path);
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("video/mp2t")));
    assert_eq!(whole.body, bytes);
    assert_eq!(whole.header("access-control-allow-origin"), Some("*"));
    let etag = whole.header("etag").unwrap().to_owned();

    let head = ask(&program, "HEAD", &path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(row.bytes.to_string().as_str()));
    assert_eq!(head.header("etag"), Some(etag.as_str()));

    for (range, part) in [("bytes=188-375", 188..376), ("bytes=-188", bytes.len() - 188..bytes.len())] {
        let answer = ask(&program, "GET", &path, &[("Range", range)]);
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.body, bytes[part.clone()], "{range}");
        let told = format!("bytes {}-{}/{}", part.start, part.end - 1, bytes.len());
        assert_eq!(answer.header("content-range"), Some(told.as_str()));
    }
    let beyond = ask(&program, "GET", &path, &[("Range", "bytes=99999999-")]);
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), Some(format!("bytes */{}", bytes.len()).as_str()));
    assert!(beyond.text().contains(&bytes.len().to_string()), "{}", beyond.text());
    let fresh = ask(&program, "GET", &path, &[("If-None-Match", &etag)]);
    assert_eq!((fresh.status, fresh.body.len()), (304, 0));
}

#[test]
fn what_is_not_there_is_refused_in_words_that_help() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    for (method, path, status, words) in [
        ("GET", "/nowhere", 404, "/health"),
        ("GET", "/cameras/cellar/live.m3u8", 404, "gate"),
        ("GET", "/cameras/gate/segments/segment_1.ts", 404, "playlists"),
        ("GET", "/cameras/gate/segments/..%2f..%2fsegments.db", 404, "segment_SECONDS.ts"),
        ("POST", "/live.m3u8", 405, "GET, HEAD"),
        ("DELETE", "/health", 405, "GET, HEAD"),
    ] {
        let answer = ask(&program, method, path, &[]);
        assert_eq!(answer.status, status, "{method} {path}");
        let told = answer.json().unwrap();
        assert!(told["error"].is_string(), "{told}");
        assert!(told["hint"].as_str().unwrap().contains(words), "{method} {path}: {told}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
}

#[test]
fn two_cameras_have_their_own_playlists() {
    let (bucket, first, second) = (Bucket::new(), camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &first).camera("yard", &second);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    uploaded(&workspace, "yard", 1);
    for name in ["gate", "yard"] {
        for (list, folder) in [("live", "live"), ("recent", "segments")] {
            let playlist = parse(&program.get(&format!("/cameras/{name}/{list}.m3u8")).text());
            let own = format!("/cameras/{name}/{folder}/");
            assert!(playlist.segments.iter().all(|segment| segment.uri.starts_with(&own)), "{playlist:?}");
        }
    }
    // the first camera of the file
    let short = parse(&program.get("/live.m3u8").text());
    assert!(short.segments.iter().all(|segment| segment.uri.starts_with("/cameras/gate/")), "{short:?}");
}

fn keys(value: &serde_json::Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

#[test]
fn health_has_the_fields_that_are_promised() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let answer = program.get("/health");
    let health = answer.json().unwrap();
    assert_eq!((answer.status, &health["status"]), (200, &"ok".into()), "{health}");
    assert_eq!(health["reasons"], serde_json::json!([]));
    let all = ["status", "reasons", "version", "uptime_seconds", "cameras", "upload", "storage"];
    assert_eq!(keys(&health), all.into());
    let camera = &health["cameras"][0];
    let promised = ["name", "state", "reason", "since", "last_segment_age_seconds", "reconnects"];
    assert_eq!(
        keys(camera),
        [&promised[..], &["oldest_pending_age_seconds", "segments"]].concat().into_iter().collect()
    );
    assert_eq!((&camera["name"], &camera["state"]), (&"gate".into(), &"recording".into()));
    assert_eq!((&camera["reason"], &camera["reconnects"]), (&serde_json::Value::Null, &0.into()));
    assert!(camera["last_segment_age_seconds"].as_u64().unwrap() < 10, "{camera}");
    let upload = ["state", "reason", "pending", "failed", "oldest_pending_age_seconds", "last_success_at"];
    assert_eq!(keys(&health["upload"]), upload.into());
    assert_eq!((&health["upload"]["state"], &health["upload"]["failed"]), (&"ok".into(), &0.into()));
    assert!(health["upload"]["last_success_at"].as_str().unwrap().ends_with('Z'), "{health}");
    let storage = ["segments", "bytes", "free_bytes", "space", "dropped", "reason"];
    assert_eq!(keys(&health["storage"]), storage.into());
    assert!(health["storage"]["bytes"].as_u64().unwrap() > 0, "{health}");
}
