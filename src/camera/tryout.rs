//! `check camera`: connects as a run would, takes a few frames, and says what the camera sends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::clock::CameraClock;
use super::codec::{Chosen, Codec};
use super::errors::{Facts, classify, codec_mismatch};
use super::failure::Failure;
use super::reach;
use super::receive::{self, Feed, Preference, Reception};
use super::source::{self, Offer};
use super::teardown::set_null;
use crate::config::CameraConfig;
use crate::error::{Error, Kind, Result};

const WATCH: Duration = Duration::from_secs(5);
const REPEATS: u32 = 4;
/// Between two connections to one camera.
const PAUSE: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(15);

/// What passed the parser.
#[derive(Default)]
struct Frames {
    count: u64,
    keyframes: u32,
    first_keyframe: Option<Instant>,
    last_keyframe: Option<Instant>,
    first: Option<Instant>,
    caps: Option<gst::Caps>,
}

/// Watches the camera for a few seconds. One try per form of the control URL and per codec, and a few more where
/// the camera answers that it is busy: it may still be ending the session before.
pub fn watch(camera: &CameraConfig) -> Result<String> {
    let mut way = Way { codec: Codec::H264, client: Preference::of(&camera.url), control_url_fix: false };
    let mut answer = attempt(camera, &way);
    for repeat in 0..REPEATS {
        let has_other_client = answer.as_ref().is_err_and(|failure| way.client.learn(failure, 0));
        match &answer {
            Err(Failure::OtherCodec(other)) => way.codec = *other,
            Err(Failure::SetupRefused(_) | Failure::Misread(_)) if has_other_client => {}
            Err(Failure::SetupRefused(_)) if !way.control_url_fix => way.control_url_fix = true,
            Err(Failure::Unreachable(why)) if repeat > 0 && why.starts_with("it answers 5") => {}
            _ => break,
        }
        std::thread::sleep(PAUSE);
        answer = attempt(camera, &way);
    }
    answer.map_err(|failure| {
        let (kind, failure) = match failure {
            Failure::Denied | Failure::Untrusted(_) => (Kind::Denied, failure),
            Failure::Unreachable(why) => (
                Kind::Unreachable,
                Failure::Unreachable(reach::look(&camera.url, reach::PATIENCE).err().unwrap_or(why)),
            ),
            Failure::Pipeline(_) => (Kind::Pipeline, failure),
            _ => (Kind::Unreachable, failure),
        };
        Error::new(kind, failure.to_string())
    })
}

/// How it is tried.
struct Way {
    codec: Codec,
    client: Preference,
    control_url_fix: bool,
}

fn attempt(camera: &CameraConfig, way: &Way) -> Result<String, Failure> {
    let Way { codec, control_url_fix, .. } = *way;
    let broken = |what: &str| Failure::Pipeline(what.to_owned());
    let description =
        format!("{} ! {} name=parse ! fakesink sync=false", way.client.client().text(codec), codec.parse());
    let pipeline = gst::parse::launch_full(&description, None, gst::ParseFlags::FATAL_ERRORS)
        .map_err(|error| Failure::Pipeline(error.message().to_owned()))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| broken("not a pipeline"))?;
    let src = pipeline.by_name("src").ok_or_else(|| broken("no element src"))?;
    let offer = source::prepare(&src, camera, codec, control_url_fix);
    let frames = Arc::new(Mutex::new(Frames::default()));
    count(&pipeline, &frames).ok_or_else(|| broken("no parser"))?;
    let runtime = receive::runtime().map_err(|error| Failure::Pipeline(error.to_string()))?;
    let began = Instant::now();
    let outcome = pipeline
        .set_state(gst::State::Playing)
        .map_err(|_| broken("an element refuses to start"))
        .and_then(|_| {
            let reception = src.downcast_ref::<gst_app::AppSrc>().map(|entry| {
                let (clock, counters) = (CameraClock::default(), Arc::default());
                let feed = Feed { src: entry.clone(), codec, offer: offer.clone(), clock, counters };
                Reception::start(runtime.handle(), camera, feed)
            });
            let followed = follow(&pipeline, &src, codec, &frames, reception.as_ref(), &|| {
                offer.lock().unwrap_or_else(PoisonError::into_inner).clone()
            });
            if let Some(reception) = reception {
                reception.stop();
            }
            followed
        });
    set_null(&pipeline, Duration::from_secs(5));
    outcome?;
    let frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(describe(codec, &frames, began, camera.password.is_empty()))
}

fn count(pipeline: &gst::Pipeline, frames: &Arc<Mutex<Frames>>) -> Option<()> {
    let pad = pipeline.by_name("parse")?.static_pad("src")?;
    let frames = frames.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
            frames.count += 1;
            frames.first.get_or_insert_with(Instant::now);
            if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                frames.keyframes += 1;
                frames.first_keyframe.get_or_insert_with(Instant::now);
                frames.last_keyframe = Some(Instant::now());
            }
            if frames.caps.is_none() {
                frames.caps = pad.current_caps();
            }
        }
        gst::PadProbeReturn::Ok
    });
    Some(())
}

fn follow(
    pipeline: &gst::Pipeline,
    src: &gst::Element,
    codec: Codec,
    frames: &Mutex<Frames>,
    reception: Option<&Reception>,
    offer: &dyn Fn() -> Offer,
) -> Result<(), Failure> {
    let bus = pipeline.bus().ok_or_else(|| Failure::Pipeline("no bus".into()))?;
    let began = Instant::now();
    let chosen = Chosen::new();
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_mseconds(50));
        let offer = offer();
        let (count, first) = {
            let frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
            (frames.count, frames.first)
        };
        let facts = Facts { src, chosen: &chosen, offer: &offer, codec, codec_is_open: true, frames: count };
        if let Some(failure) = codec_mismatch(&facts) {
            return Err(failure);
        }
        if let Some(failure) = reception.and_then(|reception| reception.ended_for_good(count)) {
            return Err(failure);
        }
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => return Err(classify(error, &facts)),
            Some(gst::MessageView::Eos(_)) => return Err(Failure::Ended),
            _ => {}
        }
        match first {
            Some(first) if first.elapsed() >= WATCH => return Ok(()),
            None if began.elapsed() >= LIMIT => return Err(Failure::NoFirstFrame(LIMIT)),
            _ => {}
        }
    }
}

fn describe(codec: Codec, frames: &Frames, began: Instant, without_password: bool) -> String {
    let structure = frames.caps.as_ref().and_then(|caps| caps.structure(0));
    let number = |name: &str| structure.and_then(|structure| structure.get::<i32>(name).ok());
    let size = match (number("width"), number("height")) {
        (Some(width), Some(height)) => format!(" {width}x{height}"),
        _ => String::new(),
    };
    let (Some(first), true) = (frames.first, frames.count > 1) else {
        return format!("{codec}{size}, but only one frame came; look at the camera's frame rate");
    };
    let rate = (frames.count - 1) as f64 / first.elapsed().as_secs_f64().max(0.001);
    let waited = first.duration_since(began).as_secs_f64();
    let keyframes = match (frames.first_keyframe, frames.last_keyframe, frames.keyframes) {
        (Some(first), Some(last), several @ 2..) => {
            format!("a keyframe every {:.1} s", (last.duration_since(first) / (several - 1)).as_secs_f64())
        }
        _ => "keyframes further apart than 4 s (set the camera's I-frame interval to 1 or 2 s)".to_owned(),
    };
    let open = if without_password { "; it asks for no password" } else { "" };
    format!("{codec}{size}, {rate:.1} frames/s, first frame after {waited:.1} s, {keyframes}{open}")
}
