//! Packets into the file of their segment, and one file after the other.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::packets::{Packets, Times};
use super::place::Muxer;
use super::{FORCE_KEY_UNIT, OURS};
use crate::camera::codec::Codec;
use crate::camera::segments::{Opener, SharedOpen, lock_open};
use crate::camera::writer::SegmentWriter;

/// Ends the wait of the camera's thread for its next message: a segment has begun, and ended the one before.
const WAKE: &str = "segment";

/// Writes a run's packets into segments.
struct Output {
    opener: Opener,
    pipeline: glib::WeakRef<gst::Pipeline>,
    open: SharedOpen,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// `None` before the first segment, and while a file could not be created.
    writer: Option<SegmentWriter>,
    /// Makes packets of frames; `None` before caps have told what they are, and where GStreamer's muxer does.
    packets: Option<Packets>,
}

impl Muxer {
    pub fn write(&self, pipeline: &gst::Pipeline, opener: Opener, open: SharedOpen) {
        let output =
            Arc::new(Output { opener, pipeline: pipeline.downgrade(), open, current: Mutex::default() });
        match self.gives_frames {
            true => output.take_frames(&self.output),
            false => output.take_packets(&self.output),
        }
    }

    /// Does the work and lets go of what comes out, for who measures.
    pub fn rehearse(&self) {
        if !self.gives_frames {
            return;
        }
        let packets = Mutex::new(None);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        self.output.add_probe(mask, move |pad, info| {
            let mut packets = packets.lock().unwrap_or_else(PoisonError::into_inner);
            match (&info.data, &mut *packets) {
                (Some(gst::PadProbeData::Buffer(frame)), Some(packets)) => {
                    // nowhere takes everything
                    let _ = mux(packets, pad, frame, &mut io::sink());
                }
                (Some(gst::PadProbeData::Event(event)), _) => {
                    if let gst::EventView::Caps(caps) = event.view() {
                        *packets = packets_for(caps.caps());
                    }
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }
}

impl Output {
    fn take_packets(self: Arc<Self>, pad: &gst::Pad) {
        let mask =
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |_, info| match &info.data {
            Some(gst::PadProbeData::BufferList(list)) => {
                self.write(list.iter());
                gst::PadProbeReturn::Handled
            }
            Some(gst::PadProbeData::Buffer(buffer)) => {
                self.write([buffer.as_ref()]);
                gst::PadProbeReturn::Handled
            }
            Some(gst::PadProbeData::Event(event)) => {
                self.follow(event);
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        });
    }

    fn take_frames(self: Arc<Self>, pad: &gst::Pad) {
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |pad, info| {
            match &info.data {
                Some(gst::PadProbeData::Buffer(frame)) => self.write_frame(pad, frame),
                Some(gst::PadProbeData::Event(event)) => {
                    match event.view() {
                        gst::EventView::Caps(caps) => self.take_caps(caps.caps()),
                        // of an encoder or a parser, which tell that the wished keyframe comes
                        gst::EventView::CustomDownstream(event) if !is_ours(event.structure()) => {}
                        _ => self.follow(event),
                    }
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn take_caps(&self, caps: &gst::CapsRef) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // caps come again when something in them changes; another codec or size ends the run before its frames are here
        if current.packets.is_none() {
            current.packets = packets_for(caps);
        }
    }

    fn write<'a>(&self, packets: impl IntoIterator<Item = &'a gst::BufferRef>) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = &current.writer {
            let mut batch = writer.batch();
            for packet in packets {
                match packet.map_readable() {
                    Ok(packet) => batch.push(&packet),
                    Err(error) => batch.fail(io::Error::other(error)),
                }
            }
        }
    }

    fn write_frame(&self, pad: &gst::Pad, frame: &gst::BufferRef) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Current { writer: Some(writer), packets: Some(packets) } = &mut *current else { return };
        let mut batch = writer.batch();
        if let Err(error) = mux(packets, pad, frame, &mut batch) {
            batch.fail(error);
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
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut current.writer, writer) {
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

/// GStreamer's muxer makes an event of its own of ours.
fn is_ours(event: Option<&gst::StructureRef>) -> bool {
    event.is_some_and(|event| event.has_field(OURS))
}

fn packets_for(caps: &gst::CapsRef) -> Option<Packets> {
    let media = caps.structure(0).map(gst::StructureRef::name)?;
    Codec::ALL.into_iter().find(|codec| media == codec.media()).map(Packets::new)
}

/// A frame's packets.
fn mux(
    packets: &mut Packets,
    pad: &gst::Pad,
    frame: &gst::BufferRef,
    out: &mut impl Write,
) -> io::Result<()> {
    let times = Times { pts: running_ns(pad, frame.pts()), dts: running_ns(pad, frame.dts()) };
    let is_key = !frame.flags().contains(gst::BufferFlags::DELTA_UNIT);
    // piece by piece: mapping all of it at once would copy it
    let mut unread = Ok(());
    let pieces = frame
        .iter_memories()
        .filter_map(|piece| piece.map_readable().map_err(|error| unread = Err(io::Error::other(error))).ok());
    packets.write(times, is_key, pieces, out).map_err(io::Error::other)?;
    unread
}

/// Of decoding, it may lie before zero.
fn running_ns(pad: &gst::Pad, time: Option<gst::ClockTime>) -> Option<i64> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    match event.segment().downcast_ref::<gst::ClockTime>()?.to_running_time_full(time?)? {
        gst::Signed::Positive(time) => i64::try_from(time.nseconds()).ok(),
        gst::Signed::Negative(time) => i64::try_from(time.nseconds()).ok().map(|ns| -ns),
    }
}
