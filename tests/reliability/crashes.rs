//! The process is killed or stopped at any moment; database and files are damaged under it.

use std::path::{Path, PathBuf};

use super::table::Scenario;
use crate::scene::{Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, rows, uploaded};
use crate::support::{Camera, Program, Settings, Workspace, eventually};

mod database;
mod files;
mod signals;

scenarios! { CRASHES:
    asked_to_stop_while_it_starts => Scenario {
        fault: "SIGTERM while it adopts the files of a crash",
        outcome: "stops with exit code 0; what it adopted stays, the next start adopts the rest",
        log_lines: Some(2),
        ..Scenario::QUIET
    }, signals::while_it_starts;
    asked_to_stop_while_the_camera_connects => Scenario {
        fault: "SIGTERM while a camera accepts the connection and answers nothing",
        outcome: "stops with exit code 0",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, signals::while_the_camera_connects;
    asked_to_stop_while_it_records => Scenario {
        fault: "SIGTERM in the middle of a segment",
        outcome: "the tail segment is closed, has its row and is uploaded before the end; exit code 0",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, signals::while_it_records;
    asked_to_stop_while_the_camera_is_away => Scenario {
        fault: "SIGTERM while a camera is off and its next attempt is awaited",
        outcome: "stops at once with exit code 0",
        health: Some("gate is waiting"),
        told_within_s: Some(15),
        ..Scenario::QUIET
    }, signals::while_the_camera_is_away;
    asked_to_stop_while_s3_hangs => Scenario {
        fault: "SIGTERM while S3 took an upload and does not answer",
        outcome: "waits up to 15 s for the upload, then stops with exit code 0; the segment stays queued, and the next start \
                  finds its object and stores nothing twice",
        ..Scenario::QUIET
    }, signals::while_s3_hangs;
    asked_twice_to_stop => Scenario {
        fault: "a second SIGTERM while it is stopping",
        outcome: "leaves at once with exit code 1; the next start uploads what was queued, and nothing is lost or doubled",
        ..Scenario::QUIET
    }, signals::asked_twice;
    started_a_second_time => Scenario {
        fault: "a second instance over the same database",
        outcome: "the second one ends with the process id of the first and what to do; the first records on, undisturbed",
        log_lines: Some(0),
        ..Scenario::QUIET
    }, signals::started_a_second_time;
    another_process_locks_the_database => Scenario {
        fault: "another process holds the database locked, and the camera comes back meanwhile",
        outcome: "all is recorded, also in new runs; rows wait in memory, and are in and uploaded when the lock is gone",
        health: Some("rows cannot be written"),
        told_within_s: Some(15),
        heals_within_s: Some(30),
        log_lines: Some(20),
    }, database::locked_while_it_records;
    the_database_is_locked_when_it_starts => Scenario {
        fault: "another process has the database to itself when the program starts",
        outcome: "recording begins all the same; when the lock is gone the parts start anew and adopt the files",
        health: Some("locked"),
        told_within_s: Some(30),
        heals_within_s: Some(60),
        ..Scenario::QUIET
    }, database::locked_when_it_starts;
    the_database_cannot_be_written => Scenario {
        fault: "the database is mounted read-only when the program starts",
        outcome: "recording begins all the same; when it can be written the parts start anew and adopt the files",
        health: Some("readonly"),
        told_within_s: Some(30),
        heals_within_s: Some(60),
        ..Scenario::QUIET
    }, database::read_only;
    the_database_begins_with_garbage => Scenario {
        fault: "garbage in the header of the database at start",
        outcome: "it is moved aside with its log, a new one is made, all files are adopted and nothing is stored twice; numbers \
                  of the playlist rise",
        health: Some("the database was damaged"),
        told_within_s: Some(30),
        ..Scenario::QUIET
    }, database::garbage_in_the_header;
    the_database_holds_garbage_in_the_middle => Scenario {
        fault: "garbage in the pages behind the header at start",
        outcome: "found by the first reading, then as with a damaged header",
        health: Some("the database was damaged"),
        told_within_s: Some(30),
        ..Scenario::QUIET
    }, database::garbage_in_the_middle;
    the_database_is_damaged_while_it_records => Scenario {
        fault: "garbage in the database and its log while it records",
        outcome: "as soon as SQLite meets it all parts start anew over a new database and adopt the files, without a person",
        health: Some("the database was damaged"),
        told_within_s: Some(60),
        ..Scenario::QUIET
    }, database::garbage_while_it_records;
    the_database_is_deleted_while_it_records => Scenario {
        fault: "the database is deleted while it records",
        outcome: "noticed within a second: all parts start anew over a new database and adopt the files",
        heals_within_s: Some(60),
        ..Scenario::QUIET
    }, database::deleted_while_it_records;
    the_database_is_gone_when_it_starts => Scenario {
        fault: "the database was deleted while the program was off, the files remain",
        outcome: "all files are adopted; those that are in S3 already are found there and not stored again",
        ..Scenario::QUIET
    }, |_| crate::crashes::leftovers::a_deleted_database_costs_no_segment_and_doubles_none();
    killed_twice_while_it_adopts => Scenario {
        fault: "kill -9 during recovery, twice",
        outcome: "each start goes on where the last one was; each file is adopted once",
        ..Scenario::QUIET
    }, files::killed_while_it_adopts;
    files_deleted_under_their_rows => Scenario {
        fault: "files are deleted while it records: one before its upload, one after",
        outcome: "the first is `lost`, with a line in the log and a gap in the manifest; the second is in S3, and recording goes on",
        log_lines: Some(1),
        ..Scenario::QUIET
    }, files::deleted_under_their_rows;
    files_shorter_than_their_rows => Scenario {
        fault: "a power cut leaves files shorter than their rows say: one before its upload, one after",
        outcome: "the first is `lost` and what is left of it stays on disk; the second is in S3, and its remains are removed",
        log_lines: Some(2),
        ..Scenario::QUIET
    }, files::shorter_than_their_rows;
    a_file_that_vanished_while_it_was_off => Scenario {
        fault: "a file vanishes while the program is off, before its upload",
        outcome: "`lost`, said in the log and counted in /health; the manifest shows a gap",
        ..Scenario::QUIET
    }, |_| crate::crashes::leftovers::a_file_that_vanished_before_its_upload_is_lost_and_said_to_be();
    half_written_and_garbage_files => Scenario {
        fault: "a half-written file, one of garbage and an empty one, none with a row",
        outcome: "the first is adopted as far as it plays and its torn end cut, the second is kept in unplayable/, the third removed",
        ..Scenario::QUIET
    }, |_| crate::crashes::leftovers::a_half_written_file_is_adopted_as_far_as_it_plays_and_garbage_is_kept_aside();
    the_disk_of_the_footage_is_not_mounted => Scenario {
        fault: "the disk of the footage is not mounted at start",
        outcome: "refused with what to do, because footage below the mount point would never be found; no row becomes `lost`",
        ..Scenario::QUIET
    }, |_| crate::crashes::leftovers::a_folder_that_is_not_mounted_is_refused_instead_of_counted_as_lost();
}

/// One camera, recorded as it comes.
fn gate(bucket: &Bucket, camera: &Camera) -> Workspace {
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", camera);
    Workspace::new(&settings, &bucket.server)
}

fn database(workspace: &Workspace) -> PathBuf {
    workspace.path().join("data/segments.db")
}

fn file(workspace: &Workspace, row: &Row) -> PathBuf {
    workspace.path().join(format!("data/segments/{}/segment_{}.ts", row.camera, row.file_epoch))
}

fn stopped(program: &mut Program<'_>) {
    program.sigterm();
    let status = program.wait_exit(LIMIT);
    assert_eq!(status.code(), Some(0), "{:#?}", program.log());
}

/// Warnings and errors.
fn complaints(program: &Program<'_>) -> Vec<String> {
    let complains = |line: &String| [" WARN ", " ERROR "].iter().any(|level| line.contains(level));
    program.log().into_iter().filter(complains).collect()
}

#[track_caller]
fn says_little(program: &Program<'_>, scenario: &Scenario) {
    let lines = complaints(program);
    assert!(lines.len() <= scenario.log_lines.unwrap(), "{lines:#?}");
}

/// Waits until a reason of `/health` holds the scenario's words.
#[track_caller]
fn told(program: &Program<'_>, scenario: &Scenario) {
    let words = scenario.health.unwrap();
    eventually(scenario.told_within(), &format!("/health to say {words:?}"), || {
        let health = program.look("/health").map_err(|error| error.to_string())?;
        if health.contains(words) { Ok(()) } else { Err(health) }
    });
}

/// Waits until `/health` is ok again.
#[track_caller]
fn healed(program: &Program<'_>, scenario: &Scenario) {
    eventually(scenario.heals_within(), "/health to be ok", || {
        let health = program.look("/health").map_err(|error| error.to_string())?;
        if health.contains("\"status\": \"ok\"") { Ok(()) } else { Err(health) }
    });
}

/// `count` segments that were recorded and not uploaded; the program is off.
fn recorded_only(workspace: &Workspace, count: usize) -> Vec<Row> {
    let mut program = Program::start_with(workspace, &["capture"]);
    eventually(LIMIT, "recorded segments", || rows(workspace).len() >= count);
    stopped(&mut program);
    rows(workspace)
}

/// Starts once more, waits until every file has its uploaded row, and compares everything. Returns the rows.
#[track_caller]
fn all_uploaded_by_the_next_start(workspace: &Workspace, bucket: &Bucket) -> Vec<Row> {
    let files = playable_files(workspace);
    let mut program = Program::start(workspace);
    program.wait_for_log(LIMIT, "ready:");
    uploaded(workspace, "gate", files.len());
    stopped(&mut program);
    drop(program);
    let rows = rows(workspace);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(rows.iter().any(|row| row.key.ends_with(&name)), "{name} has no row");
    }
    assert_nothing_lost_or_doubled(workspace, bucket);
    rows
}

/// Files that recovery will adopt: an open segment may hold no frame yet.
fn playable_files(workspace: &Workspace) -> Vec<PathBuf> {
    let whole = |path: &&PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() > 4000);
    workspace.segment_files().iter().filter(whole).filter(|path| is_named(path)).cloned().collect()
}

fn is_named(path: &Path) -> bool {
    !path.components().any(|part| part.as_os_str() == "unplayable")
}
