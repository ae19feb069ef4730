//! Files that vanish, shrink, or are being adopted when the plug is pulled.

use std::fs::{self, File};

use super::signals::leave_orphans;
use super::{all_uploaded_by_the_next_start, file, gate, recorded_only, stopped};
use crate::reliability::table::Scenario;
use crate::scene::{Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::{Fault, Program, Workspace, eventually};

pub fn killed_while_it_adopts(_: &Scenario) {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    leave_orphans(&workspace, 60);
    camera.stop();
    for _ in 0..2 {
        let before = rows(&workspace).len();
        let mut program = Program::start(&workspace);
        eventually(LIMIT, "more adopted files", || rows(&workspace).len() > before + 4);
        program.kill9();
        assert!(!program.log().iter().any(|line| line.contains("ready:")), "recovery was over already");
    }
    let rows = all_uploaded_by_the_next_start(&workspace, &bucket);
    assert!(rows.len() > 60);
}

fn with_state(workspace: &Workspace, state: &str) -> Option<Row> {
    rows(workspace).into_iter().find(|row| row.state == state)
}

pub fn deleted_under_their_rows(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    let there = uploaded(&workspace, "gate", 1).remove(0);
    // what is refused is not tried again at once; a manifest may take one of them
    bucket.server.spoil_next(3, Fault::Refuse(400, "InvalidRequest"));
    let waiting = eventually(LIMIT, "a segment that waits", || with_state(&workspace, "retry"));
    fs::remove_file(file(&workspace, &waiting)).unwrap();
    fs::remove_file(file(&workspace, &there)).unwrap();
    let lost = eventually(LIMIT, "the loss to be noted", || with_state(&workspace, "lost"));
    assert_eq!(lost.key, waiting.key);
    let had = rows(&workspace).len();
    uploaded(&workspace, "gate", had);
    stopped(&mut program);
    let about: Vec<_> = program.log().into_iter().filter(|line| line.contains("the file is gone")).collect();
    assert_eq!(about.len(), scenario.log_lines.unwrap(), "{about:#?}");
    drop(program);
    assert!(bucket.server.object(&there.key).is_some());
    // the one that is in S3 is settled by the next start
    let mut program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "it is uploaded, so nothing is lost");
    stopped(&mut program);
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

pub fn shorter_than_their_rows(scenario: &Scenario) {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    let there = uploaded(&workspace, "gate", 1).remove(0);
    stopped(&mut program);
    drop(program);
    let had = rows(&workspace).len();
    let waiting = recorded_only(&workspace, had + 2).remove(had);
    camera.stop();
    for row in [&there, &waiting] {
        File::options().write(true).open(file(&workspace, row)).unwrap().set_len(1000).unwrap();
    }
    let mut program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "1 lost");
    let settled = |row: &Row| rows(&workspace).into_iter().find(|now| now.key == row.key).unwrap().state;
    assert_eq!((settled(&there).as_str(), settled(&waiting).as_str()), ("cleaned", "lost"));
    assert!(!file(&workspace, &there).exists() && file(&workspace, &waiting).exists());
    let others = rows(&workspace).len() - 2;
    uploaded(&workspace, "gate", others);
    stopped(&mut program);
    let about: Vec<_> = program.log().into_iter().filter(|line| line.contains("instead of")).collect();
    assert_eq!(about.len(), scenario.log_lines.unwrap(), "{about:#?}");
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
