//! What many reconnects leave in the process: nothing.

use std::collections::BTreeSet;

use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows};
use crate::support::{Program, Settings, Workspace, eventually};

use super::{reconnects, rows_of};

const CAMERAS: [&str; 3] = ["gate", "hall", "yard"];

/// Threads and open files of the program, without tokio's pool: that has as many threads as it had work at once.
fn held(program: &Program<'_>) -> (usize, usize) {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", program.id())).unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    let threads = names.filter(|name| name.trim() != "tokio").count();
    let files = std::fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap().count();
    (threads, files)
}

/// Each camera has a row of a run after its `count`th reconnect.
fn all_record_again(program: &Program<'_>, workspace: &Workspace, count: u64) {
    for name in CAMERAS {
        eventually(LIMIT, &format!("{name} to record again"), || {
            let runs: BTreeSet<i64> = rows_of(workspace, name).iter().map(|row| row.run).collect();
            let (runs, back) = (runs.len() as u64, reconnects(program, name));
            if runs > count && back >= count {
                Ok(())
            } else {
                Err(format!("{runs} runs, {back} reconnects"))
            }
        });
    }
}

#[test]
fn a_dozen_reconnects_leave_no_thread_no_file_and_no_name_behind() {
    let (bucket, cameras) = (Bucket::new(), CAMERAS.map(|_| camera()));
    let mut settings = Settings::new(&bucket.server);
    for (name, camera) in CAMERAS.iter().zip(&cameras) {
        settings.camera(name, camera).for_camera("capture.mode", "passthrough");
    }
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    all_record_again(&program, &workspace, 0);
    let mut first = (0, 0);
    // the backoff doubles from run to run, so the four rounds of three cameras take half a minute less than twelve of one
    for round in 1..=4 {
        for camera in &cameras {
            camera.kick();
        }
        all_record_again(&program, &workspace, round);
        if round == 1 {
            first = held(&program);
        }
    }
    eventually(LIMIT, "threads and files as after the first reconnect", || {
        let now = held(&program);
        // one connection to S3 or from the database may come and go
        if now.0 <= first.0 + 1 && now.1 <= first.1 + 2 {
            Ok(())
        } else {
            Err(format!("{first:?} → {now:?}"))
        }
    });
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    let recorded = rows(&workspace);
    let names: BTreeSet<_> = recorded.iter().map(|row| &row.key).collect();
    assert_eq!(names.len(), recorded.len());
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
