//! Folders that cannot be written and disks that are full.
//!
//! Tests may run as root, whom no permission stops: what cannot be written here is below a file, or in a real
//! small disk that only the program sees (a mount namespace of its own).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ends_with, errors, says, unanswered};
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded};
use crate::support::{Program, Settings, Workspace, eventually};

#[test]
fn a_folder_that_cannot_be_created_is_named_with_its_key() {
    let bucket = Bucket::new();
    for (key, path) in [
        ("storage.segments_dir", "config.toml/segments"),
        ("storage.segments_dir", "/proc/segments"),
        ("storage.database", "config.toml/segments.db"),
        ("logging.file", "config.toml/pipeline.log"),
    ] {
        let mut settings = unanswered(&bucket.server);
        settings.set(key, path);
        let workspace = Workspace::new(&settings, &bucket.server);
        let folder = Path::new(path).parent().unwrap().to_str().unwrap();
        says(&ends_with(&workspace, &["run"], 1), &[key, folder]);
    }
}

#[test]
fn one_cameras_folder_that_cannot_be_written_stops_that_camera_alone_and_heals() {
    let (bucket, gate, yard) = (Bucket::new(), camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &gate).camera("yard", &yard);
    let workspace = Workspace::new(&settings, &bucket.server);
    let obstacle = workspace.path().join("data/segments/yard");
    fs::create_dir_all(obstacle.parent().unwrap()).unwrap();
    fs::write(&obstacle, "a file where the folder should be").unwrap();
    let mut program = Program::start(&workspace);
    let waiting = camera_state(&program, "yard", "waiting");
    says(waiting["reason"].as_str().unwrap(), &["segment folder cannot be written", "segments/yard"]);
    uploaded(&workspace, "gate", 2);
    assert_eq!(program.health()["status"], "degraded");
    fs::remove_file(&obstacle).unwrap();
    uploaded(&workspace, "yard", 1);
    assert_eq!(program.health()["status"], "ok");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let errors = errors(&program.log());
    assert_eq!(errors.len(), 1, "{errors:#?}");
    says(&errors[0], &["[yard]", "segment folder cannot be written"]);
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

/// The program with a real disk of 1 MB under `data/segments`, full to the last byte after `prepare`. The mount is
/// the program's own and goes with it.
fn on_a_full_disk(workspace: &Workspace, prepare: &str) -> Command {
    fs::create_dir_all(workspace.path().join("data/segments")).unwrap();
    let inner = workspace.command(&["run"]);
    let script = format!(
        "mount --make-rprivate / 2>/dev/null\nmount -t tmpfs -o size=1m none data/segments || exit 99\n{prepare}\n\
         head -c 2000000 /dev/zero > data/segments/filler 2>/dev/null\nexec \"$0\" \"$@\""
    );
    let mut outer = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        outer.args(["--user", "--map-root-user"]);
    }
    // the script makes its mounts private by itself: below a plain folder, as in a chroot, unshare cannot
    outer
        .args(["--mount", "--propagation", "unchanged", "sh", "-c", &script])
        .arg(inner.get_program())
        .args(inner.get_args());
    outer.current_dir(workspace.path()).env_clear();
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer
}

/// Where this process sees a file of the program's own mount.
fn through_the_program(program: &Program<'_>, workspace: &Workspace, path: &str) -> PathBuf {
    let inside = workspace.path().join(path);
    Path::new("/proc").join(program.id().to_string()).join("root").join(inside.strip_prefix("/").unwrap())
}

const MAY_NOT_MOUNT: &str =
    "a test mounts a small disk with unshare(1) of util-linux: run it as root, or allow user namespaces";

#[test]
fn a_disk_that_is_full_at_the_first_start_ends_it_with_what_to_do() {
    let bucket = Bucket::new();
    let mut settings = unanswered(&bucket.server);
    settings.set("storage.min_free_mb", 0);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start_command(&workspace, on_a_full_disk(&workspace, ""));
    let code = program.wait_exit(LIMIT).code();
    assert_ne!(code, Some(99), "{MAY_NOT_MOUNT}");
    assert_eq!(code, Some(1), "{:#?}", program.log());
    let errors = errors(&program.log());
    assert_eq!(errors.len(), 1, "{:#?}", program.log());
    says(&errors[0], &["data/segments", "No space left", "free space"]);
}

#[test]
fn a_recorder_on_a_full_disk_says_so_and_records_as_soon_as_there_is_space() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("storage.min_free_mb", 0).set("storage.local_buffer_minutes", 0);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    // not its first start: the folder is marked as the right one
    let command = on_a_full_disk(&workspace, "echo marked > data/segments/.cctv-s3-pipeline");
    let mut program = Program::start_command(&workspace, command);
    assert!(program.is_running(), "{MAY_NOT_MOUNT}");
    let waiting = camera_state(&program, "gate", "waiting");
    says(waiting["reason"].as_str().unwrap(), &["segment folder cannot be written", "No space left"]);
    eventually(LIMIT, "/health to be down", || program.get("/health").status == 503);
    assert!(!errors(&program.log()).is_empty());
    fs::remove_file(through_the_program(&program, &workspace, "data/segments/filler")).unwrap();
    eventually(LIMIT, "segments in S3", || bucket.segments().len() >= 2);
    eventually(LIMIT, "/health to be ok", || {
        let health = program.health();
        if health["status"] == "ok" { Ok(()) } else { Err(health.to_string()) }
    });
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    for row in rows(&workspace) {
        assert!(["uploaded", "cleaned"].contains(&row.state.as_str()), "{row:?}");
        assert_eq!(bucket.server.object(&row.key).unwrap().len() as i64, row.bytes);
    }
}

#[test]
fn more_free_space_wanted_than_the_disk_has_is_said_in_health() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("storage.min_free_mb", 100_000_000);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let health = eventually(LIMIT, "/health to tell of the disk while it records", || {
        let health = program.health();
        let told = health["storage"]["reason"].is_string() && health["cameras"][0]["state"] == "recording";
        if told { Ok(health) } else { Err(health.to_string()) }
    });
    assert_eq!(health["status"], "degraded");
    says(
        health["storage"]["reason"].as_str().unwrap(),
        &["disk is too full", "free space", "storage.min_free_mb"],
    );
    let cleaned = workspace.run(&["clean"]);
    assert_eq!(cleaned.status.code(), Some(1));
    says(&String::from_utf8_lossy(&cleaned.stdout), &["too full", "storage.min_free_mb"]);
}
