//! What people are told, and what not, by a webhook, a program and a broker.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use toml::{Table, Value as Toml};

use crate::scene::{Bucket, LIMIT, camera, camera_state, uploaded};
use crate::support::broker::{self, Broker};
use crate::support::receiver::Receiver;
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

const SECRET: &str = "Hook-Secret-14";
const PATH: &str = "/hooks/T0ken-in-the-path";

/// An `[[alert]]` that tells soon.
pub fn alert(keys: &[(&str, Toml)]) -> Toml {
    let mut table = Table::new();
    for (key, value) in
        [("name", "house".into()), ("min_duration", 1.into()), ("backlog_minutes", Toml::from(0.15))]
    {
        table.insert(key.to_owned(), value);
    }
    for (key, value) in keys {
        table.insert((*key).to_owned(), value.clone());
    }
    Toml::Array(vec![Toml::Table(table)])
}

pub fn webhook(receiver: &Receiver) -> Toml {
    alert(&[
        ("type", "webhook".into()),
        ("url", receiver.url(PATH).into()),
        ("secret", "${HOOK_SECRET}".into()),
    ])
}

fn world(bucket: &Bucket, camera: &Camera, alert: Toml) -> Workspace {
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", camera).set("alert", alert).set("capture.mode", "passthrough");
    let mut workspace = Workspace::new(&settings, &bucket.server);
    workspace.set_env("HOOK_SECRET", SECRET);
    workspace
}

#[track_caller]
fn told(receiver: &Receiver, expected: &[&str]) {
    eventually(LIMIT, &format!("{expected:?}"), || {
        let told = receiver.told();
        if told == expected { Ok(()) } else { Err(format!("{told:?}")) }
    });
}

#[test]
fn a_refusing_a_frozen_camera_and_an_outage_are_told_once_each_and_nothing_else_is() {
    let (mut bucket, receiver) = (Bucket::new(), Receiver::start());
    let gate = camera();
    let login = Some(("admin".to_owned(), "another".to_owned()));
    let shed = Camera::start(CameraOptions { login, ..CameraOptions::default() }).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate).camera("shed", &shed).for_camera("password", "wrong");
    settings.set("alert", webhook(&receiver)).set("capture.mode", "passthrough");
    let mut workspace = Workspace::new(&settings, &bucket.server);
    workspace.set_env("HOOK_SECRET", SECRET);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    told(&receiver, &["camera-denied begin shed"]);

    gate.freeze();
    told(&receiver, &["camera-denied begin shed", "camera-down begin gate"]);
    gate.thaw();
    let back = ["camera-denied begin shed", "camera-down begin gate", "camera-down end gate"];
    told(&receiver, &back);

    bucket.server.stop();
    let mut all = back.to_vec();
    all.push("backlog begin");
    told(&receiver, &all);
    bucket.server.start_again().unwrap();
    all.push("backlog end");
    told(&receiver, &all);
    uploaded(&workspace, "gate", 12);
    told(&receiver, &all);

    let letters = receiver.letters();
    let json = letters[1].json();
    assert_eq!(json["id"], letters[2].json()["id"], "begin and end belong together");
    assert!(json["message"].as_str().unwrap().starts_with("camera gate does not record: "), "{json}");
    assert!(letters[2].json()["duration_seconds"].as_u64().unwrap() >= 1);
    let log = program.log().join("\n");
    assert!(!log.contains(SECRET) && !log.contains("T0ken"), "the hook's secrets are in the log");
}

#[test]
fn each_message_is_signed_and_is_tried_again_until_it_is_taken() {
    let (bucket, receiver, mut gate) = (Bucket::new(), Receiver::start(), camera());
    let workspace = world(&bucket, &gate, webhook(&receiver));
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    receiver.answer_next(&["503 Service Unavailable", "302 Found"]);
    gate.stop();
    told(&receiver, &["camera-down begin gate"]);
    program.wait_for_log(LIMIT, "not told: the receiver answers 503 Service Unavailable");
    program.wait_for_log(LIMIT, "[alert house] recovered after 2 failures");
    let letter = &receiver.letters()[0];
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{}.{}", letter.header("x-timestamp").unwrap(), letter.body).as_bytes());
    let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(letter.header("x-signature"), Some(expected.as_str()));
    assert_eq!(letter.header("content-type"), Some("application/json"));
    assert!(letter.head.starts_with(&format!("POST {PATH} HTTP/1.1")));
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_no_end() {
    let (bucket, receiver, mut gate) = (Bucket::new(), Receiver::start(), camera());
    let workspace = world(&bucket, &gate, webhook(&receiver));
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    gate.stop();
    told(&receiver, &["camera-down begin gate"]);
    eventually(LIMIT, "a row that says so", || !workspace.rows("SELECT * FROM alerts").is_empty());
    program.kill9();
    drop(program);

    let program = Program::start(&workspace);
    camera_state(&program, "gate", "waiting");
    let looked = || workspace.rows("SELECT * FROM runs").len();
    let begun = looked();
    eventually(LIMIT, "some more attempts", || looked() > begun + 1);
    told(&receiver, &["camera-down begin gate"]);
    gate.start_again().unwrap();
    told(&receiver, &["camera-down begin gate", "camera-down end gate"]);
    eventually(LIMIT, "the row to go", || workspace.rows("SELECT * FROM alerts").is_empty());
}

#[test]
fn a_broker_and_home_assistant_see_the_camera_come_and_go() {
    let (bucket, mut gate, mut broker) = (Bucket::new(), camera(), Broker::start());
    let keys = [
        ("type", "mqtt".into()),
        ("broker", broker.url().into()),
        ("username", broker::USER.into()),
        ("password", "${BROKER_PASSWORD}".into()),
        ("topic", "site/cctv".into()),
    ];
    let mut workspace = world(&bucket, &gate, alert(&keys));
    workspace.set_env("BROKER_PASSWORD", broker::PASSWORD);
    let heard = broker.listen(&["site/#", "homeassistant/#"]);
    let mut program = Program::start(&workspace);
    let entity = heard.wait_for(&["homeassistant/binary_sensor/site_cctv/gate/config "]);
    let entity: Value = serde_json::from_str(entity.split_once(' ').unwrap().1).unwrap();
    assert_eq!(entity["state_topic"], "site/cctv/camera/gate");
    assert_eq!(entity["availability_topic"], "site/cctv/status");
    heard.wait_for(&["site/cctv/status online"]);
    heard.wait_for(&["site/cctv/camera/gate ", "\"recording\":true"]);

    gate.stop();
    heard.wait_for(&["site/cctv/camera/gate ", "\"recording\":false", "\"state\":\"waiting\""]);
    heard.wait_for(&["site/cctv/alert ", "\"event\":\"camera-down\"", "\"phase\":\"begin\""]);

    // what happens while the broker is away arrives when it is back
    broker.stop();
    program.wait_for_log(LIMIT, "[alert house] broker 127.0.0.1:");
    gate.start_again().unwrap();
    camera_state(&program, "gate", "recording");
    broker.resume();
    let again = broker.listen(&["site/cctv/alert", "site/cctv/status", "site/cctv/camera/gate"]);
    again.wait_for(&["site/cctv/alert ", "\"event\":\"camera-down\"", "\"phase\":\"end\""]);
    again.wait_for(&["site/cctv/status online"]);
    again.wait_for(&["site/cctv/camera/gate ", "\"recording\":true"]);
    // a camera that an earlier configuration had
    broker.keep("site/cctv/camera/shed", "{\"recording\":true}");
    broker.keep("homeassistant/binary_sensor/site_cctv/shed/config", "{}");
    eventually(LIMIT, "the camera of before to go", || {
        let kept = broker.kept(&["site/cctv/camera/#", "homeassistant/#"]);
        let is_clean = !kept.contains("shed") && kept.contains("gate");
        if is_clean { Ok(()) } else { Err(kept) }
    });
    // the broker's own word, when we are gone without ours
    program.kill9();
    again.wait_for(&["site/cctv/status offline"]);
    let log = program.log().join("\n");
    assert!(!log.contains(broker::PASSWORD), "{log}");
}

/// A program that notes what it is given, and ends as `status` says.
fn script(folder: &Path, status: u8) -> String {
    let path = folder.join("tell.sh");
    let text = format!(
        "#!/bin/sh\n{{ cat; echo; env; echo \"arguments $*\"; echo end; }} >> \"$(dirname \"$0\")/told\"\n\
         echo 'no paper left' >&2\nexit {status}\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_program_gets_the_event_and_none_of_our_secrets() {
    let (bucket, mut gate, folder) = (Bucket::new(), camera(), tempfile::tempdir().unwrap());
    let command = vec![script(folder.path(), 0), "a b".to_owned(), "$HOME;ls".to_owned()];
    let mut workspace =
        world(&bucket, &gate, alert(&[("type", "command".into()), ("command", command.into())]));
    workspace.set_env("HOME", "/nowhere");
    let _program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    gate.stop();
    let told = eventually(LIMIT, "the program to have run", || {
        std::fs::read_to_string(folder.path().join("told")).ok().filter(|told| told.ends_with("end\n"))
    });
    let json: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&json["event"], &json["phase"], &json["camera"]),
        (&json!("camera-down"), &json!("begin"), &json!("gate"))
    );
    for line in
        ["CCTV_ALERT_EVENT=camera-down", "CCTV_ALERT_CAMERA=gate", "arguments a b $HOME;ls", "HOME=/nowhere"]
    {
        assert!(told.lines().any(|found| found == line), "{line}: {told}");
    }
    assert!(!told.contains("AWS_SECRET") && !told.contains(SECRET), "{told}");
}

#[test]
fn alert_test_says_what_became_of_a_message_to_each() {
    let (bucket, gate, receiver) = (Bucket::new(), camera(), Receiver::start());
    let (folder, mut broker) = (tempfile::tempdir().unwrap(), Broker::start());
    let one = |name: &str, keys: &[(&str, Toml)]| {
        let mut keys = keys.to_vec();
        keys.push(("name", name.into()));
        alert(&keys).as_array().unwrap()[0].clone()
    };
    let mqtt = |password: &str| {
        [
            ("type", "mqtt".into()),
            ("broker", broker.url().into()),
            ("username", broker::USER.into()),
            ("password", password.into()),
        ]
    };
    let alerts = vec![
        webhook(&receiver).as_array().unwrap()[0].clone(),
        one("script", &[("type", "command".into()), ("command", vec![script(folder.path(), 3)].into())]),
        one("home", &mqtt(broker::PASSWORD)),
        one("wrong", &mqtt("guess")),
        one("gone", &[("type", "webhook".into()), ("url", "http://127.0.0.1:9/T0ken".into())]),
    ];
    let workspace = world(&bucket, &gate, Toml::Array(alerts));
    let heard = broker.listen(&["cctv/#"]);
    let said = workspace.run(&["alert", "test"]);
    assert_eq!(said.status.code(), Some(1));
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    for line in [
        "ok    house: told",
        "FAIL  script: the program ended with exit status: 3: no paper left",
        "ok    home: told",
        "FAIL  wrong: it refuses user name or password",
        "FAIL  gone: error sending request",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line}: {text}");
    }
    assert!(!text.contains("T0ken") && !text.contains("guess"), "{text}");
    told(&receiver, &["test test"]);
    heard.wait_for(&["cctv/alert ", "\"phase\":\"test\""]);
    assert_eq!(workspace.run(&["alert", "test", "--name", "home"]).status.code(), Some(0));
    let unknown = workspace.run(&["alert", "test", "--name", "nobody"]);
    assert_eq!(unknown.status.code(), Some(78));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("the file has house, script, home, wrong, gone")
    );
    broker.stop();
    let away = workspace.run(&["alert", "test", "--name", "home"]);
    assert!(String::from_utf8_lossy(&away.stdout).contains("refused"), "{away:?}");
}
