//! One life of one pipeline: play, follow the bus, close the tail, tear down. Called by the supervisor only.

use std::time::{Duration, Instant};

use gst::prelude::*;
use tokio::runtime::Handle;

use super::codec::{Chosen, Codec};
use super::errors::{Facts, blame_hardware, classify, codec_mismatch};
use super::failure::Failure;
use super::pipeline::CameraPipeline;
use super::receive::Reception;
use super::rows::Rows;
use super::segments::{self, lock_open, running_time};
use super::source::{Offer, keep_alive};
use super::state::{Machine, Verdict};
use super::tap::Tap;
use super::teardown::{send_eos, set_null};
use crate::config::CameraConfig;
use crate::segment::RunId;
use crate::shutdown::Shutdown;
use crate::stills;

/// How often counters and the stop signal are looked at while the bus is quiet.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// Below half of the usual RTSP session timeout of 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// The tail segment closes within milliseconds of EOS, unless something hangs.
const TAIL_LIMIT: Duration = Duration::from_secs(2);
const NULL_LIMIT: Duration = Duration::from_secs(5);

/// A running pipeline and what it was built with.
pub struct Run<'a> {
    pub id: RunId,
    pub parts: CameraPipeline,
    /// `None` where nobody can watch.
    pub tap: Option<Tap>,
    pub chosen: Chosen,
    pub codec: Codec,
    pub codec_is_open: bool,
    pub camera: &'a CameraConfig,
    pub runtime: &'a Handle,
    /// The program's own client, once the pipeline plays.
    pub reception: Option<Reception>,
    pub rows: &'a mut Rows,
    pub shutdown: &'a Shutdown,
    /// Monotonic time of the machine starts here.
    pub epoch: Instant,
}

impl Run<'_> {
    /// Plays until something ends it. `changed` is called whenever the machine's state may have changed.
    pub fn play(mut self, machine: &mut Machine, changed: &mut dyn FnMut(&Machine)) -> Failure {
        let mut failure = match self.parts.pipeline.set_state(gst::State::Playing) {
            Ok(_) => None,
            // the reason is on the bus
            Err(_) => Some(self.start_failure()),
        };
        if let (None, Some(feed)) = (&failure, self.parts.feed.take()) {
            self.reception = Some(Reception::start(self.runtime, self.camera, feed));
        }
        let mut kept_alive = Instant::now();
        while failure.is_none() {
            if self.shutdown.is_requested() {
                failure = Some(Failure::Stopped);
                break;
            }
            failure = match self.parts.bus.timed_pop(TICK) {
                Some(message) => self.handle(&message),
                None => None,
            };
            failure = failure.or_else(|| self.look(machine));
            changed(machine);
            if kept_alive.elapsed() >= KEEP_ALIVE {
                kept_alive = Instant::now();
                keep_alive(&self.parts.src);
            }
        }
        let failure = failure.unwrap_or(Failure::Stopped);
        if failure == Failure::Stopped {
            machine.drain();
            changed(machine);
        }
        self.finish().unwrap_or(failure)
    }

    fn start_failure(&mut self) -> Failure {
        let error = self.parts.bus.timed_pop_filtered(gst::ClockTime::ZERO, &[gst::MessageType::Error]);
        error
            .and_then(|message| self.handle(&message))
            .unwrap_or_else(|| Failure::Pipeline("an element refuses to start".into()))
    }

    fn handle(&mut self, message: &gst::Message) -> Option<Failure> {
        match message.view() {
            gst::MessageView::Error(error) => {
                let offer = self.offer();
                Some(classify(error, &self.facts(&offer)))
            }
            // a live camera never ends: it was lost, or it hung up
            gst::MessageView::Eos(_) => Some(self.why_ended()),
            gst::MessageView::Element(element) => {
                element.structure().and_then(|structure| self.fragment(structure))
            }
            gst::MessageView::Latency(_) => {
                // failing to recalculate leaves the old latency, which only matters to synchronised sinks
                let _ = self.parts.pipeline.recalculate_latency();
                None
            }
            gst::MessageView::Warning(warning) => {
                if warning.error().is::<gst::StreamError>() {
                    self.parts.counters.complain();
                }
                log::debug!("[{}] {}", self.rows.camera(), warning.error().message());
                None
            }
            _ => None,
        }
    }

    /// Our own client knows more than that it did.
    fn why_ended(&self) -> Failure {
        let told = self.reception.as_ref().and_then(Reception::ended);
        codec_mismatch(&self.facts(&self.offer())).or(told).unwrap_or(Failure::Ended)
    }

    /// `splitmuxsink-fragment-opened` and `-closed`.
    fn fragment(&mut self, structure: &gst::StructureRef) -> Option<Failure> {
        let at = running_time(structure);
        match structure.name().as_str() {
            "splitmuxsink-fragment-opened" => {
                let mut open = lock_open(&self.parts.open);
                if let Some(segment) = open.iter_mut().find(|segment| segment.opened_at.is_none()) {
                    segment.opened_at = at.or(Some(Duration::ZERO));
                }
                drop(open);
                self.note_codec();
                None
            }
            "splitmuxsink-fragment-closed" => {
                let (segment, is_last) = {
                    let mut open = lock_open(&self.parts.open);
                    (open.pop_front()?, open.is_empty())
                };
                let mut closed_at = at.or(segment.opened_at).unwrap_or_default();
                // after EOS also the segment before the tail may be closed with no other one open yet: long groups of
                // pictures are held back until then
                let counters = &self.parts.counters;
                let is_tail = is_last && counters.has_ended() && closed_at >= counters.last_frame_at();
                if is_tail {
                    // no next frame says when the last one ends: splitmuxsink tells its beginning
                    closed_at += self.parts.counters.frame_time();
                }
                self.close(segment, closed_at)
            }
            _ => None,
        }
    }

    fn note_codec(&mut self) {
        let caps = self.parts.sink_pad.current_caps();
        if let Some(codec) = caps.as_deref().and_then(stills::Codec::of) {
            self.rows.note_codec(codec);
        }
    }

    fn close(&mut self, segment: segments::OpenSegment, closed_at: Duration) -> Option<Failure> {
        let (row, failure) = segments::close(segment, closed_at, self.rows.camera(), self.id);
        if let Some(row) = row {
            self.rows.add(row);
        }
        failure
    }

    /// What no message tells: stalls, streams of another codec, files that cannot be written.
    fn look(&mut self, machine: &mut Machine) -> Option<Failure> {
        let broken = lock_open(&self.parts.open).iter().find_map(|segment| match &segment.file {
            Ok(file) => file.write_error().map(Failure::Disk),
            Err(error) => Some(Failure::Disk(error.to_string())),
        });
        if broken.is_some() {
            return broken;
        }
        self.rows.flush_when_due();
        if let Some(tap) = &mut self.tap {
            tap.look();
        }
        let offer = self.offer();
        let facts = self.facts(&offer);
        if let Some(failure) = codec_mismatch(&facts) {
            return Some(failure);
        }
        let frames = self.parts.counters.seen().frames;
        if let Some(failure) = self.reception.as_ref().and_then(|reception| reception.ended_for_good(frames))
        {
            return Some(failure);
        }
        if let Some(what) = self.parts.counters.changed() {
            return Some(Failure::Changed(what));
        }
        match machine.tick(self.parts.counters.seen(), self.epoch.elapsed()) {
            Verdict::GoOn => None,
            Verdict::End(failure) => Some(failure),
            Verdict::Stuck(failure) => Some(blame_hardware(failure, &facts)),
        }
    }

    fn offer(&self) -> Offer {
        self.parts.offer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn facts<'b>(&'b self, offer: &'b Offer) -> Facts<'b> {
        let seen = self.parts.counters.seen();
        Facts {
            src: &self.parts.src,
            chosen: &self.chosen,
            offer,
            codec: self.codec,
            codec_is_open: self.codec_is_open,
            frames: seen.frames,
        }
    }

    /// EOS into hlssink2, so that the tail segment is closed on every way out; then Null. What GStreamer did not
    /// close is closed here: its frames are on disk all the same.
    fn finish(mut self) -> Option<Failure> {
        // viewers first: what closes the tail is not for them
        self.tap = None;
        let mut failure = None;
        let has_ended = self.parts.counters.has_ended();
        let eos = (self.parts.counters.seen().frames > 0).then(|| send_eos(&self.parts.sink_pad)).flatten();
        if eos.is_some() {
            failure = self.await_tail(has_ended);
        }
        if let Some(reception) = self.reception.take() {
            reception.stop();
        }
        set_null(&self.parts.pipeline, NULL_LIMIT);
        if let Some(eos) = eos.filter(std::thread::JoinHandle::is_finished) {
            // nothing to learn from a helper that only sends an event
            let _ = eos.join();
        }
        while let Some(message) = self.parts.bus.pop() {
            if let gst::MessageView::Element(element) = message.view() {
                let closed = element.structure().and_then(|structure| self.fragment(structure));
                failure = failure.or(closed);
            }
        }
        let left: Vec<_> = lock_open(&self.parts.open).drain(..).collect();
        for segment in left {
            let closed = self.close_unfinished(segment);
            failure = failure.or(closed);
        }
        failure
    }

    fn await_tail(&mut self, has_ended: bool) -> Option<Failure> {
        let deadline = Instant::now() + TAIL_LIMIT;
        let mut failure = None;
        // where the camera ended the stream itself, the tail is closed and its messages were read already
        let mut closed_one = has_ended;
        while Instant::now() < deadline {
            let Some(message) = self.parts.bus.timed_pop(TICK) else {
                // pipelines with more sinks never post EOS here; a quiet bus after the last close is the end
                if closed_one && lock_open(&self.parts.open).is_empty() {
                    break;
                }
                continue;
            };
            match message.view() {
                gst::MessageView::Eos(_) => break,
                gst::MessageView::Element(element) => {
                    let Some(structure) = element.structure() else { continue };
                    closed_one |= structure.name() == "splitmuxsink-fragment-closed";
                    let closed = self.fragment(structure);
                    failure = failure.or(closed);
                }
                _ => {}
            }
        }
        failure
    }

    fn close_unfinished(&mut self, segment: segments::OpenSegment) -> Option<Failure> {
        let Ok(file) = &segment.file else { return None };
        let path = file.path().to_owned();
        let (row, failure) = segments::close(segment, Duration::ZERO, self.rows.camera(), self.id);
        if let Some(mut row) = row {
            match super::inspect::inspect(&path) {
                Ok(inspected) if inspected.frames > 0 => {
                    row.duration = inspected.duration;
                    self.rows.add(row);
                }
                // recovery looks at it again and keeps it aside
                _ => log::warn!("[{}] {} holds nothing that plays", self.rows.camera(), path.display()),
            }
        }
        failure
    }
}
