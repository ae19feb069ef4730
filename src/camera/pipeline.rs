//! Description text → a wired pipeline: named elements found and checked, segment streams and counters attached.
//!
//! Everything here is thrown away with its run; nothing survives into the next one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::codec::Codec;
use super::cut::{self, Cutter, Keyframes, Muxer};
use super::picture::Picture;
use super::probe::package_of;
use super::receive::Feed;
use super::segments::{Opener, SharedOpen};
use super::source::{self, SharedOffer};
use super::state::Seen;
use super::teardown::set_null;
use crate::config::CameraConfig;
use crate::error::{Error, Kind, Result};

/// Frames in another order than they are shown are less apart; what goes back further is a clock that was set.
const BACK: Duration = Duration::from_secs(1);
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// A built pipeline of one run.
pub struct CameraPipeline {
    pub pipeline: gst::Pipeline,
    pub bus: gst::Bus,
    pub src: gst::Element,
    /// Where EOS goes in to close the tail segment.
    pub sink_pad: gst::Pad,
    pub offer: SharedOffer,
    /// Where the program's own client puts frames; `None` where an element of the text receives.
    pub feed: Option<Feed>,
    pub counters: Arc<Counters>,
    pub open: SharedOpen,
}

#[derive(Debug, Default)]
pub struct Counters {
    packets: AtomicU64,
    frames: AtomicU64,
    keyframes: AtomicU64,
    complaints: AtomicU64,
    frame_ns: AtomicU64,
    newest_ns: AtomicU64,
    back_ns: AtomicU64,
    picture: Picture,
}

impl Counters {
    /// From one of the last frames to the next, in decoding order.
    pub fn frame_time(&self) -> Duration {
        Duration::from_nanos(self.frame_ns.load(Ordering::Relaxed))
    }

    /// Running time of the newest frame's end.
    pub fn end(&self) -> Duration {
        Duration::from_nanos(self.newest_ns.load(Ordering::Relaxed)) + self.frame_time()
    }

    /// By how much times went back, if they did; no frame after that went into the sink.
    pub fn went_back(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.back_ns.load(Ordering::Relaxed))).filter(|by| !by.is_zero())
    }

    /// How the picture changed in mid-stream, if it did; no frame after that went into the sink.
    pub fn changed(&self) -> Option<String> {
        self.picture.changed()
    }

    /// Notes a frame's running time, unless it lies before what was recorded.
    fn has_gone_back(&self, at: gst::ClockTime) -> bool {
        let newest = self.newest_ns.fetch_max(at.nseconds(), Ordering::Relaxed);
        let by = Duration::from_nanos(newest.saturating_sub(at.nseconds()));
        if by > BACK {
            self.back_ns.store(newest - at.nseconds(), Ordering::Relaxed);
        }
        by > BACK
    }

    /// Whether this is to be recorded; counts what it is.
    fn is_footage(&self, pad: &gst::Pad, frame: &gst::BufferRef, is_key: bool) -> bool {
        if self.picture.has_changed() || self.went_back().is_some() {
            return false;
        }
        let at = running_time(pad, frame.pts());
        if !self.picture.is_in(frame) || (is_key && at.is_none()) {
            // to record it would call a hole footage, or footage of no time
            self.complain();
            return false;
        }
        if at.is_some_and(|at| self.has_gone_back(at)) {
            return false;
        }
        if is_key {
            self.keyframes.fetch_add(1, Ordering::Relaxed);
        }
        // joined in the middle of a GOP: nothing could decode these, and a segment must begin with a keyframe
        self.keyframes.load(Ordering::Relaxed) > 0
    }

    /// A frame came from the camera.
    pub fn heard(&self) {
        self.packets.fetch_add(1, Ordering::Relaxed);
    }

    /// Something came that is no video.
    pub fn complain(&self) {
        self.complaints.fetch_add(1, Ordering::Relaxed);
    }

    pub fn seen(&self) -> Seen {
        Seen {
            packets: self.packets.load(Ordering::Relaxed),
            frames: self.frames.load(Ordering::Relaxed),
            keyframes: self.keyframes.load(Ordering::Relaxed),
            complaints: self.complaints.load(Ordering::Relaxed),
        }
    }
}

/// Builds and wires; nothing plays yet.
pub fn build(
    description: &str,
    origin: &str,
    camera: &CameraConfig,
    codec: Codec,
    control_url_fix: bool,
    opener: Opener,
) -> Result<CameraPipeline> {
    let Parsed { pipeline, src, muxer } = parse(description, origin)?;
    let offer = source::prepare(&src, camera, codec, control_url_fix);
    let counters = Arc::new(Counters::default());
    let feed = src.downcast_ref::<gst_app::AppSrc>().map(|entry| Feed {
        src: entry.clone(),
        codec,
        offer: offer.clone(),
        clock: opener.camera_clock().clone(),
        counters: counters.clone(),
    });
    if feed.is_none() {
        count_packets(&src, &counters);
        opener.camera_clock().watch(&src);
    }
    let keyframes = if encodes(&pipeline) { Keyframes::OnDemand } else { Keyframes::AsTheyCome };
    follow_frames(&muxer.video, &counters, Cutter::new(camera.capture.segment_duration, keyframes));
    drain_appsinks(&pipeline);
    let open = SharedOpen::default();
    muxer.write(&pipeline, opener, open.clone());
    let bus = pipeline.bus().ok_or_else(|| Error::new(Kind::Internal, "build pipeline: it has no bus"))?;
    Ok(CameraPipeline { pipeline, bus, src, sink_pad: muxer.video, offer, feed, counters, open })
}

impl Drop for CameraPipeline {
    /// Whatever way the run ended, its threads and its connection to the camera end too.
    fn drop(&mut self) {
        if self.pipeline.current_state() != gst::State::Null {
            set_null(&self.pipeline, DROP_LIMIT);
        }
    }
}

/// `live` and `frames` are for later: until somebody reads them they must neither fill memory nor hold the clock.
fn drain_appsinks(pipeline: &gst::Pipeline) {
    for name in ["live", "frames"] {
        let sink = pipeline.by_name(name).and_then(|element| element.downcast::<gst_app::AppSink>().ok());
        if let Some(sink) = sink {
            sink.set_max_buffers(1);
            sink.set_drop(true);
            sink.set_property("sync", false);
            sink.set_property("async", false);
        }
    }
}

/// A text as elements.
pub struct Parsed {
    pub pipeline: gst::Pipeline,
    pub src: gst::Element,
    pub muxer: Muxer,
}

/// Parses the text, finds `src`, and puts a muxer in the place of `sink`; says which Debian package a missing element is in.
pub fn parse(description: &str, origin: &str) -> Result<Parsed> {
    let mut context = gst::ParseContext::new();
    let parsed = gst::parse::launch_full(description, Some(&mut context), gst::ParseFlags::FATAL_ERRORS);
    let parsed = parsed.map_err(|error| {
        // an element that exists may stand in this list when its property is wrong
        let missing: Vec<String> = context
            .missing_elements()
            .iter()
            .filter(|name| !super::probe::exists(name))
            .map(|name| format!("{name} ({})", package_of(name)))
            .collect();
        // a package can be installed later, a typo stays: only the typo is a matter of configuration
        let (kind, what) = if missing.is_empty() {
            (Kind::Config, error.message().to_owned())
        } else {
            (Kind::Pipeline, format!("missing {}; install the package", missing.join(", ")))
        };
        Error::new(kind, format!("parse pipeline {origin}: {what}"))
    })?;
    let pipeline = parsed.downcast::<gst::Pipeline>().map_err(|_| {
        Error::new(Kind::Config, format!("parse pipeline {origin}: found a single element, not a pipeline"))
    })?;
    let named = |name: &str, needed: &str| {
        pipeline.by_name(name).ok_or_else(|| {
            Error::new(Kind::Config, format!("parse pipeline {origin}: no element has name={name}; {needed}"))
        })
    };
    let src = named(
        "src",
        "begin the text with {{source}}, or give the source element that name: rtspsrc name=src",
    )?;
    let sink = named("sink", "end the text with: hlssink2 name=sink")?;
    match sink.factory().map(|factory| factory.name().to_string()) {
        Some(factory) if factory == "hlssink2" => {
            let muxer = cut::replace(&sink, origin)?;
            Ok(Parsed { pipeline, src, muxer })
        }
        other => Err(Error::new(
            Kind::Config,
            format!(
                "parse pipeline {origin}: name=sink is {}, it must be hlssink2",
                other.as_deref().unwrap_or("unknown")
            ),
        )),
    }
}

/// An encoder of ours puts keyframes exactly where segments end; a camera does not.
fn encodes(pipeline: &gst::Pipeline) -> bool {
    pipeline.iterate_recurse().into_iter().flatten().any(|element| {
        element.factory().is_some_and(|factory| factory.has_type(gst::ElementFactoryType::VIDEO_ENCODER))
    })
}

fn count_packets(src: &gst::Element, counters: &Arc<Counters>) {
    let probe = |pad: &gst::Pad, counters: &Arc<Counters>| {
        let counters = counters.clone();
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(mask, move |_, _| {
            counters.packets.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    };
    for pad in src.src_pads() {
        probe(&pad, counters);
    }
    let counters = counters.clone();
    src.connect_pad_added(move |_, pad| probe(pad, &counters));
}

/// A frame that is not recorded. Not `Drop`: the bindings have taken the frame already, and GStreamer 1.22 complains on
/// standard error of each that it finds gone.
const LET_GO: gst::PadProbeReturn = gst::PadProbeReturn::Handled;

/// Counts what goes into the muxer, and takes out what is no footage.
fn follow_frames(pad: &gst::Pad, counters: &Arc<Counters>, cutter: Cutter) {
    let of_events = counters.clone();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
            of_events.picture.note(caps.caps());
        }
        gst::PadProbeReturn::Ok
    });
    let counters = counters.clone();
    let (before, last_pts) = (Mutex::new(None), Mutex::new(None));
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(frame) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
        let is_key = !frame.flags().contains(gst::BufferFlags::DELTA_UNIT);
        remember_pts(frame, is_key, &last_pts);
        if !counters.is_footage(pad, frame, is_key) {
            return LET_GO;
        }
        counters.frames.fetch_add(1, Ordering::Relaxed);
        if let (true, Some(at)) = (is_key, running_time(pad, frame.pts())) {
            cutter.keyframe(pad, at);
        }
        let time = frame.dts_or_pts();
        let before = before.lock().unwrap_or_else(PoisonError::into_inner).replace(time);
        if let (Some(time), Some(Some(before))) = (time, before)
            && time > before
        {
            counters.frame_ns.store((time - before).nseconds(), Ordering::Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Texts without a caps filter hand frames over in pieces, of which the first alone has a time; the keyframe may be another.
fn remember_pts(piece: &mut gst::Buffer, is_key: bool, last: &Mutex<Option<gst::ClockTime>>) {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    match (piece.pts(), *last) {
        (None, Some(pts)) if is_key => piece.make_mut().set_pts(pts),
        (None, _) => {}
        (pts, _) => *last = pts,
    }
}

/// Encoders count from elsewhere than zero, and say so in the segment event.
fn running_time(pad: &gst::Pad, time: Option<gst::ClockTime>) -> Option<gst::ClockTime> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    event.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(time?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_back_is_told_from_frames_in_another_order() {
        let counters = Counters::default();
        let gone_back = |ms| counters.has_gone_back(gst::ClockTime::from_mseconds(ms));
        assert!(![5_000, 5_200, 5_066, 5_133, 4_300, 9_000].into_iter().any(gone_back));
        assert_eq!((counters.went_back(), counters.end()), (None, Duration::from_secs(9)));
        assert!(gone_back(6_500));
        assert_eq!(counters.went_back(), Some(Duration::from_millis(2_500)));
        assert_eq!(counters.end(), Duration::from_secs(9), "the segment ends with what was recorded");
    }
}
