//! What a crash, or a person, left on disk: files without rows, rows without files, files that do not play. Each is a
//! row of the fault matrix, whose table makes the tests.

use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::{Program, Workspace, eventually};

use super::{file, gate, remove_database, segment_folder, stopped};

/// A workspace with `count` recorded segments, of which none was uploaded: the capturing part alone, killed.
fn recorded_only(workspace: &Workspace, count: usize) {
    let mut program = Program::start_with(workspace, &["capture"]);
    eventually(LIMIT, "recorded segments", || rows(workspace).len() >= count);
    program.kill9();
}

pub fn a_deleted_database_costs_no_segment_and_doubles_none() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let program = Program::start(&workspace);
    let before = uploaded(&workspace, "gate", 3);
    stopped(program);
    recorded_only(&workspace, before.len() + 3);
    let files = workspace.segment_files().len();
    remove_database(&workspace);
    camera.stop();
    let program = Program::start(&workspace);
    let line = program.wait_for_log(LIMIT, "files adopted");
    let adopted = rows(&workspace);
    // an open segment may hold no frame yet
    assert!(adopted.len() + 1 >= files && adopted.len() >= before.len() + 3, "{line}: {adopted:?}");
    uploaded(&workspace, "gate", adopted.len());
    stopped(program);
    for old in &before {
        let row = adopted.iter().find(|row| row.file_epoch == old.file_epoch).unwrap();
        assert_eq!((&row.key, row.bytes), (&old.key, old.bytes));
        assert!((row.duration_s - old.duration_s).abs() < 0.07, "{old:?} → {row:?}");
    }
    assert!(adopted.windows(2).all(|pair| pair[0].file_epoch < pair[1].file_epoch), "{adopted:?}");
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    assert_eq!(bucket.segments().len(), adopted.len());
}

pub fn a_half_written_file_is_adopted_as_far_as_it_plays_and_garbage_is_kept_aside() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    recorded_only(&workspace, 2);
    camera.stop();
    let whole = rows(&workspace).remove(1);
    let bytes = std::fs::read(file(&workspace, &whole)).unwrap();
    let folder = segment_folder(&workspace);
    let epoch = whole.file_epoch;
    let put = |ago: i64, bytes: &[u8]| {
        std::fs::write(folder.join(format!("segment_{}.ts", epoch - ago)), bytes).unwrap()
    };
    // cut inside a packet, as a full disk or a lost page leaves it
    let torn = bytes.len() * 2 / 3 / 188 * 188 + 100;
    put(300, &[&bytes[..torn], &[0; 1000]].concat());
    put(200, b"this is not a transport stream at all".repeat(200).as_slice());
    put(100, b"");
    let program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "files adopted");
    let all = rows(&workspace).len();
    uploaded(&workspace, "gate", all);
    stopped(program);
    let of = |ago: i64| rows(&workspace).into_iter().find(|row| row.file_epoch == epoch - ago);
    let cut = of(300).unwrap();
    assert!(cut.duration_s > 0.5 && cut.duration_s < whole.duration_s, "{cut:?}");
    assert_eq!(cut.bytes as usize, torn.div_ceil(188) * 188, "the zeros behind it are cut");
    assert!(of(200).is_none() && of(100).is_none());
    let aside: Vec<_> =
        workspace.segment_files().into_iter().filter(|path| !path.starts_with(&folder)).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(std::fs::read(&aside[0]).unwrap().starts_with(b"this is not"));
    assert!(!folder.join(format!("segment_{}.ts", epoch - 100)).exists());
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

pub fn a_file_that_vanished_before_its_upload_is_lost_and_said_to_be() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    recorded_only(&workspace, 3);
    camera.stop();
    let recorded = rows(&workspace);
    std::fs::remove_file(file(&workspace, &recorded[1])).unwrap();
    let program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "ERROR [store] lost");
    let all = rows(&workspace).len();
    uploaded(&workspace, "gate", all - 1);
    assert_eq!(rows(&workspace)[1].state, "lost");
    let health = program.health();
    let states = health["cameras"][0]["segments"].as_array().unwrap().clone();
    assert!(states.iter().any(|state| state["state"] == "lost" && state["count"] == 1), "{health}");
    let gone = program.get(&format!("/cameras/gate/segments/segment_{}.ts", recorded[1].file_epoch));
    assert_eq!(gone.status, 410, "{}", gone.text());
    stopped(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    let manifests: Vec<String> =
        bucket.server.keys().into_iter().filter(|key| key.ends_with(".m3u8")).collect();
    let texts: Vec<String> =
        manifests.iter().map(|key| String::from_utf8(bucket.server.object(key).unwrap()).unwrap()).collect();
    assert!(texts.iter().any(|text| text.contains("CLASS=\"gap\"")), "{texts:?}");
    assert!(
        texts.iter().all(|text| !text.contains(&format!("segment_{}.ts", recorded[1].file_epoch))),
        "{texts:?}"
    );
}

pub fn a_folder_that_is_not_mounted_is_refused_instead_of_counted_as_lost() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    recorded_only(&workspace, 1);
    let folder = workspace.path().join("data/segments");
    std::fs::rename(&folder, workspace.path().join("elsewhere")).unwrap();
    let mut program = Program::start(&workspace);
    assert!(!program.wait_exit(LIMIT).success());
    assert!(program.log().iter().any(|line| line.contains("mount its disk")), "{:?}", program.log());
    drop(program);
    assert!(rows(&workspace).iter().all(|row| row.state != "lost"));
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(workspace.path().join("elsewhere"), &folder).unwrap();
    let program = Program::start(&workspace);
    let all = rows(&workspace).len();
    uploaded(&workspace, "gate", all + 1);
    stopped(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
