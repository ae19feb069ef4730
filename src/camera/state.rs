//! The camera's state machine: given `now` and what was seen, it says when a run must end and what comes next.
//!
//! Pure: no GStreamer, no clock, no I/O. `now` is any monotonic time, as a duration since a fixed moment.

use std::time::Duration;

use super::failure::Failure;
use crate::status::CameraState;

/// A recording camera that sends nothing for this long is lost.
pub const STALL: Duration = Duration::from_secs(5);
/// A camera that was connected to and sends nothing for this long is lost.
pub const FIRST_PACKET: Duration = Duration::from_secs(15);
/// Packets come, but no frame leaves the pipeline: no keyframe (some cameras send one every 20 s) or a hung codec.
pub const FIRST_FRAME: Duration = Duration::from_secs(30);
/// Packets come, frames stopped: a hung codec.
pub const FRAME_STALL: Duration = Duration::from_secs(10);

/// Frames come, but no segment can be cut: what comes is held in memory until a keyframe does.
pub const KEYFRAME: Duration = Duration::from_secs(90);

/// No frame for this long …
pub const UNDECODABLE: Duration = Duration::from_secs(5);
/// … but so many complaints about what came instead: a packet or two may be destroyed on the way.
const COMPLAINTS: u64 = 3;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// A run that recorded for this long counts as healthy: the next outage starts at the shortest backoff.
const HEALTHY: Duration = Duration::from_secs(20);
/// A run of this length between two changes of the picture is no failure at all.
const WORTH_IT: Duration = Duration::from_secs(2);

/// Totals counted since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// RTP packets out of the source.
    pub packets: u64,
    /// Frames into the sink.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// What came and is no video: see [`super::picture`].
    pub complaints: u64,
}

/// Why the machine wants the run to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    GoOn,
    /// The camera sends nothing.
    End(Failure),
    /// The camera sends, nothing comes out: the codec in between hangs, or there is no keyframe.
    Stuck(Failure),
}

/// What to do after a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    AtOnce,
    Wait(Duration),
    /// As `Wait`, but asking the camera now and then whether it lives: see [`Machine::heard`].
    Watch(Duration),
    Stop,
}

/// One camera's life.
#[derive(Clone, Debug)]
pub struct Machine {
    state: CameraState,
    reason: Option<String>,
    /// Different for each camera, 0.0 to 1.0: spreads the retries of many cameras behind one dead switch.
    splay: f64,
    failures_in_a_row: u32,
    refused_setups: u32,
    /// It did not answer when it was asked last.
    silent: bool,
    run_began: Duration,
    recording_since: Option<Duration>,
    seen: Seen,
    packet_at: Duration,
    frame_at: Duration,
    keyframe_at: Duration,
    complaints_at_frame: u64,
}

impl Machine {
    pub fn new(splay: f64) -> Self {
        Self {
            state: CameraState::Starting,
            reason: None,
            splay: splay.clamp(0.0, 1.0),
            failures_in_a_row: 0,
            refused_setups: 0,
            silent: false,
            run_began: Duration::ZERO,
            recording_since: None,
            seen: Seen::default(),
            packet_at: Duration::ZERO,
            frame_at: Duration::ZERO,
            keyframe_at: Duration::ZERO,
            complaints_at_frame: 0,
        }
    }

    pub fn state(&self) -> CameraState {
        self.state
    }

    /// Why it is not recording; kept from the last failure until frames come again.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Of the run that lives, or lived last.
    pub fn frames(&self) -> u64 {
        self.seen.frames
    }

    /// How long ago the last frame came, in a run that records.
    pub fn frame_age(&self, now: Duration) -> Option<Duration> {
        self.recording_since.map(|_| now.saturating_sub(self.frame_at))
    }

    /// A new run is being built.
    pub fn begin(&mut self, now: Duration) {
        self.state = CameraState::Starting;
        self.run_began = now;
        self.recording_since = None;
        self.seen = Seen::default();
        self.packet_at = now;
        self.frame_at = now;
        self.keyframe_at = now;
        self.complaints_at_frame = 0;
    }

    /// Called a few times a second while a run lives.
    pub fn tick(&mut self, seen: Seen, now: Duration) -> Verdict {
        if seen.packets > self.seen.packets {
            self.packet_at = now;
        }
        if seen.frames > self.seen.frames {
            self.frame_at = now;
            self.complaints_at_frame = seen.complaints;
            if self.recording_since.is_none() {
                self.recording_since = Some(now);
                self.state = CameraState::Recording;
                self.reason = None;
                self.silent = false;
            }
        }
        if seen.keyframes > self.seen.keyframes {
            self.keyframe_at = now;
        }
        self.seen = seen;
        let quiet = now.saturating_sub(self.packet_at);
        if self.recording_since.is_none() {
            if seen.packets == 0 && quiet >= FIRST_PACKET {
                return Verdict::End(Failure::NoFirstFrame(FIRST_PACKET));
            }
            if seen.packets > 0 && quiet >= STALL {
                return Verdict::End(Failure::Stalled(STALL));
            }
            if now.saturating_sub(self.run_began) >= FIRST_FRAME {
                return Verdict::Stuck(Failure::NoFirstFrame(FIRST_FRAME));
            }
        } else if quiet >= STALL {
            return Verdict::End(Failure::Stalled(STALL));
        } else if seen.complaints >= self.complaints_at_frame + COMPLAINTS
            && now.saturating_sub(self.frame_at) >= UNDECODABLE
        {
            let seconds = UNDECODABLE.as_secs();
            return Verdict::End(Failure::Broken(format!("no frame in what came for {seconds} s")));
        } else if now.saturating_sub(self.frame_at) >= FRAME_STALL {
            return Verdict::Stuck(Failure::Stalled(FRAME_STALL));
        } else if now.saturating_sub(self.keyframe_at) >= KEYFRAME {
            return Verdict::End(Failure::NoKeyframe(KEYFRAME));
        }
        Verdict::GoOn
    }

    /// The end was asked for; the tail segment is being closed.
    pub fn drain(&mut self) {
        self.state = CameraState::Draining;
    }

    /// The run is torn down.
    pub fn ended(&mut self, failure: &Failure, now: Duration) -> Next {
        if *failure == Failure::Stopped {
            self.state = CameraState::Stopped;
            self.reason = None;
            return Next::Stop;
        }
        self.state = CameraState::Waiting;
        self.reason = Some(failure.to_string());
        let recorded = self.recording_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        if recorded >= HEALTHY {
            self.failures_in_a_row = 0;
        }
        if matches!(failure, Failure::Changed(_)) && recorded >= WORTH_IT {
            return Next::AtOnce;
        }
        if matches!(failure, Failure::SetupRefused(_)) {
            self.refused_setups = self.refused_setups.wrapping_add(1);
            if self.refused_setups % 2 == 1 {
                // the other form of the address belongs to this attempt: a pause comes after both
                return Next::AtOnce;
            }
        }
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        // a run that is built differently may start at once, but two that deny each other must not spin
        if failure.retries_at_once() && self.failures_in_a_row <= 4 {
            return Next::AtOnce;
        }
        let wait = self.backoff().max(failure.least_wait()).min(failure.longest_wait());
        if failure.may_come_back() { Next::Watch(wait) } else { Next::Wait(wait) }
    }

    /// The camera was asked whether it lives. Returns whether the next run begins now: only a camera that was silent
    /// and answers again has come back. One that answers all the time and fails all the same keeps its backoff.
    pub fn heard(&mut self, answered: bool) -> bool {
        let is_back = answered && self.silent;
        self.silent = !answered;
        if is_back {
            // what failed before says nothing about a camera that has just started
            self.failures_in_a_row = 0;
        }
        is_back
    }

    fn backoff(&self) -> Duration {
        let doublings = self.failures_in_a_row.saturating_sub(1).min(6);
        let base = (FIRST_BACKOFF * 2u32.pow(doublings)).min(LONGEST_BACKOFF);
        base.mul_f64(0.75 + self.splay * 0.25)
    }
}

#[cfg(test)]
mod tests;
