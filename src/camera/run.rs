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
use super::segments::{self, lock_open};
use super::source::{Offer, keep_alive};
use super::state::{Machine, Verdict};
use super::tap::Tap;
use super::teardown::{send_eos, set_null};
use crate::config::CameraConfig;
use crate::segment::RunId;
use crate::shutdown::Shutdown;
use crate::stills;

/// How often counters and the stop signal are looked at while the bus is quiet.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(250);
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
            // a segment has begun, or somebody wants to watch
            gst::MessageView::Application(_) => {
                self.note_codec();
                None
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

    /// Rows of the segments that are written to their end.
    fn close_whole(&mut self) -> Option<Failure> {
        let mut failure = None;
        loop {
            let whole = lock_open(&self.parts.open).take_whole();
            let Some(segment) = whole else { return failure };
            let closed = self.close(segment);
            failure = failure.or(closed);
        }
    }

    fn note_codec(&mut self) {
        let caps = self.parts.sink_pad.current_caps();
        if let Some(codec) = caps.as_deref().and_then(stills::Codec::of) {
            self.rows.note_codec(codec);
        }
    }

    fn close(&mut self, segment: segments::OpenSegment) -> Option<Failure> {
        let (row, failure) = segments::close(segment, self.rows.camera(), self.id);
        if let Some(row) = row {
            self.rows.add(row);
        }
        failure
    }

    /// What no message tells: segments that are whole, stalls, streams of another codec, files that cannot be written.
    fn look(&mut self, machine: &mut Machine) -> Option<Failure> {
        let broken = lock_open(&self.parts.open).write_error();
        if let Some(error) = broken {
            return Some(Failure::Disk(error));
        }
        if let Some(failure) = self.close_whole() {
            return Some(failure);
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
        if let Some(by) = self.parts.counters.went_back() {
            let what = format!("its time stamps went back by {:.1} s", by.as_secs_f64());
            return Some(Failure::Broken(what));
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

    /// EOS into the muxer, so that it hands over what it has; then Null, and the tail becomes a row on every way out.
    fn finish(mut self) -> Option<Failure> {
        // viewers first: what closes the tail is not for them
        self.tap = None;
        let eos = (self.parts.counters.seen().frames > 0).then(|| send_eos(&self.parts.sink_pad)).flatten();
        if eos.is_some() {
            self.await_tail();
        }
        if let Some(reception) = self.reception.take() {
            reception.stop();
        }
        set_null(&self.parts.pipeline, NULL_LIMIT);
        if let Some(eos) = eos.filter(std::thread::JoinHandle::is_finished) {
            // nothing to learn from a helper that only sends an event
            let _ = eos.join();
        }
        let left = lock_open(&self.parts.open).take_rest(self.parts.counters.end());
        let mut failure = None;
        for segment in left {
            let closed = self.close(segment);
            failure = failure.or(closed);
        }
        failure
    }

    fn await_tail(&self) {
        let deadline = Instant::now() + TAIL_LIMIT;
        while !lock_open(&self.parts.open).has_ended() && Instant::now() < deadline {
            // a message says that it has; there is nothing to read in it
            let _ = self.parts.bus.timed_pop(TICK);
        }
    }
}
