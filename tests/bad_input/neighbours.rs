//! What the program shares with others: its port, its database.

use std::net::TcpListener;
use std::path::PathBuf;

use rusqlite::Connection;

use super::{ends_with, says, unanswered};
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded};
use crate::support::{Program, Settings, Workspace};

#[test]
fn a_port_in_use_ends_the_start_and_names_port_and_key() {
    let bucket = Bucket::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut settings = unanswered(&bucket.server);
    settings.set("server.port", i64::from(port));
    let workspace = Workspace::new(&settings, &bucket.server);
    let line = ends_with(&workspace, &["run"], 1);
    says(&line, &[&format!("127.0.0.1:{port}"), "in use", "server.port"]);
    drop(holder);
    let mut program = Program::start(&workspace);
    program.http_address();
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
}

#[test]
fn a_second_instance_is_refused_and_the_first_records_on() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut first = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let connections = camera.connections();
    for args in [["run"], ["capture"], ["upload"], ["serve"]] {
        let line = ends_with(&workspace, &args, 1);
        says(&line, &[&format!("process {}", first.id()), "data/segments.db", "stop"]);
    }
    let before = rows(&workspace).len();
    uploaded(&workspace, "gate", before + 1);
    assert_eq!(camera_state(&first, "gate", "recording")["reconnects"], 0);
    assert_eq!(camera.connections(), connections, "the second one never asked the camera");
    first.sigterm();
    assert!(first.wait_exit(LIMIT).success());
    drop(first);
    let rows = rows(&workspace);
    assert!(rows.iter().all(|row| row.discontinuity == rows[0].discontinuity), "{rows:?}");
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

/// A workspace whose database is `make`'s; every command that opens it must refuse and leave it as it was.
#[track_caller]
fn database_is_refused(make: impl FnOnce(&PathBuf), code: i32, words: &[&str]) {
    let bucket = Bucket::new();
    let workspace = Workspace::new(&unanswered(&bucket.server), &bucket.server);
    let database = workspace.path().join("data/segments.db");
    std::fs::create_dir_all(database.parent().unwrap()).unwrap();
    make(&database);
    let before = std::fs::read(&database).unwrap();
    for args in [&["run"][..], &["serve"], &["status"], &["retry"], &["clean"]] {
        says(&ends_with(&workspace, args, code), &[&["data/segments.db"], words].concat());
    }
    assert_eq!(std::fs::read(&database).unwrap(), before, "the file is untouched");
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let make = |database: &PathBuf| {
        let bucket = Bucket::new();
        let workspace = Workspace::new(&unanswered(&bucket.server), &bucket.server);
        let mut program = Program::start_with(&workspace, &["upload"]);
        program.wait_for_log(LIMIT, "ready");
        program.sigterm();
        assert!(program.wait_exit(LIMIT).success());
        let ours = workspace.path().join("data/segments.db");
        Connection::open(&ours).unwrap().pragma_update(None, "user_version", 99).unwrap();
        std::fs::copy(&ours, database).unwrap();
    };
    database_is_refused(make, 78, &["version 99", "newer program", "storage.database"]);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let make = |database: &PathBuf| {
        let other = Connection::open(database).unwrap();
        other.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE photos (id INTEGER)").unwrap();
    };
    database_is_refused(make, 78, &["another program", "storage.database"]);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let make = |database: &PathBuf| std::fs::write(database, "Dear diary, ".repeat(500)).unwrap();
    database_is_refused(make, 1, &["move the database aside"]);
}

#[test]
fn footage_outlives_a_database_that_was_moved_aside() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    let before = uploaded(&workspace, "gate", 2);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    let database = workspace.path().join("data/segments.db");
    std::fs::write(&database, "damaged beyond repair").unwrap();
    says(&ends_with(&workspace, &["status"], 1), &["move the database aside"]);
    std::fs::rename(&database, workspace.path().join("data/damaged")).unwrap();
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", before.len() + 1);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    let after = rows(&workspace);
    for row in before {
        assert!(after.iter().any(|now| now.key == row.key && now.bytes == row.bytes), "{row:?} is gone");
    }
    // S3 had these bytes already: found by HEAD, not stored again
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
