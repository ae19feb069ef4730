//! Other people's players play what the program serves and what lies in the bucket.

use super::{Bucket, LIMIT, Program, Settings, Workspace, assert_nothing_lost_or_doubled};
use super::{camera, output, rows, uploaded, video_stream};
use crate::support::{Camera, CameraOptions};

/// Frames of `playlist` that ffprobe decodes before it has had `limit` of them.
fn frames(playlist: &str, limit: usize) -> usize {
    let interval = format!("%+#{limit}");
    let args = ["-v", "error", "-max_reload", "20", "-m3u8_hold_counters", "20", "-live_start_index", "0"];
    let what = [
        "-read_intervals",
        &interval,
        "-select_streams",
        "v",
        "-show_entries",
        "frame=pict_type",
        "-of",
        "csv=p=0",
    ];
    let text = output("ffprobe", &[&args[..], &what[..], &[playlist]].concat());
    text.lines().filter(|line| line.starts_with(['I', 'P', 'B'])).count()
}

#[test]
fn ffprobe_plays_the_live_and_the_recent_playlist() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 3);
    for path in ["/live.m3u8", "/cameras/gate/live.m3u8", "/cameras/gate/recent.m3u8"] {
        // more than two segments, so that it went over a boundary
        assert_eq!(frames(&program.url(path), 75), 75, "{path}");
    }
}

#[test]
fn the_hours_manifest_plays_from_the_bucket_as_it_lies() {
    let (bucket, mut camera, other) = (Bucket::new(), camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera).camera("yard", &other).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 3);
    // a second run: the manifest holds a break, and timestamps begin again
    camera.stop();
    crate::scene::camera_state(&program, "gate", "waiting");
    camera.start_again().unwrap();
    let before = rows(&workspace).iter().filter(|row| row.camera == "gate").count();
    uploaded(&workspace, "gate", before + 2);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    let recorded = rows(&workspace);
    let manifests: Vec<_> =
        bucket.server.keys().into_iter().filter(|key| key.ends_with("manifest.m3u8")).collect();
    assert!(!manifests.is_empty());
    let texts = manifests.iter().map(|key| String::from_utf8(bucket.server.object(key).unwrap()).unwrap());
    assert!(
        texts
            .into_iter()
            .any(|text| text.contains("#EXT-X-DISCONTINUITY\n") && text.contains("CLASS=\"gap\""))
    );
    let mut expected = 0;
    let mut runs = std::collections::BTreeSet::new();
    for row in &recorded {
        // a loaded machine stamps the first frame of a connection late, and the others catch up
        let tolerance = if runs.insert(row.run) { 4.5 } else { 0.5 };
        let object = bucket.server.folder().join(&row.key);
        let stream = video_stream(object.to_str().unwrap());
        let found: usize = stream["nb_read_frames"].as_str().unwrap().parse().unwrap();
        assert!((found as f64 - row.duration_s * 15.0).abs() < tolerance, "{found} frames in {row:?}");
        expected += found;
    }
    let played: usize =
        manifests.iter().map(|key| frames(bucket.server.folder().join(key).to_str().unwrap(), 100_000)).sum();
    assert_eq!(played, expected, "{recorded:?}");
}

#[test]
fn ten_second_segments_at_real_size_join_without_a_hole_or_an_overlap() {
    let bucket = Bucket::new();
    let options = CameraOptions { width: 640, height: 360, gop: 30, ..CameraOptions::default() };
    let camera = Camera::start(options).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings
        .set("capture.resolution", "1280x720")
        .set("capture.bitrate_kbps", 1000)
        .set("capture.segment_duration", 10)
        .camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let recorded = uploaded(&workspace, "gate", 3);
    drop(program);
    let frame_ms = 1000.0 / 15.0;
    for row in &recorded[..3] {
        assert!((row.duration_s - 10.0).abs() * 1e3 <= frame_ms + 1.0, "{row:?}");
        let object = bucket.server.folder().join(&row.key);
        let args = ["-v", "error", "-select_streams", "v", "-show_entries", "packet=flags", "-of", "csv=p=0"];
        let packets = output("ffprobe", &[&args[..], &[object.to_str().unwrap()]].concat());
        assert!(packets.starts_with('K'), "{packets}");
        assert_eq!(packets.lines().filter(|line| !line.is_empty()).count(), 150, "{row:?}");
        let stream = video_stream(object.to_str().unwrap());
        assert_eq!((&stream["width"], &stream["height"]), (&1280.into(), &720.into()));
        assert_eq!((&stream["nb_read_frames"], &stream["r_frame_rate"]), (&"150".into(), &"15/1".into()));
    }
    for pair in recorded[..3].windows(2) {
        let hole = pair[1].start_ms as f64 - pair[0].start_ms as f64 - pair[0].duration_s * 1e3;
        assert!(hole.abs() <= frame_ms, "{hole} ms between {pair:?}");
    }
}
