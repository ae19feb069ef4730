//! Trouble of one: of this machine, of one object, of one hour. The others must not pay for it.

use std::time::Duration;

use super::Uploader;
use super::finish::Finish;
use super::testing::{BUCKET, Bench, Fault, Faulty, camera, config, eventually, faulty, source};
use crate::config::{S3Config, UploadOrder};
use crate::segment::{State, Timestamp};
use crate::shutdown::Shutdown;
use crate::status::UploadState;

const HOUR: i64 = 1_763_906_400;

#[tokio::test]
async fn a_disk_that_is_away_for_a_moment_loses_nothing() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let (folder, unplugged) = (bench.dir.path().join("segments"), bench.dir.path().join("unplugged"));
    let segments: Vec<_> = (0..5).map(|n| bench.segment(HOUR + 10 * n)).collect();
    // one attempt is over already that found no file
    let id = segments[0].id;
    bench.store.begin_upload(id).unwrap();
    std::fs::rename(&folder, &unplugged).unwrap();
    Finish::Lost { error: "the file is gone".into() }.apply(&bench.store, id).unwrap();
    let row = bench.again(&segments[0]);
    assert_eq!((row.state, row.doubtful, row.attempts), (State::Retry, true, 0));

    let uploader = bench.start(config(store.server.address));
    let reason = bench.shows(UploadState::Waiting).await;
    assert!(reason.contains("mount its disk"), "{reason}");
    std::fs::rename(&unplugged, &folder).unwrap();
    for segment in &segments {
        assert_eq!(bench.reaches(segment, State::Uploaded).await.attempts, 0);
    }
    bench.shows(UploadState::Ok).await;
    uploader.stop().await;
}

#[tokio::test]
async fn no_upload_starts_before_the_interrupted_ones_are_taken_over() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let (interrupted, waiting) = (bench.segment(HOUR), bench.segment(HOUR + 10));
    bench.store.begin_upload(interrupted.id).unwrap();
    let database = rusqlite::Connection::open(bench.dir.path().join("segments.db")).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON segments WHEN OLD.state = 'uploading' \
                  AND NEW.state = 'retry' BEGIN SELECT raise(ABORT, 'refused'); END";
    database.execute_batch(refuse).unwrap();
    let uploader = bench.start(config(store.server.address));
    let reason = bench.shows(UploadState::Waiting).await;
    assert!(reason.contains("recover interrupted uploads"), "{reason}");
    assert_eq!(bench.again(&waiting).state, State::Created);
    database.execute_batch("DROP TRIGGER refuse").unwrap();
    bench.wake.notify_one();
    for segment in [&interrupted, &waiting] {
        bench.reaches(segment, State::Uploaded).await;
        assert_eq!(store.commits(segment), 1);
    }
    assert_eq!(store.requests("HEAD", &interrupted), 1, "it is looked up first");
    uploader.stop().await;
}

#[tokio::test]
async fn an_end_that_the_database_refuses_holds_no_other_end_back() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let segments: Vec<_> = (0..4).map(|n| bench.segment(HOUR + 10 * n)).collect();
    let database = rusqlite::Connection::open(bench.dir.path().join("segments.db")).unwrap();
    let refuse = format!(
        "CREATE TRIGGER refuse BEFORE UPDATE ON segments WHEN OLD.id = {} AND NEW.state = 'uploaded' \
         BEGIN SELECT raise(ABORT, 'refused'); END",
        segments[0].id.0
    );
    database.execute_batch(&refuse).unwrap();
    let uploader = bench.start(config(store.server.address));
    for segment in &segments[1..] {
        bench.reaches(segment, State::Uploaded).await;
    }
    assert_eq!(bench.again(&segments[0]).state, State::Uploading);
    database.execute_batch("DROP TRIGGER refuse").unwrap();
    bench.reaches(&segments[0], State::Uploaded).await;
    uploader.stop().await;
    assert_eq!(store.commits(&segments[0]), 1);
}

/// Five segments of which one PUT never ends, and its row and the others' after a stop that waited for 50 ms.
#[tokio::test]
async fn what_was_taken_ahead_and_not_sent_goes_back_as_it_was() {
    for chokes in [false, true] {
        let bench = Bench::new();
        let store = faulty([Fault::Stall]).await;
        let segments: Vec<_> = (0..5).map(|n| bench.segment(HOUR + 10 * n)).collect();
        let uploader = Uploader {
            config: S3Config { concurrency: 1, ..config(store.server.address) },
            store: bench.store.clone(),
            board: bench.board.clone(),
            wake: bench.wake.clone(),
            segment_duration: Duration::from_secs(10),
        };
        let shutdown = Shutdown::new();
        if chokes {
            // an outage that begins with the first segment, not with the probe of the store
            let mut objects = store.objects.lock().unwrap();
            objects.plan.clear();
            objects.chokes_on = Some("segment_".into());
        }
        let task = tokio::spawn(uploader.run_as(source(), shutdown.clone(), Duration::from_millis(50)));
        eventually("the PUT is under way", || store.requests("PUT", &segments[0]) == 1).await;
        if chokes {
            bench.shows(UploadState::Waiting).await;
        } else {
            eventually("one is taken ahead", || bench.again(&segments[1]).state == State::Uploading).await;
        }
        let ahead = || segments[1..].iter().map(|segment| bench.again(segment));
        if chokes {
            eventually("it went back", || ahead().all(|row| row.state == State::Created)).await;
        }
        shutdown.request();
        task.await.unwrap().unwrap();
        let first = bench.again(&segments[0]);
        assert_eq!((first.state, first.doubtful), (State::Retry, true));
        for row in ahead() {
            assert_eq!((row.state, row.doubtful, row.last_error), (State::Created, false, None), "{chokes}");
        }
    }
}

#[tokio::test]
async fn an_object_that_s3_chokes_on_steps_back_and_the_others_go_on() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let bad = bench.segment(HOUR);
    store.objects.lock().unwrap().chokes_on = Some(bad.file.to_string());
    let mut good: Vec<_> = (1..4).map(|n| bench.segment(HOUR + 10 * n)).collect();
    let uploader = bench.start(S3Config { concurrency: 1, ..config(store.server.address) });
    for segment in &good {
        bench.reaches(segment, State::Uploaded).await;
    }
    eventually("it steps back", || {
        let now = Timestamp::now();
        let due = bench.store.next_uploads(now, UploadOrder::OldestFirst, 9).unwrap();
        bench.again(&bad).state == State::Retry && due.is_empty()
    })
    .await;
    let asked = || store.requests("PUT", &bad) + store.requests("HEAD", &bad);
    let before = asked();
    for n in 4..9 {
        good.push(bench.segment(HOUR + 10 * n));
        bench.wake.notify_one();
        bench.reaches(&good[good.len() - 1], State::Uploaded).await;
    }
    assert_eq!(asked(), before, "the others went by without it");
    assert_eq!(bench.again(&bad).attempts, 0, "S3 said nothing against it");
    uploader.stop().await;
}

#[tokio::test]
async fn an_hour_whose_manifest_cannot_be_written_holds_no_other_hour_back() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let segments = [bench.segment(HOUR), bench.segment(HOUR + 3600)];
    let config = config(store.server.address);
    let key = |hour| config.prefix.manifest_key(&camera(), Timestamp::from_seconds(hour));
    store.objects.lock().unwrap().chokes_on = Some(key(HOUR));
    let uploader = bench.start(config.clone());
    for segment in &segments {
        bench.reaches(segment, State::Uploaded).await;
    }
    let written =
        |hour| store.objects.lock().unwrap().stored.contains_key(&format!("/{BUCKET}/{}", key(hour)));
    eventually("the later manifest", || written(HOUR + 3600)).await;
    assert!(!written(HOUR));
    store.objects.lock().unwrap().chokes_on = None;
    uploader.stop().await;
    assert!(written(HOUR), "the stop tries once more");
    assert_eq!(store.commits(&segments[0]), 1, "{}", Faulty::path(&segments[0]));
}

#[tokio::test]
async fn a_manifest_that_a_login_page_took_is_written_again() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let segment = bench.segment(HOUR);
    let config = config(store.server.address);
    let key = config.prefix.manifest_key(&camera(), Timestamp::from_seconds(HOUR));
    store.objects.lock().unwrap().login_page_for = Some(key.clone());
    let uploader = bench.start(config);
    bench.reaches(&segment, State::Uploaded).await;
    let asked = || store.objects.lock().unwrap().requests.iter().any(|line| line.contains(&key));
    eventually("the login page to be asked", asked).await;
    store.objects.lock().unwrap().login_page_for = None;
    let path = format!("/{BUCKET}/{key}");
    eventually("the manifest", || store.objects.lock().unwrap().stored.contains_key(&path)).await;
    uploader.stop().await;
}

#[tokio::test]
async fn a_login_page_at_the_start_is_not_taken_for_a_store_that_overwrites() {
    let bench = Bench::new();
    let store = faulty([]).await;
    store.objects.lock().unwrap().login_page_for = Some("probe".into());
    let segment = bench.segment(HOUR);
    let uploader = bench.start(config(store.server.address));
    let reason = bench.shows(UploadState::Waiting).await;
    assert!(reason.contains("login page"), "{reason}");
    store.objects.lock().unwrap().login_page_for = None;
    bench.reaches(&segment, State::Uploaded).await;
    uploader.stop().await;
    assert_eq!(store.requests("HEAD", &segment), 0, "the store honours If-None-Match");
}

#[tokio::test]
async fn a_database_that_refuses_the_beginning_of_an_upload_is_told() {
    let bench = Bench::new();
    let store = faulty([]).await;
    let segment = bench.segment(HOUR);
    let database = rusqlite::Connection::open(bench.dir.path().join("segments.db")).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON segments WHEN NEW.state = 'uploading' \
                  BEGIN SELECT raise(ABORT, 'refused'); END";
    database.execute_batch(refuse).unwrap();
    let uploader = bench.start(config(store.server.address));
    let reason = bench.shows(UploadState::Waiting).await;
    assert!(reason.contains("take waiting segments") && reason.contains("refused"), "{reason}");
    database.execute_batch("DROP TRIGGER refuse").unwrap();
    bench.reaches(&segment, State::Uploaded).await;
    bench.shows(UploadState::Ok).await;
    uploader.stop().await;
}
