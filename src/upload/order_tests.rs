//! In which order a backlog is worked off, and that nothing of it is forgotten either way.

use super::testing::{Bench, Faulty, camera, config, eventually, faulty};
use crate::config::{S3Config, UploadOrder};
use crate::segment::{Segment, State, Timestamp};
use crate::status::UploadState;

const HOUR: i64 = 1_763_906_400;

/// The segments as the store was sent them.
fn sent(store: &Faulty, segments: &[Segment]) -> Vec<i64> {
    let requests = store.objects.lock().unwrap().requests.clone();
    let place = |request: &String| {
        let key = request.strip_prefix("PUT ")?;
        segments.iter().find(|segment| key.ends_with(&segment.key))
    };
    requests.iter().filter_map(place).map(|segment| segment.file.epoch_seconds() - HOUR).collect()
}

#[tokio::test]
async fn a_backlog_goes_in_the_order_that_is_wanted_and_its_manifests_are_whole() {
    for (order, expected) in
        [(UploadOrder::OldestFirst, [-20, -10, 0, 10, 20]), (UploadOrder::NewestFirst, [20, 10, 0, -10, -20])]
    {
        let (bench, store) = (Bench::new(), faulty([]).await);
        let segments: Vec<_> = [0, -20, 20, -10, 10].map(|n| bench.segment(HOUR + n)).into();
        let config = S3Config { concurrency: 1, order, ..config(store.server.address) };
        let prefix = config.prefix.clone();
        let uploader = bench.start(config);
        for segment in &segments {
            bench.reaches(segment, State::Uploaded).await;
        }
        uploader.stop().await;
        assert_eq!(sent(&store, &segments), expected, "{order:?}");
        for (hour, names) in [(HOUR - 3600, 2), (HOUR, 3)] {
            let key = prefix.manifest_key(&camera(), Timestamp::from_seconds(hour));
            let objects = store.objects.lock().unwrap();
            let (_, manifest) = objects.stored.iter().find(|(path, _)| path.ends_with(&key)).unwrap();
            let text = String::from_utf8_lossy(&manifest.body);
            assert_eq!(text.matches("#EXTINF").count(), names, "{order:?}: {text}");
            assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        }
    }
}

#[tokio::test]
async fn after_an_outage_the_newest_segment_finds_out_that_it_is_over() {
    let (bench, store) = (Bench::new(), faulty([]).await);
    store.objects.lock().unwrap().chokes_on = Some("segment_".into());
    let mut segments: Vec<_> = (0..3).map(|n| bench.segment(HOUR + 10 * n)).collect();
    let order = UploadOrder::NewestFirst;
    let uploader = bench.start(S3Config { concurrency: 1, order, ..config(store.server.address) });
    bench.shows(UploadState::Waiting).await;
    segments.push(bench.segment(HOUR + 30));
    {
        let mut objects = store.objects.lock().unwrap();
        objects.chokes_on = None;
        objects.requests.clear();
    }
    for segment in &segments {
        bench.reaches(segment, State::Uploaded).await;
    }
    uploader.stop().await;
    assert_eq!(sent(&store, &segments), [30, 20, 10, 0]);
}

#[tokio::test]
async fn what_is_recorded_meanwhile_goes_before_the_backlog() {
    let (bench, store) = (Bench::new(), faulty([]).await);
    let mut segments: Vec<_> = (0..40).map(|n| bench.segment(HOUR + 10 * n)).collect();
    let order = UploadOrder::NewestFirst;
    let uploader = bench.start(S3Config { concurrency: 1, order, ..config(store.server.address) });
    eventually("the backlog goes", || !sent(&store, &segments).is_empty()).await;
    segments.push(bench.segment(HOUR + 1000));
    bench.wake.notify_one();
    for segment in &segments {
        bench.reaches(segment, State::Uploaded).await;
    }
    uploader.stop().await;
    let sent = sent(&store, &segments);
    let place = |epoch: i64| sent.iter().position(|one| *one == epoch).unwrap();
    assert!(place(1000) < place(0), "{sent:?}");
    assert_eq!(sent.len(), segments.len(), "each once: {sent:?}");
}
