//! The uploader over real rows, against a real store and a faulty one.

use crate::config::{S3Config, Secret};
use crate::segment::{State, Timestamp};
use crate::status::UploadState;

use super::s3::Source;
use super::testing::{
    ACCESS_KEY, BUCKET, Bench, Fault, Faulty, SECRET_KEY, camera, client, config, eventually, faulty, md5_of,
    real, sha256_of,
};

/// The start of a UTC hour.
const HOUR: i64 = 1_763_906_400;

#[tokio::test]
async fn segments_reach_the_store_byte_for_byte_with_their_manifest() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let server = real(folder.path(), "127.0.0.1:0").await;
    let segments: Vec<_> = (0..5).map(|n| bench.segment(HOUR + 10 * n)).collect();
    let uploader = bench.start(config(server.address));
    for segment in &segments {
        bench.reaches(segment, State::Uploaded).await;
        let object = std::fs::read(folder.path().join(BUCKET).join(&segment.key)).unwrap();
        assert_eq!(object, std::fs::read(bench.store.path(segment)).unwrap());
    }
    let late = bench.segment(HOUR + 50);
    bench.wake.notify_one();
    bench.reaches(&late, State::Uploaded).await;
    uploader.stop().await;
    let manifest = folder.path().join(BUCKET).join("cameras/cam/2025/11/23/14/manifest.m3u8");
    let text = std::fs::read_to_string(manifest).unwrap();
    for segment in segments.iter().chain([&late]) {
        assert!(text.contains(&format!("\n{}\n", segment.file)), "{text}");
    }
    assert!(text.ends_with("#EXT-X-ENDLIST\n"), "the hour is long over: {text}");
    assert!(bench.store.open_manifests().unwrap().is_empty());
    assert_eq!(bench.shows(UploadState::Stopped).await, "");
}

#[tokio::test]
async fn nothing_is_uploaded_twice_whatever_the_store_answers() {
    for (fault, puts, heads) in [
        (Fault::Status(503, "SlowDown"), 2, 1),
        (Fault::Status(429, "TooManyRequests"), 2, 0),
        (Fault::CommitThenStatus(500, "InternalError"), 1, 1),
        (Fault::CommitThenReset, 1, 1),
        (Fault::Etag { commit: true, etag: Some("00000000000000000000000000000000") }, 1, 1),
        (Fault::Etag { commit: true, etag: None }, 1, 1),
        (Fault::Etag { commit: false, etag: None }, 2, 2),
        (Fault::Redirect, 2, 0),
        (Fault::Status(409, "ConditionalRequestConflict"), 2, 1),
    ] {
        let bench = Bench::new();
        let store = faulty([fault.clone()]).await;
        let segment = bench.segment(HOUR);
        let uploader = bench.start(config(store.server.address));
        let row = bench.reaches(&segment, State::Uploaded).await;
        uploader.stop().await;
        assert_eq!(store.commits(&segment), 1, "{fault:?}");
        assert_eq!(row.attempts, 0, "{fault:?} blamed the segment");
        let asked = (store.requests("PUT", &segment), store.requests("HEAD", &segment));
        assert_eq!(asked, (puts, heads), "{fault:?}");
    }
}

#[tokio::test]
async fn a_doubt_holds_a_put_back_until_head_gives_a_definite_answer() {
    let bench = Bench::new();
    let store = faulty([
        Fault::CommitThenStatus(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Redirect,
    ])
    .await;
    store.objects.lock().unwrap().every_method = true;
    let segment = bench.segment(HOUR);
    let uploader = bench.start(config(store.server.address));
    bench.reaches(&segment, State::Uploaded).await;
    uploader.stop().await;
    assert_eq!((store.commits(&segment), store.requests("PUT", &segment)), (1, 1));
    assert_eq!(store.requests("HEAD", &segment), 3);
}

#[tokio::test]
async fn without_the_right_to_list_the_condition_guards_a_doubtful_upload() {
    let bench = Bench::new();
    let store = faulty([]).await;
    store.objects.lock().unwrap().hides_absence = true;
    let segment = bench.segment(HOUR);
    bench.store.begin_upload(segment.id).unwrap();
    let uploader = bench.start(config(store.server.address));
    bench.reaches(&segment, State::Uploaded).await;
    uploader.stop().await;
    assert_eq!((store.requests("HEAD", &segment), store.commits(&segment)), (1, 1));
}

#[tokio::test]
async fn a_kill_while_uploading_costs_no_second_upload() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let segment = bench.segment(HOUR);
    // as a process leaves it that died right after the store had the object
    bench.store.begin_upload(segment.id).unwrap();
    let uploader = bench.start(config(store.server.address));
    bench.reaches(&segment, State::Uploaded).await;
    uploader.kill().await;
    let (first, second) = (bench.segment(HOUR + 10), bench.segment(HOUR + 20));
    bench.store.begin_upload(first.id).unwrap();
    bench.store.begin_upload(second.id).unwrap();
    let content = std::fs::read(bench.store.path(&first)).unwrap();
    let put = super::s3::Put {
        key: &first.key,
        md5: md5_of(&content),
        sha256: Some(sha256_of(&content)),
        ..Default::default()
    };
    let body = super::s3::Body::Bytes(content.into());
    assert_eq!(client(store.server.address).put(&put, body).await.unwrap().status, 200);
    let uploader = bench.start(config(store.server.address));
    bench.reaches(&first, State::Uploaded).await;
    bench.reaches(&second, State::Uploaded).await;
    uploader.stop().await;
    for segment in [&segment, &first, &second] {
        assert_eq!(store.commits(segment), 1, "{}", segment.key);
    }
}

#[tokio::test]
async fn an_outage_costs_no_attempt_and_ends_by_itself() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let address = real(folder.path(), "127.0.0.1:0").await.stop().await;
    let segments: Vec<_> = (0..8).map(|n| bench.segment(HOUR + 10 * n)).collect();
    let uploader = bench.start(config(address));
    let reason = bench.shows(UploadState::Waiting).await;
    assert_eq!(reason, format!("S3 does not answer at {address} (connection refused)"));
    let server = real(folder.path(), &address.to_string()).await;
    for segment in &segments {
        assert_eq!(bench.reaches(segment, State::Uploaded).await.attempts, 0);
    }
    bench.shows(UploadState::Ok).await;
    // and once more in the middle of the work
    server.stop().await;
    let later = bench.segment(HOUR + 100);
    bench.wake.notify_one();
    bench.shows(UploadState::Waiting).await;
    let _server = real(folder.path(), &address.to_string()).await;
    bench.reaches(&later, State::Uploaded).await;
    uploader.stop().await;
}

#[tokio::test]
async fn an_object_that_s3_refuses_fails_alone_after_its_retries() {
    let bench = Bench::new();
    let store = faulty([Fault::Status(400, "EntityTooLarge")]).await;
    let (bad, good) = (bench.segment(HOUR), bench.segment(HOUR + 10));
    let config = S3Config { max_retries: 1, concurrency: 1, ..config(store.server.address) };
    let uploader = bench.start(config);
    let row = bench.reaches(&bad, State::Failed).await;
    assert!(row.last_error.unwrap().contains("EntityTooLarge"));
    bench.reaches(&good, State::Uploaded).await;
    assert!(bench.store.path(&bad).exists(), "a failed segment keeps its file");
    assert_eq!(bench.store.retry_failed(None).unwrap(), 1);
    bench.wake.notify_one();
    bench.reaches(&bad, State::Uploaded).await;
    uploader.stop().await;
}

#[tokio::test]
async fn a_blamed_object_is_tried_again_before_it_fails() {
    let bench = Bench::new();
    let store = faulty([Fault::Status(400, "InvalidArgument")]).await;
    let segment = bench.segment(HOUR);
    let uploader = bench.start(config(store.server.address));
    let row = bench.reaches(&segment, State::Retry).await;
    assert_eq!((row.attempts, row.doubtful), (1, false));
    bench.reaches(&segment, State::Uploaded).await;
    uploader.stop().await;
}

#[tokio::test]
async fn a_file_that_is_gone_or_changed_is_lost_and_never_uploaded() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let server = real(folder.path(), "127.0.0.1:0").await;
    let gone = bench.segment(HOUR);
    let cut = bench.segment(HOUR + 10);
    let damaged = bench.segment(HOUR + 20);
    let whole = bench.segment(HOUR + 30);
    std::fs::remove_file(bench.store.path(&gone)).unwrap();
    std::fs::write(bench.store.path(&cut), b"short").unwrap();
    let mut bytes = std::fs::read(bench.store.path(&damaged)).unwrap();
    bytes[0] ^= 1;
    std::fs::write(bench.store.path(&damaged), bytes).unwrap();
    let uploader = bench.start(config(server.address));
    for (segment, why) in [(&gone, "gone"), (&cut, "5 bytes instead of"), (&damaged, "no longer those")] {
        let row = bench.reaches(segment, State::Lost).await;
        assert!(row.last_error.as_ref().is_some_and(|error| error.contains(why)), "{:?}", row.last_error);
    }
    bench.reaches(&whole, State::Uploaded).await;
    uploader.stop().await;
}

#[tokio::test]
async fn a_foreign_object_is_never_overwritten() {
    for ignores_conditions in [false, true] {
        let bench = Bench::new();
        let store = faulty([]).await;
        store.objects.lock().unwrap().ignores_conditions = ignores_conditions;
        let segment = bench.segment(HOUR);
        let foreign = b"of another recorder";
        let put = super::s3::Put { key: &segment.key, md5: md5_of(foreign), ..Default::default() };
        let body = super::s3::Body::Bytes(foreign.as_slice().into());
        client(store.server.address).put(&put, body).await.unwrap();
        let uploader = bench.start(config(store.server.address));
        let row = bench.reaches(&segment, State::Failed).await;
        assert!(row.last_error.unwrap().contains("second recorder"));
        uploader.stop().await;
        let kept = store.objects.lock().unwrap().stored[&Faulty::path(&segment)].body.clone();
        assert_eq!(&kept[..], foreign);
    }
}

#[tokio::test]
async fn wrong_keys_and_rights_are_shown_with_what_to_do_and_cost_nothing() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let server = real(folder.path(), "127.0.0.1:0").await;
    let segment = bench.segment(HOUR);
    let wrong = Source::Fixed { access_key: ACCESS_KEY.into(), secret_key: Secret::new("wrong") };
    let uploader = bench.start_as(config(server.address), wrong);
    let reason = bench.shows(UploadState::Misconfigured).await;
    assert!(reason.contains("correct AWS_SECRET_ACCESS_KEY"), "{reason}");
    uploader.stop().await;
    assert_eq!((bench.again(&segment).state, bench.again(&segment).attempts), (State::Created, 0));

    for (status, code, advice) in [
        (403, "AccessDenied", "allow s3:PutObject"),
        (404, "NoSuchBucket", "create it or correct s3.bucket"),
        (403, "ExpiredToken", "renew them"),
        (301, "PermanentRedirect", "correct s3.region"),
    ] {
        let bench = Bench::new();
        let store = faulty([Fault::Status(status, code)]).await;
        let segment = bench.segment(HOUR);
        let uploader = bench.start(config(store.server.address));
        let reason = bench.shows(UploadState::Misconfigured).await;
        assert!(reason.contains(advice), "{reason}");
        uploader.stop().await;
        let row = bench.again(&segment);
        assert_eq!((row.state, row.attempts), (State::Retry, 0), "{code}");
        assert!(!reason.contains(SECRET_KEY) && !reason.contains("X-Amz"), "{reason}");
    }
}

#[tokio::test]
async fn a_wrong_clock_is_waited_out_with_what_to_do() {
    let bench = Bench::new();
    let store = faulty([Fault::Status(403, "RequestTimeTooSkewed")]).await;
    let segment = bench.segment(HOUR);
    let uploader = bench.start(config(store.server.address));
    let reason = bench.shows(UploadState::Waiting).await;
    assert!(reason.contains("set the clock"), "{reason}");
    uploader.stop().await;
    assert_eq!(bench.again(&segment).attempts, 0);
}

#[tokio::test]
async fn a_stop_leaves_a_stalled_upload_queued_and_in_doubt() {
    let bench = Bench::new();
    let store = faulty([Fault::Stall]).await;
    let segment = bench.segment(HOUR);
    let uploader = super::Uploader {
        config: config(store.server.address),
        store: bench.store.clone(),
        board: bench.board.clone(),
        wake: bench.wake.clone(),
        segment_duration: std::time::Duration::from_secs(10),
    };
    let shutdown = crate::shutdown::Shutdown::new();
    let (stop, drain) = (shutdown.clone(), std::time::Duration::from_millis(50));
    let task = tokio::spawn(uploader.run_as(super::testing::source(), stop, drain));
    eventually("the PUT is under way", || store.requests("PUT", &segment) == 1).await;
    shutdown.request();
    task.await.unwrap().unwrap();
    let row = bench.again(&segment);
    assert_eq!((row.state, row.doubtful, row.attempts), (State::Retry, true, 0));
}

#[tokio::test]
async fn a_stop_uploads_what_still_waits() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let uploader = bench.start(config(store.server.address));
    let first = bench.segment(HOUR);
    bench.wake.notify_one();
    bench.reaches(&first, State::Uploaded).await;
    let tails: Vec<_> = (1..6).map(|n| bench.segment(HOUR + 10 * n)).collect();
    uploader.stop().await;
    for tail in &tails {
        assert_eq!(bench.again(tail).state, State::Uploaded);
    }
}

#[tokio::test]
async fn a_segment_arrives_whole_whether_it_is_held_in_memory_or_streamed() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let server = real(folder.path(), "127.0.0.1:0").await;
    let sizes = [1, 256 * 1024, 256 * 1024 + 1, 1_500_000];
    let content = |bytes: usize| (0..bytes).map(|n| (n / 3) as u8).collect::<Vec<_>>();
    let segments: Vec<_> =
        (0..).zip(sizes).map(|(n, bytes)| bench.segment_of(HOUR + 10 * n, &content(bytes))).collect();
    let uploader = bench.start(config(server.address));
    for (segment, bytes) in segments.iter().zip(sizes) {
        bench.reaches(segment, State::Uploaded).await;
        assert!(std::fs::read(folder.path().join(BUCKET).join(&segment.key)).unwrap() == content(bytes));
    }
    uploader.stop().await;
}

#[tokio::test]
async fn a_large_segment_goes_by_multipart_and_is_verified() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let server = real(folder.path(), "127.0.0.1:0").await;
    let content: Vec<u8> = (0..6_500_000u32).map(|n| (n / 3) as u8).collect();
    let segment = bench.segment_of(HOUR, &content);
    let config = S3Config { multipart_threshold_bytes: 5 << 20, ..config(server.address) };
    let uploader = bench.start(config.clone());
    bench.reaches(&segment, State::Uploaded).await;
    uploader.stop().await;
    assert!(std::fs::read(folder.path().join(BUCKET).join(&segment.key)).unwrap() == content);
}

#[tokio::test]
async fn a_running_hour_is_shown_soon_and_grows_at_the_end() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let now = Timestamp::now().hour().epoch_seconds();
    let key = format!(
        "/{BUCKET}/{}",
        config(store.server.address).prefix.manifest_key(&camera(), Timestamp::from_seconds(now))
    );
    let text = || {
        let objects = store.objects.lock().unwrap();
        objects.stored.get(&key).map(|stored| String::from_utf8_lossy(&stored.body).into_owned())
    };
    let first = bench.segment(now);
    let uploader = bench.start(config(store.server.address));
    eventually("the first manifest", || text().is_some()).await;
    let second = bench.segment(now + 10);
    bench.wake.notify_one();
    bench.reaches(&second, State::Uploaded).await;
    assert!(!text().unwrap().contains(&second.file.to_string()), "once a minute at most");
    uploader.stop().await;
    let text = text().unwrap();
    assert!(text.contains(&first.file.to_string()) && text.contains(&second.file.to_string()), "{text}");
    assert!(!text.contains("PLAYLIST-TYPE") && !text.contains("ENDLIST"), "{text}");
}

#[tokio::test]
async fn a_check_says_what_works_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let config = config(server.address);
    let lines = super::check::check_with(&client(server.address), &config).await;
    let names: Vec<_> = lines.iter().map(|(name, _)| *name).collect();
    let all = ["credentials", "clock", "write", "verify", "checksums", "overwrite guard", "list", "clean up"];
    assert_eq!(names, all);
    assert!(lines.iter().all(|(_, result)| result.is_ok()), "{lines:?}");

    let wrong = Source::Fixed { access_key: ACCESS_KEY.into(), secret_key: Secret::new("wrong") };
    let s3 = super::s3::S3::new(&config, wrong).unwrap();
    let lines = super::check::check_with(&s3, &config).await;
    let (name, result) = lines.last().unwrap();
    assert_eq!(*name, "write");
    assert!(result.as_ref().unwrap_err().to_string().contains("AWS_SECRET_ACCESS_KEY"));

    server.stop().await;
    let lines = super::check::check_with(&s3, &config).await;
    assert!(lines.last().unwrap().1.as_ref().unwrap_err().to_string().contains("connection refused"));
}
