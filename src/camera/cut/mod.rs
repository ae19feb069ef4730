//! Frames → segments, in the place of the text's `hlssink2 name=sink`: a muxer, and a file that changes at keyframes.
//!
//! hlssink2 holds each group of pictures back until the next one begins: a megabyte of memory and two seconds of footage of
//! every camera, which a power cut takes. So only its place is kept. Before a keyframe that begins a segment goes the event
//! "force key unit"; what comes behind it is the next file's.
//!
//! Whole frames of one stream become packets on the thread that brings them ([`packets`]). Sound, or frames in pieces, need GStreamer's
//! muxer, with a thread and an object for each packet: it repeats its tables at the event, and hands it on.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

pub use place::{Muxer, replace};
pub use rule::Keyframes;
use rule::Rule;

mod output;
mod packets;
mod place;
mod rule;

/// The event's name in GStreamer (gst-plugins-base, `video-event.c`).
const FORCE_KEY_UNIT: &str = "GstForceKeyUnit";
/// A field of the program's own event, which encoders and parsers do not set in theirs.
const OURS: &str = "begins-segment";
/// For who debugs with GST_DEBUG.
static CATEGORY: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("segments", gst::DebugColorFlags::empty(), Some("Where segments begin"))
});

/// Decides where segments begin.
pub struct Cutter {
    rule: Mutex<Rule>,
}

impl Cutter {
    pub fn new(target: Duration, keyframes: Keyframes) -> Cutter {
        Cutter { rule: Mutex::new(Rule::new(target, keyframes)) }
    }

    /// A keyframe is about to go into `pad`, the muxer's; `at` is its running time.
    pub fn keyframe(&self, pad: &gst::Pad, at: gst::ClockTime) {
        let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        if !rule.begins(at.into()) {
            gst::debug!(CATEGORY, obj = pad, "keyframe at {at} within a segment");
            return;
        }
        gst::info!(CATEGORY, obj = pad, "keyframe at {at} begins a segment");
        let mut begin = force_key_unit(at);
        begin.set(OURS, true);
        pad.send_event(gst::event::CustomDownstream::new(begin));
        if let Some(wanted) = rule.wanted().and_then(|wanted| gst::ClockTime::try_from(wanted).ok()) {
            pad.push_event(gst::event::CustomUpstream::new(force_key_unit(wanted)));
        }
    }
}

fn force_key_unit(at: gst::ClockTime) -> gst::Structure {
    gst::Structure::builder(FORCE_KEY_UNIT)
        .field("running-time", at)
        .field("all-headers", true)
        .field("count", 0_u32)
        .build()
}
