//! The hub, as a camera feeds it and viewers use it.

use std::time::{Duration, Instant};

use super::testing::Scene;
use super::*;
use crate::live::fmp4::Fragment;

const PATIENCE: Duration = Duration::from_secs(30);

async fn text(scene: &Scene, want: Want) -> Result<String, Unavailable> {
    let rendered = scene.hub().playlist(want, PATIENCE).await?;
    Ok(String::from_utf8(rendered.text.to_vec()).unwrap())
}

fn number(text: &str, tag: &str) -> u64 {
    let line =
        text.lines().find_map(|line| line.strip_prefix(tag)).unwrap_or_else(|| panic!("no {tag} in {text}"));
    line.parse().unwrap()
}

fn want(sequence: u64, part: Option<u64>) -> Want {
    Want { sequence: Some(sequence), part }
}

#[tokio::test]
async fn the_first_playlist_is_waited_for_and_holds_a_whole_segment() {
    let mut scene = Scene::begun();
    let hub = scene.hub().clone();
    let early = hub.playlist(Want::default(), Duration::from_millis(20)).await;
    assert_eq!(early.unwrap_err(), Unavailable::NothingYet);
    let waiting = tokio::spawn(async move { hub.playlist(Want::default(), PATIENCE).await.map(|_| ()) });
    tokio::task::yield_now().await;
    scene.frames(16);
    waiting.await.unwrap().unwrap();
    let first = text(&scene, Want::default()).await.unwrap();
    assert_eq!(first.matches("#EXTINF:").count(), 1, "{first}");
}

#[tokio::test]
async fn a_reload_is_held_until_its_part_is_there_and_not_longer() {
    let mut scene = Scene::begun();
    scene.frames(16);
    let base = number(&text(&scene, Want::default()).await.unwrap(), "#EXT-X-MEDIA-SEQUENCE:");
    for (wanted, frames) in [
        (want(base + 1, Some(0)), 3),
        (want(base + 1, Some(1)), 3),
        (want(base + 1, None), 24),
        // beyond the last part of its segment: the first one of the next
        (want(base + 1, Some(10)), 3),
        (want(base + 2, Some(1)), 3),
    ] {
        let hub = scene.hub().clone();
        let held = tokio::spawn(async move { hub.playlist(wanted, PATIENCE).await.unwrap().text.len() });
        scene.frames(frames - 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!held.is_finished(), "{wanted:?} was answered too early");
        scene.frames(1);
        let answered = tokio::time::timeout(PATIENCE, held).await;
        assert!(answered.is_ok(), "{wanted:?}");
        let asked = Instant::now();
        text(&scene, wanted).await.unwrap();
        assert!(asked.elapsed() < super::hub::HOLD, "{wanted:?} is there and is waited for");
    }
}

#[tokio::test]
async fn who_asks_for_the_far_future_is_refused() {
    let mut scene = Scene::begun();
    scene.frames(16);
    let base = number(&text(&scene, Want::default()).await.unwrap(), "#EXT-X-MEDIA-SEQUENCE:");
    for wanted in
        [want(base + 3, None), want(u64::MAX, None), want(base + 1, Some(16)), want(base + 1, Some(u64::MAX))]
    {
        let refused = text(&scene, wanted).await;
        assert_eq!(refused, Err(Unavailable::TooFar { newest: base }), "{wanted:?}");
    }
    // what a player of the program's last start asks for lies in the past, and is answered at once
    assert!(text(&scene, want(base - 1000, Some(3))).await.is_ok());
}

#[tokio::test]
async fn an_announced_part_is_waited_for_and_any_other_is_refused() {
    let mut scene = Scene::begun();
    scene.frames(16);
    let base = number(&text(&scene, Want::default()).await.unwrap(), "#EXT-X-MEDIA-SEQUENCE:");
    let hub = scene.hub().clone();
    let held = tokio::spawn(async move { hub.part(base + 1, 0).await });
    scene.frames(2);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!held.is_finished());
    scene.frames(1);
    let part = held.await.unwrap().unwrap();
    assert_eq!(scene.hub().part(base + 1, 0).await.unwrap(), part);
    assert_eq!(&part[4..8], b"moof");
    for (sequence, index) in [(base, 5), (base + 1, 2), (base + 2, 0), (base - 1, 0)] {
        assert_eq!(scene.hub().part(sequence, index).await, Err(Unavailable::Gone), "{sequence}.{index}");
    }
    let whole = scene.hub().segment(base).unwrap().concat();
    assert_eq!(whole.windows(4).filter(|four| four == b"mdat").count(), 15);
    assert!(scene.hub().segment(base + 1).is_none(), "not complete yet");
}

#[tokio::test]
async fn a_viewer_gets_the_init_then_frames_from_a_keyframe_over_runs_too() {
    let mut scene = Scene::begun();
    scene.frames(20);
    let mut viewer = scene.hub().viewer();
    let Some(Moment::Init(init)) = viewer.next().await else { panic!("no init first") };
    assert_eq!((init.codec.as_str(), init.width), ("avc1.64000c", 320));
    assert_eq!(&init.bytes[4..8], b"ftyp");
    for _ in 0..4 {
        assert!(matches!(viewer.next().await, Some(Moment::Frame(_))));
    }
    let pending = tokio::time::timeout(Duration::from_millis(20), viewer.next()).await;
    assert!(pending.is_err(), "the frame that is held back came");
    scene.hub().end();
    assert!(matches!(viewer.next().await, Some(Moment::Frame(_))), "the last frame of the run");
    scene.number = 45;
    scene.begin();
    let Some(Moment::Init(second)) = viewer.next().await else { panic!("no init of the second run") };
    assert_eq!((second.bytes.clone(), second.id), (init.bytes.clone(), init.id + 1));
    scene.frames(2);
    assert!(matches!(viewer.next().await, Some(Moment::Frame(_))));
    scene.live.stop();
    assert!(viewer.next().await.is_none());
    assert_eq!(text(&scene, Want::default()).await, Err(Unavailable::Stopping));
}

#[tokio::test]
async fn a_slow_viewer_is_skipped_forward_and_costs_nobody_anything() {
    let mut scene = Scene::begun();
    scene.size = 20_000;
    scene.frames(1);
    let (mut slow, mut fast) = (scene.hub().viewer(), scene.hub().viewer());
    for viewer in [&mut slow, &mut fast] {
        assert!(matches!(viewer.next().await, Some(Moment::Init(_))));
    }
    let mut got = 0;
    for _ in 0..600 {
        scene.frames(1);
        assert!(matches!(fast.next().await, Some(Moment::Frame(_))));
        got += 1;
    }
    assert_eq!(got, 600);
    let mut late = 0;
    let mut first = None;
    while let Ok(Some(Moment::Frame(bytes))) =
        tokio::time::timeout(Duration::from_millis(50), slow.next()).await
    {
        first.get_or_insert(bytes);
        late += 1;
    }
    assert!(late <= 45, "{late} frames were kept for somebody who does not take them");
    let first = first.unwrap();
    let is_key = first.windows(4).any(|flags| flags == 0x0200_0000_u32.to_be_bytes());
    assert!(is_key, "it goes on in the middle of a GOP");
}

#[tokio::test]
async fn nobody_watching_ends_it_and_the_next_one_finds_higher_numbers() {
    let mut scene = Scene::begun();
    scene.frames(200);
    assert!(!scene.hub().is_wanted(), "nobody has asked yet");
    let viewer = scene.hub().viewer();
    assert!(scene.hub().is_wanted());
    let before = text(&scene, Want::default()).await.unwrap();
    drop(viewer);
    assert!(scene.hub().is_wanted(), "a player may come back within a minute");
    scene.hub().forget_viewers();
    scene.live.sweep();
    assert!(text(&scene, Want::default()).await.is_ok(), "it is still fed");
    scene.hub().forget_viewers();
    scene.hub().end();
    scene.live.sweep();
    let gone = scene.hub().playlist(Want::default(), Duration::ZERO).await;
    assert_eq!(gone.unwrap_err(), Unavailable::NothingYet);
    scene.number = 300;
    scene.begin();
    scene.frames(16);
    let after = text(&scene, Want::default()).await.unwrap();
    for (tag, rise) in [("#EXT-X-MEDIA-SEQUENCE:", 1), ("#EXT-X-DISCONTINUITY-SEQUENCE:", 0)] {
        assert!(number(&after, tag) >= number(&before, tag) + rise, "{before}\n{after}");
    }
}

#[test]
fn the_first_viewer_wakes_the_camera_and_later_ones_do_not() {
    let scene = Scene::begun();
    scene.hub().end();
    scene.live.sweep();
    let woken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = woken.clone();
    scene.hub().on_wanted(Some(Box::new(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    })));
    let _viewer = scene.hub().viewer();
    scene.begin();
    let _another = scene.hub().viewer();
    assert_eq!(woken.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn numbers_of_the_next_start_lie_beyond_those_of_the_last() {
    // a camera that comes and goes as fast as it can: a segment and a discontinuity each second
    let start = 1_763_906_400;
    let mut ring = super::ring::Ring::new(u64::try_from(start - EPOCH_SECONDS).unwrap(), 7);
    for second in 0..100 {
        ring.begin();
        let fragment = Fragment {
            bytes: bytes::Bytes::new(),
            duration: Duration::from_secs(1),
            is_key: true,
            ends_gop: true,
        };
        ring.push(fragment, Timestamp::from_seconds(start + second + 1));
        ring.end();
    }
    let last = ring.listed().last().unwrap();
    let next = u64::try_from(start + 100 - EPOCH_SECONDS).unwrap();
    assert!(last.sequence < next && last.discontinuity < 7 + 100, "{last:?}");
}

#[test]
fn discontinuities_stay_small_and_rise_with_the_runs() {
    let at = |seconds, runs| {
        let live = Live::new([(testing::name(), Timestamp::from_seconds(seconds), runs)]);
        let hub = live.hub(&testing::name()).unwrap();
        hub.begin(&testing::format()).unwrap();
        hub.numbers()
    };
    let (ten_years, hour) = (EPOCH_SECONDS + 10 * 365 * 86_400, 3600);
    assert_eq!(at(ten_years, 0).1, 87_600, "hls.js keeps an array of so many places");
    assert_eq!(at(ten_years + 1, 5).1, 87_605);
    assert_eq!(at(ten_years + hour, 5).1, 87_606);
}
