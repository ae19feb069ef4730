//! The database is locked, cannot be written, is damaged or vanishes: footage is recorded all the same.
//!
//! Tests may run as root, whom no permission stops: what cannot be written here is a read-only mount in a namespace of
//! the program's own.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use super::{
    all_uploaded_by_the_next_start, complaints, database, gate, healed, playable_files, recorded_only,
    says_little, stopped, told,
};
use crate::playlists::Viewer;
use crate::reliability::table::Scenario;
use crate::scene::{Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::{Program, Workspace, eventually};

/// The database to ourselves until it is dropped: nobody else can even read.
fn to_ourselves(workspace: &Workspace) -> Connection {
    let locker = Connection::open(database(workspace)).unwrap();
    locker.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT").unwrap();
    locker
}

fn records_on(workspace: &Workspace) {
    let had = workspace.segment_files().len();
    eventually(LIMIT, "more files", || workspace.segment_files().len() >= had + 3);
}

/// All files have uploaded rows in the end, without another start.
fn comes_in_by_itself(workspace: &Workspace, program: &mut Program<'_>, bucket: &Bucket) {
    let files = playable_files(workspace);
    eventually(LIMIT, "every file's row", || {
        let rows = rows(workspace);
        let missing: Vec<_> = files
            .iter()
            .filter(|file| {
                let name = file.file_name().unwrap().to_str().unwrap();
                !rows.iter().any(|row| row.key.ends_with(name) && row.state == "uploaded")
            })
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} of {}", files.len())) }
    });
    stopped(program);
    assert_nothing_lost_or_doubled(workspace, bucket);
}

pub fn locked_while_it_records(scenario: &Scenario) {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let locker = Connection::open(database(&workspace)).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    told(&program, scenario);
    records_on(&workspace);
    // a new run, whose number the database cannot give
    camera.stop();
    program.wait_for_log(LIMIT, "next attempt");
    camera.start_again().unwrap();
    records_on(&workspace);
    locker.execute_batch("ROLLBACK").unwrap();
    healed(&program, scenario);
    comes_in_by_itself(&workspace, &mut program, &bucket);
    let runs: std::collections::BTreeSet<i64> = rows(&workspace).iter().map(|row| row.run).collect();
    assert!(runs.len() >= 2 && runs.iter().all(|run| *run > 0), "{runs:?}");
    says_little(&program, scenario);
}

pub fn locked_when_it_starts(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    recorded_only(&workspace, 1);
    let locker = to_ourselves(&workspace);
    let mut program = Program::start(&workspace);
    told(&program, scenario);
    records_on(&workspace);
    drop(locker);
    healed(&program, scenario);
    comes_in_by_itself(&workspace, &mut program, &bucket);
}

pub fn read_only(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    recorded_only(&workspace, 1);
    let mut program = Program::start_command(&workspace, with_the_database_read_only(&workspace));
    told(&program, scenario);
    records_on(&workspace);
    in_the_mounts_of(&program, &["umount", "-l", "data/segments.db"], workspace.path());
    healed(&program, scenario);
    comes_in_by_itself(&workspace, &mut program, &bucket);
}

/// The program in a mount namespace where the database is mounted onto itself, read-only.
fn with_the_database_read_only(workspace: &Workspace) -> Command {
    let inner = workspace.command(&["run"]);
    // in one call: a remount would look the place up in a table that a chroot has under other names
    let script = "mount --make-rprivate / 2>/dev/null\n\
                  mount -o bind,ro data/segments.db data/segments.db || exit 99\nexec \"$0\" \"$@\"";
    let mut outer = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        outer.args(["--user", "--map-root-user"]);
    }
    outer
        .args(["--mount", "--propagation", "unchanged", "sh", "-c", script])
        .arg(inner.get_program())
        .args(inner.get_args());
    outer.current_dir(workspace.path()).env_clear();
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer
}

/// Runs a command where it sees what the program sees.
fn in_the_mounts_of(program: &Program<'_>, command: &[&str], folder: &Path) {
    let mut outer = Command::new("nsenter");
    if !rustix::process::geteuid().is_root() {
        outer.args(["--user", "--preserve-credentials"]);
    }
    let entered = outer
        // its root too: in a chroot the namespace's own is another
        .args(["--mount", "--root", "--target", &program.id().to_string()])
        .args(["sh", "-c", "cd \"$0\" && exec \"$@\""])
        .arg(folder)
        .args(command)
        .status()
        .unwrap_or_else(|error| panic!("nsenter does not run ({error}): sudo apt-get install util-linux"));
    assert!(entered.success(), "{command:?}: run the tests as root, or allow user namespaces");
}

/// Four uploaded and some un-uploaded segments; the program is off.
fn recorded(workspace: &Workspace, viewer: &mut Viewer) -> Vec<Row> {
    let mut program = Program::start(workspace);
    uploaded(workspace, "gate", 2);
    viewer.look(&program).unwrap();
    stopped(&mut program);
    drop(program);
    let had = rows(workspace).len();
    recorded_only(workspace, had + 2)
}

/// Random-looking bytes over everything from `from` on.
fn spoil(path: &Path, from: u64) {
    let Ok(file) = File::options().write(true).open(path) else { return };
    let length = file.metadata().unwrap().len().saturating_sub(from);
    let garbage: Vec<u8> = (0..length).map(|n| (n * 37 + n / 251 + 11) as u8).collect();
    file.write_all_at(&garbage, from).unwrap();
}

fn moved_aside(workspace: &Workspace) -> usize {
    let names = fs::read_dir(workspace.path().join("data")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names
        .iter()
        .filter(|name| name.contains(".corrupt-") && !name.ends_with("-wal") && !name.ends_with("-shm"))
        .count()
}

fn damaged_at_start(scenario: &Scenario, from: u64) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut viewer = Viewer::new("/cameras/gate/recent.m3u8");
    let before = recorded(&workspace, &mut viewer);
    spoil(&database(&workspace), from);
    let checked = workspace.run(&["check", "store"]);
    assert_eq!(checked.status.code(), Some(1), "{}", String::from_utf8_lossy(&checked.stdout));
    assert_eq!(moved_aside(&workspace), 0, "whoever only looks moves nothing");

    let mut program = Program::start(&workspace);
    told(&program, scenario);
    assert_eq!(moved_aside(&workspace), 1);
    uploaded(&workspace, "gate", before.len() + 1);
    // the same addresses have higher numbers now, so this is another viewer
    let mut after = Viewer::new("/cameras/gate/recent.m3u8");
    after.look(&program).unwrap();
    assert!(after.newest() > viewer.newest() && after.discontinuity() >= viewer.discontinuity());
    assert!(complaints(&program).iter().any(|line| line.contains("ERROR") && line.contains("lies at")));
    comes_in_by_itself(&workspace, &mut program, &bucket);
    let after = rows(&workspace);
    let newest = before.iter().map(|row| (row.sequence, row.discontinuity)).max().unwrap();
    for old in &before {
        let now = after.iter().find(|row| row.key == old.key).unwrap();
        assert_eq!((now.bytes, now.file_epoch), (old.bytes, old.file_epoch));
    }
    let last = after.last().unwrap();
    // discontinuities count from the hours: players keep an array of them
    assert!(last.sequence > newest.0 && last.discontinuity >= newest.1, "{last:?} after {newest:?}");
}

pub fn garbage_in_the_header(scenario: &Scenario) {
    damaged_at_start(scenario, 0);
}

pub fn garbage_in_the_middle(scenario: &Scenario) {
    damaged_at_start(scenario, 4096);
}

pub fn garbage_while_it_records(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    recorded(&workspace, &mut Viewer::new("/cameras/gate/recent.m3u8"));
    let mut program = Program::start(&workspace);
    let had = rows(&workspace).len();
    uploaded(&workspace, "gate", had + 1);
    let database = database(&workspace);
    spoil(&database.with_file_name("segments.db-wal"), 0);
    spoil(&database, 4096);
    // SQLite trusts what it has in memory until another process writes
    let index = File::options().write(true).open(database.with_file_name("segments.db-shm")).unwrap();
    index.write_all_at(&[0; 136], 0).unwrap();
    told(&program, scenario);
    records_on(&workspace);
    assert_eq!(moved_aside(&workspace), 1);
    comes_in_by_itself(&workspace, &mut program, &bucket);
}

pub fn deleted_while_it_records(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(workspace.path().join(format!("data/segments.db{suffix}"))).unwrap();
    }
    program.wait_for_log(scenario.heals_within(), "was removed or replaced while in use");
    eventually(scenario.heals_within(), "rows of the new database", || rows(&workspace).len() >= 3);
    healed(&program, scenario);
    records_on(&workspace);
    comes_in_by_itself(&workspace, &mut program, &bucket);
    drop(program);
    all_uploaded_by_the_next_start(&workspace, &bucket);
}
