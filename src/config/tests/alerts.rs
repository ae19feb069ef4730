//! `[[alert]]`: what is taken over, what is refused, and that no secret is shown.

use std::time::Duration;

use super::{BUCKET, CAMERA, SECRET, bad, good};
use crate::config::{AlertConfig, AlertKind, AlertTarget, MqttConfig};
use crate::segment::CameraName;

fn alerts(text: &str) -> Vec<AlertConfig> {
    good(&format!("{CAMERA}{BUCKET}{text}")).alerts
}

#[test]
fn what_is_left_out_has_its_default() {
    let found = alerts("[[alert]]\nname = \"a\"\ntype = \"command\"\ncommand = [\"/bin/true\", \"x y\"]\n");
    let [alert] = &found[..] else { panic!("{found:?}") };
    assert_eq!(alert.events, AlertKind::ALL);
    assert_eq!(alert.cameras, [CameraName::new("gate").unwrap()]);
    assert_eq!(alert.min_duration, Duration::from_secs(60));
    assert_eq!(alert.no_segment, Some(Duration::from_secs(60)));
    assert_eq!(alert.backlog, Some(Duration::from_secs(3600)));
    let AlertTarget::Command(command) = &alert.target else { panic!("{alert:?}") };
    assert_eq!(command.iter().map(|part| part.reveal()).collect::<Vec<_>>(), ["/bin/true", "x y"]);
}

#[test]
fn every_kind_of_receiver_is_taken_over() {
    let found = alerts(
        "[[alert]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"https://h.example/${PASSWORD}\"\nsecret = \"s\"\n\
         events = [\"backlog\", \"disk-full\"]\ncameras = [\"gate\"]\nmin_duration = 0\nno_segment_seconds = 0\n\
         [[alert]]\nname = \"b\"\ntype = \"mqtt\"\nbroker = \"mqtts://[fd00::7]\"\nusername = \"u\"\n\
         password = \"${PASSWORD}\"\ntopic = \"site/a\"\ndiscovery = \"\"\n",
    );
    assert_eq!(found[0].events, [AlertKind::Backlog, AlertKind::DiskFull]);
    assert_eq!((found[0].min_duration, found[0].no_segment), (Duration::ZERO, None));
    let AlertTarget::Mqtt(mqtt) = &found[1].target else { panic!("{found:?}") };
    let expected = MqttConfig {
        host: "fd00::7".into(),
        port: 8883,
        tls: true,
        ca_file: None,
        username: "u".into(),
        topic: "site/a".into(),
        discovery: None,
        ..mqtt.clone()
    };
    assert_eq!(*mqtt, expected);
    assert_eq!(mqtt.password.reveal(), SECRET);
    assert!(!format!("{found:?}").contains(SECRET));
}

/// After `[[alert]]`, and what must be said.
const MISTAKES: &[(&str, &str)] = &[
    ("type = \"command\"\ncommand = [\"x\"]", "name: missing; add name = "),
    (
        "name = \"A\"\ntype = \"command\"\ncommand = [\"x\"]",
        "name: found \"A\", allowed 1 to 63 of a-z, 0-9 and -",
    ),
    ("name = \"a\"", "type: missing; add type = \"webhook\", \"mqtt\" or \"command\""),
    ("name = \"a\"\ntype = \"mail\"", "type: found \"mail\", allowed \"webhook\", \"mqtt\" or \"command\""),
    ("name = \"a\"\ntype = \"webhook\"", "url: missing"),
    (
        "name = \"a\"\ntype = \"webhook\"\nurl = \"hunter2:x\"",
        "url: found \"…\", allowed http://HOST/… or https://HOST/…",
    ),
    (
        "name = \"a\"\ntype = \"webhook\"\nurl = \"http://h\"\ntopic = \"x\"",
        "topic: found for an alert of type \"webhook\"; take it out, or change type",
    ),
    (
        "name = \"a\"\ntype = \"command\"\ncommand = \"x\"",
        "command: found a string, allowed a list of strings",
    ),
    ("name = \"a\"\ntype = \"command\"\ncommand = []", "command: found no program"),
    ("name = \"a\"\ntype = \"mqtt\"", "broker: missing"),
    (
        "name = \"a\"\ntype = \"mqtt\"\nbroker = \"h:1883\"",
        "broker: found an address without mqtt:// or mqtts://",
    ),
    (
        "name = \"a\"\ntype = \"mqtt\"\nbroker = \"mqtt://u:hunter2@h\"",
        "broker: found credentials in the address",
    ),
    (
        "name = \"a\"\ntype = \"mqtt\"\nbroker = \"mqtt://h\"\ntopic = \"a/#\"",
        "topic: found \"a/#\", allowed a topic without",
    ),
    (
        "name = \"a\"\ntype = \"mqtt\"\nbroker = \"mqtt://h\"\nca_file = \"x.pem\"",
        "ca_file: found for a broker that is not encrypted",
    ),
    (
        "name = \"a\"\ntype = \"mqtt\"\nbroker = \"mqtts://h\"\nca_file = \"/nowhere/x.pem\"",
        "ca_file: read /nowhere/x.pem: ",
    ),
    (
        "name = \"a\"\ntype = \"command\"\ncommand = [\"x\"]\nevents = [\"fire\"]",
        "events: found \"fire\", allowed camera-down, ",
    ),
    ("name = \"a\"\ntype = \"command\"\ncommand = [\"x\"]\nevents = []", "events: found an empty list"),
    (
        "name = \"a\"\ntype = \"command\"\ncommand = [\"x\"]\ncameras = [\"yard\"]",
        "cameras: found \"yard\", allowed the name of a camera (gate)",
    ),
    (
        "name = \"a\"\ntype = \"command\"\ncommand = [\"x\"]\nmin_duration = -1",
        "min_duration: found -1, allowed",
    ),
    (
        "name = \"a\"\ntype = \"command\"\ncommand = [\"x\"]\n[[alert]]\nname = \"a\"\ntype = \"command\"\ncommand = [\"x\"]",
        "allowed a name of its own for each alert; choose another; the alert in line 10 has this one",
    ),
    (
        "name = \"a\"\ntype = \"command\"\ncommand = [\"x\"]\nbroker_url = \"x\"",
        "broker_url: found an unknown key",
    ),
];

#[test]
fn mistakes_are_told_with_what_is_allowed_and_without_secrets() {
    for (text, words) in MISTAKES {
        let said = bad(&format!("{CAMERA}{BUCKET}[[alert]]\n{text}\n"));
        assert!(said.contains(words), "{text}:\n{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
