//! Description text → a wired pipeline: named elements found and checked, segment streams and counters attached.
//!
//! Everything here is thrown away with its run; nothing survives into the next one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::codec::Codec;
use super::picture::Picture;
use super::probe::package_of;
use super::receive::Feed;
use super::segments::{Opener, SharedOpen, splitmuxsink};
use super::source::{self, SharedOffer};
use super::state::Seen;
use super::teardown::set_null;
use crate::config::{CameraConfig, CaptureConfig};
use crate::error::{Error, Kind, Result};

/// How much longer than its target a segment may become before it is cut, where the camera's own keyframes decide:
/// five GOPs of 2 s are 10.0002 s with a real camera's jitter, and would be cut at 8 s without this.
const KEYFRAME_SLACK: Duration = Duration::from_millis(500);

/// Packets of 188 bytes that leave the muxer together: one by one, each is an object that is passed on, locked and written for
/// itself, 2700 times a second at 4 Mbit/s. The last of a segment are filled up with null packets, so not too many.
const PACKETS_AT_ONCE: i32 = 16;

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
    last_frame_ns: AtomicU64,
    ended: AtomicBool,
    picture: Picture,
}

impl Counters {
    /// From one of the last frames to the next, in decoding order.
    pub fn frame_time(&self) -> Duration {
        Duration::from_nanos(self.frame_ns.load(Ordering::Relaxed))
    }

    /// Running time of the newest frame, in decoding order.
    pub fn last_frame_at(&self) -> Duration {
        Duration::from_nanos(self.last_frame_ns.load(Ordering::Relaxed))
    }

    /// EOS went into the sink, the camera's or ours: the segment that closes last is the tail.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// How the picture changed in mid-stream, if it did; no frame after that went into the sink.
    pub fn changed(&self) -> Option<String> {
        self.picture.changed()
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
    let (pipeline, src, sink) = parse(description, origin)?;
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
    let sink_pad =
        sink.static_pad("video").or_else(|| sink.sink_pads().first().cloned()).ok_or_else(|| {
            Error::new(
                Kind::Pipeline,
                format!("{origin}: nothing is linked to hlssink2 name=sink; link video to it"),
            )
        })?;
    count_frames(&sink_pad, &counters);
    drain_appsinks(&pipeline);
    let open = SharedOpen::default();
    configure_sink(&pipeline, &sink, &camera.capture)?;
    opener.connect(&pipeline, &sink, open.clone())?;
    let bus = pipeline.bus().ok_or_else(|| Error::new(Kind::Internal, "build pipeline: it has no bus"))?;
    // the last `closed` messages are read after Null
    pipeline.set_auto_flush_bus(false);
    Ok(CameraPipeline { pipeline, bus, src, sink_pad, offer, feed, counters, open })
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

/// Parses the text and finds `src` and `sink`; says which Debian package a missing element is in.
pub fn parse(description: &str, origin: &str) -> Result<(gst::Pipeline, gst::Element, gst::Element)> {
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
        Some(factory) if factory == "hlssink2" => Ok((pipeline, src, sink)),
        other => Err(Error::new(
            Kind::Config,
            format!(
                "parse pipeline {origin}: name=sink is {}, it must be hlssink2",
                other.as_deref().unwrap_or("unknown")
            ),
        )),
    }
}

/// How segments are cut and leave the muxer.
pub fn configure_sink(pipeline: &gst::Pipeline, sink: &gst::Element, capture: &CaptureConfig) -> Result<()> {
    let target = capture.segment_duration;
    sink.set_property("target-duration", u32::try_from(target.as_secs()).unwrap_or(u32::MAX));
    // the default of 10 would delete files behind our back
    sink.set_property("max-files", 0u32);
    let muxer = splitmuxsink(sink)?.property::<Option<gst::Element>>("muxer");
    if let Some(muxer) = muxer.filter(|muxer| muxer.has_property("alignment")) {
        muxer.set_property("alignment", PACKETS_AT_ONCE);
    }
    if !encodes(pipeline) {
        // after target-duration, which sets the same value
        let longest = target + KEYFRAME_SLACK;
        splitmuxsink(sink)?
            .set_property("max-size-time", u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(())
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

fn count_frames(pad: &gst::Pad, counters: &Arc<Counters>) {
    let of_events = counters.clone();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        match info.event().map(|event| event.view()) {
            Some(gst::EventView::Eos(_)) => of_events.ended.store(true, Ordering::Relaxed),
            Some(gst::EventView::Caps(caps)) => of_events.picture.note(caps.caps()),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    let counters = counters.clone();
    let last = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if counters.picture.has_changed() {
            return LET_GO;
        }
        if info.buffer().is_some_and(|frame| !counters.picture.is_in(frame)) {
            // to record it would call a hole footage
            counters.complain();
            return LET_GO;
        }
        let is_key =
            info.buffer().is_some_and(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if is_key {
            counters.keyframes.fetch_add(1, Ordering::Relaxed);
        } else if counters.keyframes.load(Ordering::Relaxed) == 0 {
            // joined in the middle of a GOP: nothing could decode these, and a segment must begin with a keyframe
            return LET_GO;
        }
        counters.frames.fetch_add(1, Ordering::Relaxed);
        let time = info.buffer().and_then(|buffer| buffer.dts_or_pts());
        if let Some(at) = running_time(pad, time) {
            counters.last_frame_ns.store(at.nseconds(), Ordering::Relaxed);
        }
        let before = last.lock().unwrap_or_else(PoisonError::into_inner).replace(time);
        if let (Some(time), Some(Some(before))) = (time, before)
            && time > before
        {
            counters.frame_ns.store((time - before).nseconds(), Ordering::Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Encoders count from elsewhere than zero, and say so in the segment event.
fn running_time(pad: &gst::Pad, time: Option<gst::ClockTime>) -> Option<gst::ClockTime> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    event.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(time?)
}
