//! Camera → segments → rows → S3, on real input.

use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded};
use std::path::Path;
use std::time::Duration;

use crate::support::tools::{ffprobe_json, output, video_stream};
use crate::support::wait::{eventually, throughout};
use crate::support::{Camera, CameraOptions, Codec, Program, Settings, Workspace};

#[test]
fn a_camera_is_recorded_uploaded_and_verified_byte_for_byte() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    let recorded = uploaded(&workspace, "gate", 4);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    for row in &recorded[..4] {
        let object = bucket.server.folder().join(&row.key);
        let stream = video_stream(object.to_str().unwrap());
        assert_eq!((&stream["codec_name"], &stream["width"]), (&"h264".into(), &320.into()));
        assert!((row.duration_s - 2.0).abs() < 0.001, "{row:?}");
        let hour = &row.key["cameras/gate/".len()..];
        assert!(hour.starts_with(&utc_hour(row.file_epoch)), "{row:?}");
    }
    for pair in recorded[..4].windows(2) {
        let hole = pair[1].start_ms as f64 - pair[0].start_ms as f64 - pair[0].duration_s * 1e3;
        assert!(hole.abs() <= 67.0, "{hole} ms between {pair:?}");
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
    }
}

/// `YYYY/MM/DD/HH/` of a moment, by another library's arithmetic than the program's.
fn utc_hour(epoch: i64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(epoch as u64);
    let text = httpdate::fmt_http_date(at);
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(&text[8..11]).unwrap() / 3 + 1;
    format!("{}/{month:02}/{}/{}/", &text[12..16], &text[5..7], &text[17..19])
}

#[test]
fn the_tail_segment_is_saved_and_uploaded_at_a_clean_stop() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.segment_duration", 60).camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    // well inside the first segment
    throughout(Duration::from_secs(3), "recording", || {
        let health = program.health();
        let state = &health["cameras"][0]["state"];
        if state == "recording" { Ok(()) } else { Err(health.to_string()) }
    });
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let recorded = rows(&workspace);
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!(recorded[0].state, "uploaded");
    assert!(recorded[0].duration_s > 0.5, "{recorded:?}");
    assert_eq!(bucket.segments().len(), 1);
}

#[test]
fn h265_passes_through_untouched_beside_a_transcoding_camera() {
    let bucket = Bucket::new();
    let (first, second) = (
        camera(),
        Camera::start(CameraOptions { codec: Codec::H265, gop: 30, ..CameraOptions::default() }).unwrap(),
    );
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &first).camera("yard", &second).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let yard = uploaded(&workspace, "yard", 3);
    let gate = uploaded(&workspace, "gate", 3);
    drop(program);
    let codec = |row: &crate::scene::Row| {
        let object = bucket.server.folder().join(&row.key);
        video_stream(object.to_str().unwrap())["codec_name"].as_str().unwrap().to_owned()
    };
    assert!(yard[..3].iter().all(|row| codec(row) == "hevc"));
    assert!(gate[..3].iter().all(|row| codec(row) == "h264"));
}

#[test]
fn h265_is_decoded_where_the_mode_transcodes() {
    let bucket = Bucket::new();
    let camera = Camera::start(CameraOptions { codec: Codec::H265, ..CameraOptions::default() }).unwrap();
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let row = uploaded(&workspace, "gate", 1).remove(0);
    drop(program);
    let object = bucket.server.folder().join(&row.key);
    assert_eq!(video_stream(object.to_str().unwrap())["codec_name"], "h264");
}

#[test]
fn an_encoder_s_segments_have_one_file_each_named_after_their_second() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let debug_log = workspace.path().join("gst.log");
    workspace.set_env("GST_DEBUG", "segments:5");
    workspace.set_env("GST_DEBUG_FILE", debug_log.to_str().unwrap());
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 4);
    drop(program);
    let said = std::fs::read_to_string(debug_log).unwrap();
    assert!(said.contains("begins a segment") && said.contains("within a segment"), "{said}");
    // parsers and encoders announce the keyframe that was wished, too; a file for that would have taken the name
    for row in workspace.rows("SELECT file_epoch, start_ms FROM segments") {
        assert_eq!(row["file_epoch"].as_i64(), row["start_ms"].as_i64().map(|ms| ms / 1000), "{row:?}");
    }
}

#[test]
fn audio_beside_the_video_is_left_out() {
    let bucket = Bucket::new();
    let camera = Camera::start(CameraOptions { audio: true, ..CameraOptions::default() }).unwrap();
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let row = uploaded(&workspace, "gate", 1).remove(0);
    drop(program);
    let object = bucket.server.folder().join(&row.key);
    let probed = ffprobe_json(object.to_str().unwrap());
    assert_eq!(probed["streams"].as_array().unwrap().len(), 1, "{probed}");
}

#[test]
fn pipelines_of_ones_own_are_recorded_as_text_and_as_file() {
    let (bucket, camera) = (Bucket::new(), camera());
    // a branch that nobody reads yet must neither stop the recording nor fill memory
    let text = "rtspsrc name=src protocols=tcp ! {{depay}} ! {{parse}} config-interval=-1 \
                ! video/x-h264,stream-format=byte-stream,alignment=au ! tee name=t ! queue ! hlssink2 name=sink \
                t. ! queue ! {{decoder}} ! videoconvert ! appsink name=frames";
    let mut settings = Settings::new(&bucket.server);
    settings.camera("text", &camera).for_camera("capture.pipeline", text);
    settings.camera("file", &camera).for_camera("capture.pipeline", "./own.launch");
    let workspace = Workspace::new(&settings, &bucket.server);
    let commented = text.replace("! tee", "# kept for later\n ! tee");
    std::fs::write(workspace.path().join("own.launch"), commented).unwrap();
    let mut program = Program::start(&workspace);
    for name in ["text", "file"] {
        let row = uploaded(&workspace, name, 2).remove(1);
        assert!((row.duration_s - 2.0).abs() < 0.6, "{row:?}");
    }
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
}

#[test]
fn every_segment_starts_with_a_keyframe_and_decodes_by_itself() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let recorded = uploaded(&workspace, "gate", 3);
    drop(program);
    for (place, row) in recorded[..3].iter().enumerate() {
        let object = bucket.server.folder().join(&row.key);
        let frames = packet_flags(&object);
        assert!(frames.starts_with('K'), "{frames}");
        let packets: Vec<u16> = std::fs::read(&object).unwrap().chunks(188).take(2).map(packet_id).collect();
        assert_eq!(packets[0], 0, "a segment begins with the table of programs, not with {packets:x?}");
        assert_ne!(packets[1], VIDEO, "then comes the program's own table");
        let frames = frames.lines().filter(|line| !line.is_empty()).count() as f64;
        // a loaded machine stamps the first frame of a connection late, and the others catch up
        let tolerance = if place == 0 { 4.5 } else { 0.5 };
        assert!((frames - row.duration_s * 15.0).abs() < tolerance, "{frames} frames in {row:?}");
    }
}

#[test]
fn a_stream_joined_between_keyframes_is_recorded_from_the_next_one_on() {
    let bucket = Bucket::new();
    let camera = Camera::start(CameraOptions { gop: 60, ..CameraOptions::default() }).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("first", &camera);
    let first = Workspace::new(&settings, &bucket.server);
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("second", &camera);
    let second = Workspace::new(&settings, &bucket.server);
    let opens = Program::start(&first);
    camera_state(&opens, "first", "recording");
    // the picture runs already, so this one comes into the middle of it
    let joins = Program::start(&second);
    let row = uploaded(&second, "second", 1).remove(0);
    drop((opens, joins));
    let flags = packet_flags(&bucket.server.folder().join(&row.key));
    assert!(flags.starts_with('K'), "{flags}");
}

#[test]
fn footage_is_on_disk_before_its_group_of_pictures_is_whole() {
    let bucket = Bucket::new();
    let camera = Camera::start(CameraOptions { gop: 900, ..CameraOptions::default() }).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    let folder = workspace.path().join("data/segments/gate");
    let frames = || match segment_files(&folder).as_slice() {
        [one] => frames_in(&std::fs::read(one).unwrap()),
        other => panic!("one segment is written until the next keyframe: {other:?}"),
    };
    camera_state(&program, "gate", "recording");
    eventually(LIMIT, "three seconds of a minute", || frames() >= 45);
    program.kill9();
    let left = frames();
    // what waited in memory is less than a second's
    let again = Program::start(&workspace);
    let row = uploaded(&workspace, "gate", 1).remove(0);
    drop(again);
    assert!(left >= 45 && row.duration_s > left as f64 / 15.0 - 0.5, "{left} frames, {row:?}");
}

#[test]
fn sound_that_a_text_links_is_recorded_with_the_video() {
    let (bucket, camera) = (Bucket::new(), camera());
    let text = "{{source}} ! {{parse}} config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au \
                ! hlssink2 name=sink \
                audiotestsrc is-live=true ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! sink.audio";
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera).for_camera("capture.pipeline", text);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let recorded = uploaded(&workspace, "gate", 3);
    drop(program);
    for row in &recorded[1..3] {
        let probed = ffprobe_json(bucket.server.folder().join(&row.key).to_str().unwrap());
        let kinds: Vec<&str> = probed["streams"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["codec_type"].as_str())
            .collect();
        assert!(kinds.contains(&"audio") && kinds.contains(&"video"), "{probed}");
        assert!((row.duration_s - 2.0).abs() < 0.1, "{row:?}");
    }
}

fn segment_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "ts")).collect()
}

/// Begun in what is there of a file.
fn frames_in(stream: &[u8]) -> usize {
    stream.chunks_exact(188).filter(|packet| packet[1] & 0x40 != 0 && packet_id(packet) == VIDEO).count()
}

/// Of the only video in a file of the program's.
const VIDEO: u16 = 0x41;

/// ISO 13818-1, 2.4.3.2.
fn packet_id(packet: &[u8]) -> u16 {
    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2])
}

/// One line a frame, `K` first where it is a keyframe.
fn packet_flags(object: &Path) -> String {
    let show = ["-v", "error", "-select_streams", "v", "-show_entries", "packet=flags", "-of", "csv=p=0"];
    output("ffprobe", &[&show[..], &[object.to_str().unwrap()]].concat())
}
