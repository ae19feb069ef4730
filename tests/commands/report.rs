//! `report`: what it asks for, and what it says of a day without anything.

use super::run;
use crate::scene::{Bucket, camera, uploaded};
use crate::support::{Program, Settings, Workspace};

#[test]
fn a_wrong_question_is_answered_with_what_is_allowed() {
    let bucket = Bucket::new();
    let mut settings = Settings::new(&bucket.server);
    settings.camera_at("gate", "rtsp://127.0.0.1:9/", None).camera_at("yard", "rtsp://127.0.0.1:9/", None);
    let workspace = Workspace::new(&settings, &bucket.server);
    for (args, code, words) in [
        (&["report"][..], 78, &["--camera", "missing", "gate, yard"][..]),
        (&["report", "--camera", "door"], 78, &["--camera", "\"door\"", "gate, yard"]),
        (
            &["report", "--camera", "gate", "--date", "23.11.2025"],
            78,
            &["--date", "23.11.2025", "YYYY-MM-DD"],
        ),
        (&["report", "--camera", "gate"], 1, &["segments.db", "does not exist"]),
    ] {
        let answer = workspace.run(args);
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert_eq!(answer.status.code(), Some(code), "{args:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word:?} in: {said}");
        }
    }
}

#[test]
fn a_day_without_footage_is_a_day_of_nothing() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let _program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    for date in ["1999-12-31", "2999-12-31"] {
        let said = run(&workspace, &["report", "--date", date], 0);
        for line in
            ["recorded      00:00:00  -", "gaps          00:00:00  in 0 pieces", "unaccounted   00:00:00"]
        {
            assert!(said.lines().any(|said| said == line), "{line:?} in:\n{said}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&run(&workspace, &["report", "--date", date, "--json"], 0)).unwrap();
        assert_eq!((&json["seconds"], &json["recorded_percent"]), (&0.0.into(), &serde_json::Value::Null));
    }
}
