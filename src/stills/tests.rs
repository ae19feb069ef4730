//! Real pictures from real frames.

use gst::prelude::*;

use super::picture::{Media, jpeg};
use super::*;

/// Pulls the first buffer that a pipeline makes.
fn made(description: &str) -> Frame {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!("{description} ! appsink name=out sync=false")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let exit = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let sample = exit.pull_sample().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    Frame { buffer: sample.buffer_owned().unwrap(), caps: sample.caps_owned().unwrap() }
}

fn picture(width: u32, height: u32) -> String {
    format!("videotestsrc num-buffers=1 ! video/x-raw,format=I420,width={width},height={height}")
}

/// The bytes of a transport stream that holds one picture.
fn stream() -> Vec<u8> {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    let text = format!(
        "{} ! x264enc ! h264parse config-interval=-1 ! mpegtsmux ! filesink location={}",
        picture(640, 360),
        path.display()
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    std::fs::read(path).unwrap()
}

/// Width and height of a JPEG, from its frame header.
pub fn size(jpeg: &[u8]) -> (u32, u32) {
    assert_eq!((&jpeg[..2], &jpeg[jpeg.len() - 2..]), (&[0xff, 0xd8][..], &[0xff, 0xd9][..]));
    let mut at = 2;
    loop {
        let length = usize::from(jpeg[at + 2]) << 8 | usize::from(jpeg[at + 3]);
        if matches!(jpeg[at + 1], 0xc0..=0xc2) {
            let side = |at: usize| u32::from(jpeg[at]) << 8 | u32::from(jpeg[at + 1]);
            return (side(at + 7), side(at + 5));
        }
        at += 2 + length;
    }
}

#[test]
fn raw_and_encoded_frames_become_small_pictures_of_their_own_shape() {
    for (description, expected) in [
        (picture(1280, 720), (320, 180)),
        (picture(640, 480), (320, 240)),
        (picture(160, 120), (160, 120)),
        (format!("{} ! x264enc ! video/x-h264,stream-format=byte-stream", picture(1280, 720)), (320, 180)),
        (format!("{} ! x264enc ! h264parse ! video/x-h264,stream-format=avc", picture(640, 360)), (320, 180)),
    ] {
        let jpeg = jpeg(Media::Frame(made(&description))).unwrap();
        assert_eq!(size(&jpeg), expected, "{description}");
        assert!(jpeg.len() < 40_000, "{description}: {} bytes", jpeg.len());
    }
}

#[test]
fn the_beginning_of_a_segment_becomes_a_picture_and_rubbish_an_error() {
    let mut head = stream();
    let whole = jpeg(Media::Head(head.clone())).unwrap();
    assert_eq!(size(&whole), (320, 180));
    head.truncate(188 * 2);
    assert!(jpeg(Media::Head(head)).is_err());
    assert!(jpeg(Media::Head(vec![0; 1000])).is_err());
    assert!(jpeg(Media::Frame(made("audiotestsrc num-buffers=1"))).is_err());
}

#[test]
fn frames_are_wanted_now_and_then_while_somebody_looks() {
    let name = CameraName::new("gate").unwrap();
    let stills = Stills::new([name.clone()], true);
    let slot = stills.of(&name).unwrap();
    assert!(!slot.wants_frame(), "nobody looks");
    slot.ask();
    assert!(slot.wants_frame());
    slot.offer(made(&picture(320, 180)));
    assert!(!slot.wants_frame(), "not two at once");
    slot.due.store(0, Ordering::Relaxed);
    assert!(slot.wants_frame());
    slot.open_until.store(1, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(2));
    assert!(!slot.wants_frame(), "whoever looked is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_still_comes_to_whoever_waits_and_old_ones_stay() {
    let name = CameraName::new("gate").unwrap();
    let stills = Stills::new([name.clone()], true);
    let worker = Worker::start(&stills).unwrap();
    let slot = stills.of(&name).unwrap().clone();
    let moment = Duration::from_millis(20);
    assert!(slot.younger_than(EVERY, moment).await.is_none());
    let of_waiter = slot.clone();
    let waiter = tokio::spawn(async move { of_waiter.younger_than(OPEN, OPEN).await });
    let frame = tokio::task::spawn_blocking(|| made(&picture(320, 180))).await.unwrap();
    slot.offer(frame);
    let still = waiter.await.unwrap().unwrap();
    assert_eq!(size(&still.jpeg), (320, 180));
    assert!(slot.younger_than(Duration::ZERO, moment).await.is_some(), "an old one is better than none");
    worker.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_gets_its_thumbnail_when_somebody_asks_unless_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let thumb = |number: u32| Thumb {
        segment: folder.path().join(format!("segment_{number}.ts")),
        picture: folder.path().join(format!("thumbs/segment_{number}.jpg")),
    };
    let written = tokio::task::spawn_blocking(stream).await.unwrap();
    std::fs::write(thumb(1).segment, &written).unwrap();
    std::fs::write(thumb(3).segment, &written[..188 * 2]).unwrap();
    let stills = Stills::new([], true);
    let worker = Worker::start(&stills).unwrap();
    let (first, second, gone) =
        tokio::join!(stills.thumb(thumb(1)), stills.thumb(thumb(1)), stills.thumb(thumb(2)));
    let jpeg = first.unwrap();
    assert_eq!(size(&jpeg), (320, 180));
    assert_eq!(second.unwrap(), jpeg);
    assert_eq!(std::fs::read(thumb(1).picture).unwrap(), jpeg);
    assert!(gone.unwrap_err().to_string().contains("segment_2.ts") && !thumb(2).picture.exists());
    assert!(stills.thumb(thumb(3)).await.is_err() && !thumb(3).picture.exists());
    // kept, it needs no segment
    std::fs::remove_file(thumb(1).segment).unwrap();
    assert_eq!(stills.thumb(thumb(1)).await.unwrap(), jpeg);
    tokio::task::spawn_blocking(|| worker.stop()).await.unwrap();
}

#[tokio::test]
async fn where_too_many_wait_who_asked_first_is_told_and_who_asked_last_is_served() {
    let stills = Stills::new([], true);
    let thumb = |number: u32| Thumb { segment: PathBuf::from(number.to_string()), picture: PathBuf::new() };
    let asked: Vec<_> = (0..70)
        .map(|number| {
            let (reply, made) = oneshot::channel();
            stills.0.queue.thumb(Wanted { thumb: thumb(number), reply });
            made
        })
        .collect();
    let told = asked.into_iter().map(|mut made| made.try_recv());
    let is_told: Vec<bool> =
        told.map(|told| matches!(told, Err(oneshot::error::TryRecvError::Closed))).collect();
    assert_eq!(is_told.iter().filter(|told| **told).count(), 6);
    assert!(is_told[..6].iter().all(|told| *told));
    let (reply, _made) = oneshot::channel();
    stills.0.queue.thumb(Wanted { thumb: thumb(100), reply });
    let Some(queue::Job::Thumb(last)) = stills.0.queue.next() else { panic!("nothing waits") };
    assert_eq!(last.thumb, thumb(100));
}
