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

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// A run that recorded for this long counts as healthy: the next outage starts at the shortest backoff.
const HEALTHY: Duration = Duration::from_secs(20);

/// Totals counted since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// RTP packets out of the source.
    pub packets: u64,
    /// Frames into the sink.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
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
    run_began: Duration,
    recording_since: Option<Duration>,
    seen: Seen,
    packet_at: Duration,
    frame_at: Duration,
    keyframe_at: Duration,
}

impl Machine {
    pub fn new(splay: f64) -> Self {
        Self {
            state: CameraState::Starting,
            reason: None,
            splay: splay.clamp(0.0, 1.0),
            failures_in_a_row: 0,
            run_began: Duration::ZERO,
            recording_since: None,
            seen: Seen::default(),
            packet_at: Duration::ZERO,
            frame_at: Duration::ZERO,
            keyframe_at: Duration::ZERO,
        }
    }

    pub fn state(&self) -> CameraState {
        self.state
    }

    /// Why it is not recording; kept from the last failure until frames come again.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
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
    }

    /// Called a few times a second while a run lives.
    pub fn tick(&mut self, seen: Seen, now: Duration) -> Verdict {
        if seen.packets > self.seen.packets {
            self.packet_at = now;
        }
        if seen.frames > self.seen.frames {
            self.frame_at = now;
            if self.recording_since.is_none() {
                self.recording_since = Some(now);
                self.state = CameraState::Recording;
                self.reason = None;
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
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        // a run that is built differently may start at once, but two that deny each other must not spin
        if failure.retries_at_once() && self.failures_in_a_row <= 4 {
            return Next::AtOnce;
        }
        Next::Wait(self.backoff().max(failure.least_wait()).min(failure.longest_wait()))
    }

    fn backoff(&self) -> Duration {
        let doublings = self.failures_in_a_row.saturating_sub(1).min(6);
        let base = (FIRST_BACKOFF * 2u32.pow(doublings)).min(LONGEST_BACKOFF);
        base.mul_f64(0.75 + self.splay * 0.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::codec::Codec;

    const S: Duration = Duration::from_secs(1);

    fn seen(packets: u64, frames: u64) -> Seen {
        Seen { packets, frames, keyframes: frames.min(1) }
    }

    fn recording() -> Machine {
        let mut machine = Machine::new(1.0);
        machine.begin(Duration::ZERO);
        assert_eq!(machine.tick(seen(1, 1), S), Verdict::GoOn);
        assert_eq!(machine.state(), CameraState::Recording);
        machine
    }

    #[test]
    fn a_first_frame_makes_it_recording_and_clears_the_reason() {
        let mut machine = Machine::new(0.0);
        machine.begin(Duration::ZERO);
        machine.ended(&Failure::Ended, S);
        assert!(machine.reason().is_some());
        machine.begin(2 * S);
        machine.tick(seen(3, 1), 3 * S);
        assert_eq!((machine.state(), machine.reason()), (CameraState::Recording, None));
    }

    #[test]
    fn five_silent_seconds_end_a_recording() {
        let mut machine = recording();
        assert_eq!(machine.tick(seen(1, 1), 5 * S + S / 2), Verdict::GoOn);
        assert_eq!(machine.tick(seen(1, 1), 6 * S), Verdict::End(Failure::Stalled(STALL)));
    }

    #[test]
    fn a_camera_that_never_sends_is_left_after_fifteen_seconds() {
        let mut machine = Machine::new(0.0);
        machine.begin(10 * S);
        assert_eq!(machine.tick(seen(0, 0), 24 * S), Verdict::GoOn);
        assert_eq!(machine.tick(seen(0, 0), 25 * S), Verdict::End(Failure::NoFirstFrame(FIRST_PACKET)));
    }

    #[test]
    fn a_late_first_keyframe_is_waited_for_but_not_for_ever() {
        let mut machine = Machine::new(0.0);
        machine.begin(Duration::ZERO);
        for second in 1..30u32 {
            assert_eq!(machine.tick(seen(second.into(), 0), second * S), Verdict::GoOn, "{second}");
        }
        assert_eq!(machine.tick(seen(30, 0), 30 * S), Verdict::Stuck(Failure::NoFirstFrame(FIRST_FRAME)));
    }

    #[test]
    fn frames_that_stop_while_packets_flow_blame_the_codec_not_the_camera() {
        let mut machine = recording();
        for second in 2..11u32 {
            assert_eq!(machine.tick(seen(second.into(), 1), second * S), Verdict::GoOn);
        }
        assert_eq!(machine.tick(seen(99, 1), 11 * S), Verdict::Stuck(Failure::Stalled(FRAME_STALL)));
    }

    #[test]
    fn frames_without_keyframes_are_not_held_in_memory_for_ever() {
        let mut machine = recording();
        for second in 2..91u32 {
            assert_eq!(
                machine.tick(seen(second.into(), second.into()), second * S),
                Verdict::GoOn,
                "{second}"
            );
        }
        assert_eq!(machine.tick(seen(91, 91), 91 * S), Verdict::End(Failure::NoKeyframe(KEYFRAME)));
    }

    #[test]
    fn backoff_doubles_from_one_second_to_a_minute_and_starts_over_after_a_healthy_run() {
        let mut machine = Machine::new(1.0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            machine.begin(Duration::ZERO);
            match machine.ended(&Failure::Ended, S) {
                Next::Wait(wait) => waits.push(wait.as_secs()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        machine.begin(Duration::ZERO);
        machine.tick(seen(1, 1), Duration::ZERO);
        assert_eq!(machine.ended(&Failure::Ended, HEALTHY), Next::Wait(S));
    }

    #[test]
    fn cameras_with_different_splay_do_not_retry_together() {
        let wait = |splay| {
            let mut machine = Machine::new(splay);
            machine.begin(Duration::ZERO);
            machine.ended(&Failure::Ended, S)
        };
        assert_ne!(wait(0.0), wait(0.5));
    }

    #[test]
    fn a_refused_password_waits_five_minutes_from_the_first_refusal() {
        let mut machine = Machine::new(0.0);
        machine.begin(Duration::ZERO);
        assert_eq!(machine.ended(&Failure::Denied, S), Next::Wait(300 * S));
        assert!(machine.reason().unwrap().contains("refuses user name or password"));
    }

    #[test]
    fn a_full_disk_is_asked_every_few_seconds_however_long_it_was_full() {
        let mut machine = Machine::new(1.0);
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            machine.begin(Duration::ZERO);
            let Next::Wait(wait) = machine.ended(&Failure::Disk("full".into()), S) else { panic!("no wait") };
            longest = longest.max(wait);
        }
        assert_eq!(longest, 3 * S);
    }

    #[test]
    fn another_codec_restarts_at_once_but_two_that_alternate_do_not_spin() {
        let mut machine = Machine::new(0.0);
        let mut at_once = 0;
        for _ in 0..10 {
            machine.begin(Duration::ZERO);
            if machine.ended(&Failure::OtherCodec(Codec::H265), S) == Next::AtOnce {
                at_once += 1;
            }
        }
        assert_eq!(at_once, 4);
    }

    #[test]
    fn a_requested_stop_ends_it() {
        let mut machine = recording();
        machine.drain();
        assert_eq!(machine.state(), CameraState::Draining);
        assert_eq!(machine.ended(&Failure::Stopped, 9 * S), Next::Stop);
        assert_eq!(machine.state(), CameraState::Stopped);
    }
}
