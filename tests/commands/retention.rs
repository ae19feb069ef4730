//! Local buffer and quota, by the program itself and by `clean`.

use std::path::Path;

use super::run;
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::{Program, Settings, Workspace, eventually, tools};

#[test]
fn without_a_local_buffer_uploaded_files_go_and_their_rows_stay() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("storage.local_buffer_minutes", 0).set("capture.mode", "passthrough");
    settings.camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    let cleaned = eventually(LIMIT, "two cleaned segments", || {
        let rows = rows(&workspace).into_iter().filter(|row| row.state == "cleaned").collect::<Vec<_>>();
        (rows.len() >= 2).then_some(rows)
    });
    let files = || workspace.segment_files();
    eventually(LIMIT, "their files to go", || {
        let name = |epoch: i64| format!("segment_{epoch}.ts");
        cleaned.iter().all(|row| !files().iter().any(|file| file.ends_with(name(row.file_epoch))))
    });
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    for row in cleaned {
        assert_eq!(bucket.server.object(&row.key).unwrap().len() as i64, row.bytes, "{row:?}");
    }
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn clean_applies_the_local_buffer_now() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    assert_eq!(workspace.run(&["clean"]).status.code(), Some(1), "no database yet");
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let recorded = workspace.segment_files().len();
    assert!(run(&workspace, &["clean"], 0).starts_with("0 uploaded"));
    assert_eq!(workspace.segment_files().len(), recorded, "the buffer is 30 minutes");
    let config = workspace.path().join("config.toml");
    // with the server on, what live.m3u8 may list stays a little longer
    settings.set("storage.local_buffer_minutes", 0).set("server.enabled", false).write(&config).unwrap();
    assert!(run(&workspace, &["clean"], 0).starts_with(&format!("{recorded} uploaded segments deleted")));
    assert!(workspace.segment_files().is_empty());
    assert!(rows(&workspace).iter().all(|row| row.state == "cleaned"));
    run(&workspace, &["check", "store"], 0);
}

/// Two seconds of noise: about 1.7 MB of real H.264.
fn large_segment(path: &Path) {
    let picture = "testsrc2=s=640x360:r=15:d=2,noise=alls=100:allf=t";
    let encode =
        ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "7M", "-maxrate", "7M", "-bufsize", "1M"];
    let mut args = vec!["-v", "error", "-f", "lavfi", "-i", picture, "-g", "15", "-f", "mpegts"];
    args.splice(6..6, encode);
    args.push(path.to_str().unwrap());
    tools::output("ffmpeg", &args);
}

#[test]
fn a_full_quota_drops_the_oldest_only_and_the_rest_is_uploaded() {
    let mut bucket = Bucket::new();
    bucket.server.stop();
    let mut settings = Settings::new(&bucket.server);
    // the smallest there is: 10.7 MB
    settings.set("storage.max_size_gb", 0.01).set("capture.mode", "passthrough");
    // the files are years old by their names: once uploaded they would go at once
    settings.set("storage.local_buffer_minutes", 5_256_000);
    settings.camera_at("gate", "rtsp://127.0.0.1:9/x", None);
    let workspace = Workspace::new(&settings, &bucket.server);
    let folder = workspace.path().join("data/segments/gate");
    std::fs::create_dir_all(&folder).unwrap();
    let sample = workspace.path().join("sample.ts");
    large_segment(&sample);
    let size = std::fs::metadata(&sample).unwrap().len();
    let quota = 1024 * 1024 * 1024 / 100;
    let kept = (quota / size) as usize;
    let dropped = 3;
    for n in 0..kept + dropped {
        std::fs::copy(&sample, folder.join(format!("segment_{}.ts", 1_763_900_000 + 2 * n))).unwrap();
    }
    let mut program = Program::start(&workspace);
    let states = || rows(&workspace).into_iter().map(|row| row.state).collect::<Vec<_>>();
    eventually(LIMIT, "the oldest to be dropped", || {
        let states = states();
        let gone = states.iter().filter(|state| *state == "dropped").count();
        if gone == dropped { Ok(()) } else { Err(format!("{states:?}")) }
    });
    let told =
        |line: &String| line.contains("ERROR") && line.contains("3 segments dropped before S3 had them");
    eventually(LIMIT, "an alert that counts each", || program.log().iter().any(told));
    let health = program.health();
    assert_eq!((&health["storage"]["space"], &health["storage"]["dropped"]), (&"dropping".into(), &3.into()));
    bucket.server.start_again().unwrap();
    uploaded(&workspace, "gate", kept);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    assert!(states()[..dropped].iter().all(|state| state == "dropped"), "{:?}", states());
    assert!(states()[dropped..].iter().all(|state| state == "uploaded"), "{:?}", states());
    assert_eq!((bucket.segments().len(), workspace.segment_files().len()), (kept, kept));
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
