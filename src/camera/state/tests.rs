//! The table of what a camera may do, and what comes of it.

use super::*;
use crate::camera::codec::Codec;

const S: Duration = Duration::from_secs(1);

fn seen(packets: u64, frames: u64) -> Seen {
    Seen { packets, frames, keyframes: frames.min(1), complaints: 0 }
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
        assert_eq!(machine.tick(seen(second.into(), second.into()), second * S), Verdict::GoOn, "{second}");
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
            Next::Watch(wait) => waits.push(wait.as_secs()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    machine.begin(Duration::ZERO);
    machine.tick(seen(1, 1), Duration::ZERO);
    assert_eq!(machine.ended(&Failure::Ended, HEALTHY), Next::Watch(S));
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
fn a_camera_that_was_silent_and_answers_again_is_tried_at_once_and_its_backoff_starts_over() {
    let mut machine = Machine::new(1.0);
    for _ in 0..8 {
        machine.begin(Duration::ZERO);
        machine.ended(&Failure::Unreachable("refused".into()), S);
    }
    assert!(!machine.heard(false));
    assert!(!machine.heard(false));
    assert!(machine.heard(true));
    assert!(!machine.heard(true), "it came back once only");
    machine.begin(S);
    // still booting: its port is open, its stream is not
    assert_eq!(machine.ended(&Failure::NotFound, 2 * S), Next::Watch(S));
}

#[test]
fn a_camera_that_answers_all_the_time_keeps_its_backoff() {
    let mut machine = Machine::new(1.0);
    let mut waits = Vec::new();
    for _ in 0..3 {
        machine.begin(Duration::ZERO);
        waits.push(machine.ended(&Failure::Ended, S));
        assert!(!machine.heard(true));
    }
    assert_eq!(waits, [Next::Watch(S), Next::Watch(2 * S), Next::Watch(4 * S)]);
}

#[test]
fn a_silence_before_a_run_that_recorded_is_forgotten() {
    let mut machine = Machine::new(0.0);
    machine.heard(false);
    machine.begin(Duration::ZERO);
    machine.tick(seen(1, 1), S);
    machine.ended(&Failure::Ended, 2 * S);
    assert!(!machine.heard(true));
}

#[test]
fn only_the_cameras_own_troubles_are_watched_and_a_refused_password_never_is() {
    let next = |failure: Failure| {
        let mut machine = Machine::new(1.0);
        machine.begin(Duration::ZERO);
        machine.ended(&failure, S)
    };
    assert_eq!(next(Failure::Stalled(STALL)), Next::Watch(S));
    assert_eq!(next(Failure::NotFound), Next::Watch(S));
    assert_eq!(next(Failure::Disk("full".into())), Next::Wait(S));
    assert_eq!(next(Failure::Denied), Next::Wait(300 * S));
}

#[test]
fn a_camera_that_is_connected_and_sends_nothing_is_connected_most_of_the_time() {
    let mut machine = Machine::new(1.0);
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        machine.begin(Duration::ZERO);
        if let Next::Watch(wait) = machine.ended(&Failure::NoFirstFrame(FIRST_PACKET), FIRST_PACKET) {
            longest = longest.max(wait);
        }
    }
    assert_eq!(longest, 2 * S);
}

#[test]
fn a_picture_that_changes_every_few_seconds_is_recorded_all_the_same_but_one_that_flickers_backs_off() {
    let changed = Failure::Changed("from 1x1 to 2x2".into());
    let ends = |after: Duration| {
        let mut machine = Machine::new(0.0);
        let once = |_| {
            machine.begin(Duration::ZERO);
            machine.tick(seen(1, 1), Duration::ZERO);
            machine.ended(&changed, after)
        };
        (0..9).map(once).filter(|next| *next == Next::AtOnce).count()
    };
    assert_eq!((ends(3 * S), ends(S)), (9, 4));
}

#[test]
fn what_is_no_video_ends_a_run_only_where_no_frame_comes_between() {
    let at = |complaints, frames, second: u32| {
        (Seen { packets: second.into(), frames, keyframes: 1, complaints }, second * S)
    };
    let mut mended = recording();
    for (seen, now) in [at(9, 2, 5), at(11, 2, 9), at(11, 2, 12), at(99, 3, 13)] {
        assert_eq!(mended.tick(seen, now), Verdict::GoOn, "{seen:?}");
    }
    let mut broken = recording();
    let (seen, now) = at(3, 1, 5);
    assert_eq!(broken.tick(seen, now), Verdict::GoOn);
    let (seen, now) = at(3, 1, 6);
    assert!(matches!(broken.tick(seen, now), Verdict::End(Failure::Broken(_))));
}

#[test]
fn a_refused_setup_tries_the_other_form_at_once_and_pauses_after_both() {
    let mut machine = Machine::new(1.0);
    let refused = Failure::SetupRefused("451".into());
    let mut once = || {
        machine.begin(Duration::ZERO);
        machine.ended(&refused, S)
    };
    let nexts = [once(), once(), once(), once(), once(), once()];
    let pause = |seconds: u32| Next::Watch(seconds * S);
    assert_eq!(nexts, [Next::AtOnce, pause(1), Next::AtOnce, pause(2), Next::AtOnce, pause(4)]);
}

#[test]
fn a_requested_stop_ends_it() {
    let mut machine = recording();
    machine.drain();
    assert_eq!(machine.state(), CameraState::Draining);
    assert_eq!(machine.ended(&Failure::Stopped, 9 * S), Next::Stop);
    assert_eq!(machine.state(), CameraState::Stopped);
}
