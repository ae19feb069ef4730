//! `status`: asks the running program, or reads the database where none answers.

use serde_json::Value;

use super::run;
use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::port::Port;
use crate::support::{Program, Settings, Workspace};

#[test]
fn status_asks_the_running_program_and_after_its_end_the_database() {
    let (bucket, camera) = (Bucket::new(), camera());
    // `status` must know it beforehand
    let port = Port::hold(0).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings
        .set("server.port", i64::from(port.number()))
        .set("capture.mode", "passthrough")
        .camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    assert!(String::from_utf8_lossy(&workspace.run(&["status"]).stderr).contains("does not exist"));
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);

    let text = run(&workspace, &["status"], 0);
    for word in [": ok", "running for", "CAMERA", "gate", "recording", "uploaded", "uploads: ok", " free"] {
        assert!(text.contains(word), "{word:?} in:\n{text}");
    }
    let json: Value = serde_json::from_str(&run(&workspace, &["status", "--json"], 0)).unwrap();
    let health = program.health();
    assert_eq!(json["version"], health["version"]);
    assert_eq!((&json["status"], &json["upload"]["state"]), (&"ok".into(), &"ok".into()));
    assert_eq!(json["cameras"][0]["since"], health["cameras"][0]["since"]);

    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let text = run(&workspace, &["status"], 1);
    for word in [": down", "gate", "stopped", "uploaded", "not running", "not in this process"] {
        assert!(text.contains(word), "{word:?} in:\n{text}");
    }
    let json: Value = serde_json::from_str(&run(&workspace, &["status", "--json"], 1)).unwrap();
    assert_eq!((&json["status"], &json["cameras"][0]["state"]), (&"down".into(), &"stopped".into()));
    let segments = json["cameras"][0]["segments"].as_array().unwrap();
    assert_eq!((segments.len(), &segments[0]["state"]), (1, &"uploaded".into()));
    assert_eq!(segments[0]["count"], workspace.segment_files().len());
}

#[test]
fn status_reads_the_database_of_a_program_that_cannot_be_asked() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("server.enabled", false).set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    let text = run(&workspace, &["status"], 0);
    assert!(text.contains("recording") && text.contains("uploaded"), "{text}");
    // a dead process's word is not believed
    program.kill9();
    let text = run(&workspace, &["status"], 1);
    assert!(text.contains("stopped") && text.contains("not running"), "{text}");
}
