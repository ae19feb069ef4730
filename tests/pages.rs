//! What a web page is made of: the API, stills, thumbnails, and recorded footage as MP4.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::scene::{
    Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded,
};
use crate::support::http::{Response, request};
use crate::support::program::files_under;
use crate::support::tools::video_stream;
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

/// Width, height and format of a picture, as ffprobe sees them.
fn seen(folder: &Path, jpeg: &[u8]) -> (i64, i64, String) {
    let path = folder.join("seen.jpg");
    std::fs::write(&path, jpeg).unwrap();
    let stream = video_stream(path.to_str().unwrap());
    let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("nb_read_frames"), "1", "{stream:#}");
    (stream["width"].as_i64().unwrap(), stream["height"].as_i64().unwrap(), text("codec_name"))
}

fn snapshot(program: &Program<'_>, camera: &str) -> Response {
    eventually(LIMIT, &format!("a snapshot of {camera}"), || {
        let got = program.get(&format!("/cameras/{camera}/snapshot.jpg"));
        if got.status == 200 { Ok(got) } else { Err(got.text()) }
    })
}

fn ask(program: &Program<'_>, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    request(program.http_address(), method, path, headers, &[]).unwrap()
}

#[test]
fn a_camera_has_a_picture_now_and_keeps_the_last_one_when_it_is_away() {
    let (bucket, mut gate) = (Bucket::new(), camera());
    let large = CameraOptions { width: 640, height: 480, ..CameraOptions::default() };
    let yard = Camera::start(large).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate).camera("yard", &yard).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    camera_state(&program, "yard", "recording");

    let raw = snapshot(&program, "gate");
    assert_eq!(seen(workspace.path(), &raw.body), (320, 180, "mjpeg".into()));
    assert_eq!(
        (raw.header("content-type"), raw.header("cache-control")),
        (Some("image/jpeg"), Some("no-cache"))
    );
    let keyframe = snapshot(&program, "yard");
    assert_eq!(seen(workspace.path(), &keyframe.body), (320, 240, "mjpeg".into()));

    // the next ones come by themselves while somebody asks
    let etag = eventually(LIMIT, "the next still", || {
        let etag = snapshot(&program, "gate").header("etag").unwrap().to_owned();
        if Some(etag.as_str()) == raw.header("etag") { Err(etag) } else { Ok(etag) }
    });
    let status = program.get("/api/v1/cameras/gate").json().unwrap();
    assert!(status["snapshot_at"].is_string() && status["codec"] == "h264", "{status:#}");
    assert!(status["last_frame_age_seconds"].as_u64().unwrap() < 5, "{status:#}");

    gate.stop();
    camera_state(&program, "gate", "waiting");
    let old = eventually(LIMIT, "a still that grows old", || {
        let got = program.get("/cameras/gate/snapshot.jpg");
        assert_eq!(got.status, 200);
        let age: u64 = got.header("x-snapshot-age").unwrap().parse().unwrap();
        if age > 0 { Ok(got) } else { Err(format!("{age} s")) }
    });
    assert!(old.header("last-modified").is_some());
    let known = old.header("etag").unwrap_or(&etag);
    assert_eq!(ask(&program, "GET", "/cameras/gate/snapshot.jpg", &[("If-None-Match", known)]).status, 304);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
}

#[test]
fn a_camera_that_never_came_has_no_picture_and_the_answer_says_why() {
    let bucket = Bucket::new();
    let mut settings = Settings::new(&bucket.server);
    settings.camera_at("gate", "rtsp://127.0.0.1:9/", None);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "waiting");
    let got = program.get("/cameras/gate/snapshot.jpg");
    assert_eq!((got.status, got.header("retry-after")), (503, Some("2")), "{}", got.text());
    assert!(
        got.json().unwrap()["hint"].as_str().unwrap().contains("refuses the connection"),
        "{}",
        got.text()
    );
    let nothing = program.get("/cameras/gate/play.mp4?start=1763906400").json().unwrap();
    assert_eq!(nothing["next_start"], Value::Null, "{nothing:#}");
    assert_eq!(program.get("/cameras/gate/thumbs?at=1763906400").status, 404);
}

#[test]
fn every_segment_has_a_thumbnail_for_as_long_as_it_is_there() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    let segments = uploaded(&workspace, "gate", 3);
    let path = |row: &Row| format!("/cameras/gate/thumbs/segment_{}.jpg", row.file_epoch);
    for row in &segments[..2] {
        let got = eventually(LIMIT, "a thumbnail", || {
            let got = program.get(&path(row));
            if got.status == 200 { Ok(got) } else { Err(got.text()) }
        });
        assert_eq!(seen(workspace.path(), &got.body), (320, 180, "mjpeg".into()));
        assert!(got.header("cache-control").unwrap().contains("immutable"));
    }
    let middle = segments[1].start_ms + 1000;
    let found = program.get(&format!("/cameras/gate/thumbs?at={}.{:03}", middle / 1000, middle % 1000));
    assert_eq!((found.status, found.header("location")), (302, Some(path(&segments[1]).as_str())));
    assert_eq!(program.get("/cameras/gate/thumbs").status, 400);
    assert_eq!(program.get("/cameras/gate/thumbs/segment_5.jpg").status, 404);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    assert_nothing_lost_or_doubled(&workspace, &bucket);

    // its segment goes, and so does it
    workspace.configure(settings.set("storage.local_buffer_minutes", 0).set("server.enabled", false));
    assert!(workspace.run(&["clean"]).status.success());
    let left = files_under(&workspace.path().join("data/segments"));
    let left: Vec<_> = left.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let of_gone = |row: &&Row| row.state == "cleaned";
    let gone: Vec<Row> = rows(&workspace).iter().filter(of_gone).cloned().collect();
    assert!(!gone.is_empty());
    for row in gone {
        assert!(!left.contains(&format!("segment_{}.jpg", row.file_epoch).as_str()), "{left:?}");
    }
}

/// Frames and begin of what is played from `path`, judged by ffprobe.
fn played(program: &Program<'_>, path: &str) -> (u64, f64) {
    let url = program.url(path);
    let stream = video_stream(&url);
    assert_eq!(stream["codec_name"], "h264");
    let begin = stream["start_time"].as_str().unwrap().parse().unwrap();
    (stream["nb_read_frames"].as_str().unwrap().parse().unwrap(), begin)
}

#[test]
fn recorded_footage_plays_from_any_moment_until_the_next_break() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 3);
    camera.stop();
    camera_state(&program, "gate", "waiting");
    let first_run = rows(&workspace);
    camera.start_again().unwrap();
    eventually(LIMIT, "a segment after the outage", || rows(&workspace).len() > first_run.len() + 1);

    // from the middle of the second segment: from its beginning on, to the end of the run
    let middle = first_run[1].start_ms + 900;
    let path = format!("/cameras/gate/play.mp4?start={}.{:03}", middle / 1000, middle % 1000);
    let head = ask(&program, "HEAD", &path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    let got = program.get(&path);
    assert!(
        got.header("content-type").unwrap().starts_with("video/mp4; codecs=\"avc1."),
        "{:?}",
        got.headers
    );
    let all = rows(&workspace);
    let at = |row: &Row| {
        let sql = format!(
            "SELECT strftime('%Y-%m-%dT%H:%M:%S', {0} / 1000, 'unixepoch') || printf('.%03dZ', {0} % 1000) AS t",
            row.start_ms
        );
        workspace.rows(&sql)[0]["t"].as_str().unwrap().to_owned()
    };
    assert_eq!(got.header("x-start-time"), Some(at(&all[1]).as_str()));
    assert_eq!(got.header("x-next-start"), Some(at(&all[first_run.len()]).as_str()));
    let (frames, begin) = played(&program, &path);
    let seconds: f64 = first_run[1..].iter().map(|row| row.duration_s).sum();
    assert!((frames as f64 - seconds * 15.0).abs() <= 2.0, "{frames} frames in {seconds} s");
    assert!(begin.abs() < 0.2, "begins at {begin}");
    let (short, _) = played(&program, &format!("{path}&seconds=1"));
    assert!((short as f64 - first_run[1].duration_s * 15.0).abs() <= 1.0, "{short} frames");

    // in the outage there is nothing, and the answer says from when on there is
    let lost = (first_run.last().unwrap().start_ms as f64 / 1000.0 + first_run.last().unwrap().duration_s)
        as i64
        + 1;
    let got = program.get(&format!("/cameras/gate/play.mp4?start={lost}"));
    let after = all[first_run.len()].start_ms;
    if after > lost * 1000 + 1000 {
        assert_eq!(
            (got.status, &got.json().unwrap()["next_start"]),
            (404, &at(&all[first_run.len()]).into())
        );
    } else {
        assert_eq!(got.status, 200, "{}", got.text());
    }
    for (query, words) in
        [("", "start is missing"), ("?start=noon", "noon"), ("?start=5&seconds=x", "seconds")]
    {
        let got = program.get(&format!("/cameras/gate/play.mp4{query}"));
        assert_eq!(got.status, 400, "{query}");
        assert!(got.text().contains(words), "{}", got.text());
    }
    // a viewer who goes away leaves nothing behind
    let mut gone = TcpStream::connect(program.http_address()).unwrap();
    write!(gone, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    drop(gone);
    assert_eq!(program.get(&path).status, 200);
}

#[test]
fn a_page_is_told_of_an_outage_and_finds_it_in_the_timeline() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    let mut stream = TcpStream::connect(program.http_address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut told = |what: &str, until: &dyn Fn(&Value) -> bool| {
        let documents = lines
            .by_ref()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
        documents.into_iter().find(|document| until(document)).unwrap_or_else(|| panic!("never told: {what}"))
    };
    let state = |document: &Value| document["cameras"][0]["state"].as_str().unwrap_or_default().to_owned();
    told("recording", &|document| state(document) == "recording");
    camera.stop();
    let away = told("waiting", &|document| state(document) == "waiting");
    assert!(away["cameras"][0]["reason"].is_string(), "{away:#}");
    camera.start_again().unwrap();
    let back = told("recording again", &|document| state(document) == "recording");
    assert!(back["cameras"][0]["reconnects"].as_u64().unwrap() > 0, "{back:#}");
    let timeline = eventually(LIMIT, "the gap in the timeline", || {
        let timeline = program.get("/api/v1/cameras/gate/timeline").json().unwrap();
        let tiles = timeline["tiles"].as_array().unwrap();
        let at = tiles.iter().position(|tile| tile["kind"] == "gap").ok_or(timeline.to_string())?;
        let footage = tiles[at + 1..].iter().any(|tile| tile["kind"] != "open" && tile["kind"] != "gap");
        if footage { Ok(timeline) } else { Err(timeline.to_string()) }
    });
    let tiles = timeline["tiles"].as_array().unwrap();
    assert_eq!(tiles[0]["kind"], "before", "{timeline:#}");
    assert!(tiles.windows(2).all(|pair| pair[0]["end"] == pair[1]["start"]), "{timeline:#}");
    let gap = tiles.iter().find(|tile| tile["kind"] == "gap").unwrap();
    assert!(gap["reason"].is_string() && gap["cause"].is_string() && gap["seconds"].as_f64().unwrap() > 0.0);
    program.sigterm();
    told("stopping", &|document| document["reasons"] == serde_json::json!(["stopping"]));
    assert!(program.wait_exit(LIMIT).success());
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
