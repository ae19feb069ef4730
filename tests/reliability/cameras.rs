//! Cameras that are away, refuse, freeze, change or send rubbish.

use super::table::Scenario;

mod absences;
mod play;
mod process;
mod refusals;
mod streams;

/// From the return to frames in a segment: a look a second, a login, and the first keyframe; doubled for a busy machine.
const BACK: Option<u64> = Some(6);

scenarios! { CAMERAS:
    a_camera_that_refuses_the_password => Scenario {
        fault: "401: the camera refuses user name or password",
        outcome: "one attempt in five minutes, also when the camera was switched off and on meanwhile, so that it locks \
                  nobody out",
        health: Some("refuses user name or password"),
        told_within_s: Some(5),
        log_lines: Some(1),
        ..Scenario::QUIET
    }, refusals::password;
    a_camera_that_has_no_such_stream => Scenario {
        fault: "404: no stream at this path",
        outcome: "said once with the key to correct; tried again at least once a minute, and at once when the camera \
                  comes back from a restart",
        health: Some("no stream at this path (404)"),
        told_within_s: Some(5),
        heals_within_s: BACK,
        log_lines: Some(3),
    }, refusals::path;
    a_camera_that_refuses_every_setup => Scenario {
        fault: "451 on SETUP, in both forms of the track's address",
        outcome: "both forms are tried, again after 1, 2, 4 … 60 s",
        health: Some("refuses SETUP (451"),
        told_within_s: Some(5),
        heals_within_s: Some(15),
        log_lines: Some(1),
    }, refusals::setup;
    a_camera_that_is_busy => Scenario {
        fault: "503: too many viewers",
        outcome: "tried again after 1, 2, 4 … 60 s",
        health: Some("it answers 503"),
        told_within_s: Some(5),
        heals_within_s: Some(15),
        log_lines: Some(1),
    }, refusals::busy;
    a_camera_that_refuses_connections => Scenario {
        fault: "nobody listens on the port",
        outcome: "asked once a second whether it is there, tried as soon as it is",
        health: Some("refuses the connection"),
        told_within_s: Some(5),
        heals_within_s: BACK,
        log_lines: Some(2),
    }, absences::refused;
    a_camera_behind_a_dead_switch => Scenario {
        fault: "connection attempts vanish (SYN into nothing)",
        outcome: "asked once a second whether it is there, tried as soon as it is",
        health: Some("does not answer"),
        told_within_s: Some(12),
        heals_within_s: BACK,
        log_lines: Some(2),
    }, absences::deaf;
    a_camera_that_takes_the_call_and_says_nothing => Scenario {
        fault: "it accepts the connection and never answers",
        outcome: "given up after 5 s; asked once a second whether it answers, tried as soon as it does",
        health: Some("takes the connection and does not answer"),
        told_within_s: Some(12),
        heals_within_s: BACK,
        log_lines: Some(2),
    }, absences::mute;
    a_camera_without_power => Scenario {
        fault: "power cut, and power again",
        outcome: "all that came is recorded, the tail at once; recorded on after the return",
        health: Some("refuses the connection"),
        told_within_s: Some(5),
        heals_within_s: BACK,
        log_lines: Some(3),
    }, absences::power;
    a_camera_process_that_is_stopped => Scenario {
        fault: "its process is frozen (SIGSTOP): connections stay open and new ones are accepted",
        outcome: "left after 5 s of silence, the tail is recorded; asked once a second whether it answers",
        health: Some("stalled: nothing for 5 s"),
        told_within_s: Some(10),
        heals_within_s: BACK,
        log_lines: Some(3),
    }, process::frozen;
    a_camera_whose_encoder_hangs => Scenario {
        fault: "it answers and plays, but sends no frame",
        outcome: "left after 5 s of silence, the tail is recorded; connected 15 of 17 s, so that the first frame is not \
                  missed",
        health: Some("stalled: nothing for 5 s"),
        told_within_s: Some(10),
        heals_within_s: BACK,
        log_lines: Some(2),
    }, absences::encoder;
    a_camera_that_says_goodbye => Scenario {
        fault: "RTCP BYE: the camera ends the stream and keeps the connection",
        outcome: "the tail is recorded at once; a new run after one second",
        health: Some("camera ended the stream"),
        told_within_s: Some(5),
        heals_within_s: BACK,
        log_lines: Some(1),
    }, streams::goodbye;
    a_camera_that_hangs_up => Scenario {
        fault: "the connection is closed in mid-stream",
        outcome: "the tail is recorded at once; a new run after one second",
        health: Some("camera ended the stream"),
        told_within_s: Some(5),
        heals_within_s: BACK,
        log_lines: Some(1),
    }, streams::hang_up;
    a_camera_that_stops_after_a_few_frames_again_and_again => Scenario {
        fault: "every stream ends after a second or two",
        outcome: "what came of each is recorded, the pauses grow: 1, 2, 4 … 60 s",
        health: Some("camera ended the stream"),
        told_within_s: Some(10),
        heals_within_s: Some(25),
        log_lines: Some(1),
    }, streams::short;
    a_keyframe_every_ten_seconds => Scenario {
        fault: "a keyframe every 10 s, segments of 2 s asked for",
        outcome: "everything is recorded; segments are as long as the camera's groups of pictures",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, streams::ten_seconds;
    a_smart_codec_with_a_keyframe_every_twenty_seconds => Scenario {
        fault: "“smart codec”: a keyframe every 20 s",
        outcome: "everything from the first keyframe is recorded; segments are as long as the groups of pictures",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, streams::twenty_seconds;
    a_picture_that_becomes_larger => Scenario {
        fault: "another resolution in mid-stream, passthrough",
        outcome: "the segment ends with the last frame of the old size, a new run begins at the next keyframe; no segment \
                  holds two sizes",
        heals_within_s: BACK,
        log_lines: Some(0),
        ..Scenario::QUIET
    }, streams::resolution;
    a_picture_that_becomes_larger_and_is_transcoded => Scenario {
        fault: "another resolution in mid-stream, transcode",
        outcome: "recorded on in the same run, in the size that was asked for",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, streams::resolution_transcoded;
    a_codec_that_changes_in_mid_stream => Scenario {
        fault: "H.264 becomes H.265 in mid-stream",
        outcome: "what is no picture of the codec is not recorded; left after 5 s of that, rebuilt for the other codec",
        heals_within_s: Some(20),
        log_lines: Some(2),
        ..Scenario::QUIET
    }, streams::codec;
    stamps_that_jump_back => Scenario {
        fault: "RTP times jump back by a second, every few seconds",
        outcome: "recorded on; lengths stay true, no segment overlaps the next",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, streams::backwards;
    stamps_that_jump_within_a_picture => Scenario {
        fault: "RTP times jump within a picture: a stream that the program's own client does not take",
        outcome: "a new run at once, and rtspsrc receives the camera from then on",
        heals_within_s: Some(10),
        log_lines: Some(0),
        ..Scenario::QUIET
    }, streams::split;
    a_clock_that_runs_fast => Scenario {
        fault: "the camera's clock runs 1 % fast",
        outcome: "recorded on; starts follow the recorder's clock, no segment overlaps the next",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, streams::drift;
    packets_that_are_rubbish => Scenario {
        fault: "noise, short packets, lies and destroyed frames between the good packets",
        outcome: "recorded on; only destroyed frames are missing. Content that the parser cannot bear costs a run, and a \
                  second",
        heals_within_s: Some(10),
        log_lines: Some(1),
        ..Scenario::QUIET
    }, streams::rubbish;
    a_connection_that_is_torn => Scenario {
        fault: "bytes in mid-connection that are neither packet nor message",
        outcome: "skipped, or a new run after a second; recorded on",
        heals_within_s: Some(10),
        log_lines: Some(3),
        ..Scenario::QUIET
    }, streams::torn;
}
