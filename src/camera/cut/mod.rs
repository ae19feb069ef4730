//! Frames → segments, in the place of the text's `hlssink2 name=sink`: a muxer, and a file that changes at keyframes.
//!
//! hlssink2 holds each group of pictures back until the next one begins: a megabyte of memory and two seconds of footage of
//! every camera, which a power cut takes. So only its place is kept. Before a keyframe that begins a segment goes the event
//! "force key unit"; the muxer repeats its tables there and hands the event on, and what comes out behind it is the next file's.
//!
//! On GStreamer's threads: [`Cutter`] on that of the frames, the rest on the muxer's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::segments::{Opener, SharedOpen, lock_open};
use super::writer::SegmentWriter;
use crate::error::{Error, Kind, Result};
pub use rule::Keyframes;
use rule::Rule;

mod rule;

/// The event's name in GStreamer (gst-plugins-base, `video-event.c`).
const FORCE_KEY_UNIT: &str = "GstForceKeyUnit";
/// Ends the wait of the camera's thread for its next message: a segment has begun, and ended the one before.
const WAKE: &str = "segment";
/// Packets leave the muxer as a list, all of a frame at once. Several packets to a piece would cost as much, and leave some of each
/// frame behind for the next.
const WHOLE_FRAMES: i32 = 0;

/// What stands in the place of hlssink2.
pub struct Muxer {
    /// Where frames go in.
    pub video: gst::Pad,
    /// Where packets come out.
    output: gst::Pad,
}

/// Takes `sink` out of its pipeline and puts a muxer there.
///
/// # Errors
/// [`Kind::Config`] where nothing is linked to it, or something that goes into no segment; [`Kind::Pipeline`] where a plugin is
/// missing.
pub fn replace(sink: &gst::Element, origin: &str) -> Result<Muxer> {
    let wrong = |kind, what: &str| Error::new(kind, format!("parse pipeline {origin}: {what}"));
    let bin = sink.parent().and_downcast::<gst::Bin>();
    let bin = bin.ok_or_else(|| wrong(Kind::Internal, "hlssink2 is in no pipeline"))?;
    let (muxer, end) = (make("mpegtsmux", origin)?, make("fakesink", origin)?);
    muxer.set_property("alignment", WHOLE_FRAMES);
    for property in ["sync", "async", "enable-last-sample"] {
        end.set_property(property, false);
    }
    let internal = |_| wrong(Kind::Internal, "the muxer cannot be put in");
    bin.add_many([&muxer, &end]).map_err(internal)?;
    muxer.link(&end).map_err(internal)?;
    let mut video = None;
    for (pad, source) in sink.sink_pads().into_iter().filter_map(|pad| pad.peer().map(|source| (pad, source)))
    {
        let unlinked = source.unlink(&pad);
        let entry = unlinked.ok().and_then(|()| muxer.request_pad_simple("sink_%d"));
        let entry = entry.ok_or_else(|| wrong(Kind::Internal, "the muxer takes no stream"))?;
        source.link(&entry).map_err(|_| {
            wrong(Kind::Config, "the muxer does not take what is linked to hlssink2 name=sink")
        })?;
        if pad.name() == "video" {
            video = Some(entry);
        }
    }
    let video = video
        .ok_or_else(|| wrong(Kind::Config, "nothing is linked to hlssink2 name=sink; link video to it"))?;
    bin.remove(sink).map_err(internal)?;
    let output = muxer.static_pad("src").ok_or_else(|| wrong(Kind::Internal, "the muxer has no end"))?;
    Ok(Muxer { video, output })
}

fn make(element: &str, origin: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(element).build().map_err(|_| {
        let package = super::probe::package_of(element);
        let what = format!("parse pipeline {origin}: missing {element} ({package}); install the package");
        Error::new(Kind::Pipeline, what)
    })
}

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
            return;
        }
        pad.send_event(gst::event::CustomDownstream::new(force_key_unit(at)));
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

/// Writes what leaves the muxer into segments.
struct Output {
    opener: Opener,
    pipeline: glib::WeakRef<gst::Pipeline>,
    open: SharedOpen,
    /// `None` before the first segment, and while a file could not be created.
    writer: Mutex<Option<SegmentWriter>>,
}

impl Muxer {
    pub fn write(&self, pipeline: &gst::Pipeline, opener: Opener, open: SharedOpen) {
        let output =
            Arc::new(Output { opener, pipeline: pipeline.downgrade(), open, writer: Mutex::default() });
        let mask =
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        self.output.add_probe(mask, move |_, info| match &info.data {
            Some(gst::PadProbeData::BufferList(list)) => {
                output.write(list.iter());
                gst::PadProbeReturn::Handled
            }
            Some(gst::PadProbeData::Buffer(buffer)) => {
                output.write([buffer.as_ref()]);
                gst::PadProbeReturn::Handled
            }
            Some(gst::PadProbeData::Event(event)) => {
                output.follow(event);
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        });
    }
}

impl Output {
    fn write<'a>(&self, packets: impl IntoIterator<Item = &'a gst::BufferRef>) {
        if let Some(writer) = &*self.writer.lock().unwrap_or_else(PoisonError::into_inner) {
            writer.write(packets.into_iter().filter_map(|packet| packet.map_readable().ok()));
        }
    }

    fn follow(&self, event: &gst::Event) {
        match event.view() {
            gst::EventView::CustomDownstream(event) => {
                let begins = event.structure().filter(|structure| structure.name() == FORCE_KEY_UNIT);
                if let Some(at) = begins.and_then(|structure| structure.get("running-time").ok()) {
                    self.begin(at);
                }
            }
            gst::EventView::Eos(_) => {
                self.change(None);
                lock_open(&self.open).end();
                self.wake();
            }
            _ => {}
        }
    }

    /// The segment before ends where this one begins.
    fn begin(&self, at: gst::ClockTime) {
        let Some(pipeline) = self.pipeline.upgrade() else { return };
        let (segment, writer) = self.opener.open(&pipeline, at);
        self.change(writer);
        lock_open(&self.open).begin(segment);
        self.wake();
    }

    /// The file before is whole on disk when the camera's thread hears of it, which may have much to do.
    fn change(&self, writer: Option<SegmentWriter>) {
        let before =
            std::mem::replace(&mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner), writer);
        if let Some(before) = before {
            before.finish();
        }
    }

    fn wake(&self) {
        if let Some(bus) = self.pipeline.upgrade().and_then(|pipeline| pipeline.bus()) {
            // a bus that is flushing has nobody who waits
            let _ = bus.post(gst::message::Application::new(gst::Structure::new_empty(WAKE)));
        }
    }
}
