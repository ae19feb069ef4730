//! Retention over real rows and files; the rules themselves are tested in `plan`.

use super::super::testing::{Bench, HOUR, at, bench, bench_with, cam};
use super::*;

/// Every test file is this long: "a 1763902800".
const SIZE: u64 = 12;

fn tight(max_files: u64) -> Bench {
    bench_with(|config| config.max_size_bytes = Some(max_files * SIZE))
}

fn epochs(retained: &Retained) -> Vec<i64> {
    retained.dropped.iter().map(|(_, file)| file.epoch_seconds() - HOUR).collect()
}

#[test]
fn the_buffer_keeps_what_is_young_and_what_is_not_uploaded() {
    let bench = bench();
    let run = bench.run("a");
    let old = bench.uploaded("a", run, HOUR);
    let young = bench.uploaded("a", run, HOUR + 1000);
    let waiting = bench.segment("a", run, HOUR + 10);
    // its last frame was at HOUR + 10, the buffer lasts 1800 s
    assert_eq!(bench.store.retain(at(HOUR + 1809)).unwrap(), Retained::default());
    let retained = bench.store.retain(at(HOUR + 1810)).unwrap();
    assert_eq!(retained, Retained { cleaned: 1, ..Retained::default() });
    assert!(!bench.store.path(&old).exists());
    assert_eq!(bench.state(&old), State::Cleaned);
    for kept in [&young, &waiting] {
        assert!(bench.store.path(kept).exists());
    }
    assert_eq!(bench.store.verify().unwrap(), [""; 0]);
}

#[test]
fn the_quota_takes_uploaded_files_first_then_the_oldest_that_wait() {
    let bench = tight(2);
    let run = bench.run("a");
    let waiting: Vec<_> = (0..3).map(|n| bench.segment("a", run, HOUR + n)).collect();
    let uploading = bench.segment("a", run, HOUR - 10);
    bench.store.begin_upload(uploading.id).unwrap();
    let uploaded = bench.uploaded("a", run, HOUR + 100);
    let retained = bench.store.retain(at(HOUR + 101)).unwrap();
    assert_eq!((retained.cleaned, retained.cleaned_early), (0, 1));
    assert_eq!(epochs(&retained), [0, 1]);
    assert_eq!(retained.dropped_bytes, 2 * SIZE);
    assert!(!retained.still_short);
    assert_eq!(bench.state(&uploaded), State::Cleaned);
    assert_eq!(bench.state(&uploading), State::Uploading, "its file is being read");
    assert_eq!(bench.state(&waiting[2]), State::Created);
    assert!(!bench.store.path(&waiting[0]).exists());
    assert_eq!(bench.store.verify().unwrap(), [""; 0]);
}

#[test]
fn failed_files_count_as_waiting() {
    let bench = tight(1);
    let run = bench.run("a");
    bench.segment("a", run, HOUR + 10);
    let failed = bench.segment("a", run, HOUR);
    bench.store.begin_upload(failed.id).unwrap();
    bench.store.finish_failed(failed.id, "refused").unwrap();
    assert_eq!(epochs(&bench.store.retain(at(HOUR)).unwrap()), [0]);
    assert_eq!(bench.state(&failed), State::Dropped);
}

#[test]
fn a_backlog_longer_than_one_round_is_worked_off_in_order() {
    let bench = tight(1);
    let run = bench.run("a");
    let waiting = i64::try_from(BATCH).unwrap() + 20;
    for n in 0..waiting {
        bench.segment("a", run, HOUR + n);
    }
    bench.uploaded("a", run, HOUR + 10_000);
    let retained = bench.store.retain(at(HOUR + 10_001)).unwrap();
    assert_eq!(retained.cleaned_early, 1);
    assert_eq!(epochs(&retained), (0..waiting - 1).collect::<Vec<_>>());
    assert_eq!(bench.store.newest(&cam("a"), 9).unwrap().len(), 1);
}

#[test]
fn a_limit_that_no_sacrifice_can_reach_costs_no_footage_and_is_said() {
    let bench = bench_with(|config| config.min_free_bytes = u64::MAX);
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    let retained = bench.store.retain(at(HOUR)).unwrap();
    assert_eq!(epochs(&retained), [] as [i64; 0]);
    assert!(retained.still_short);
    assert_eq!(bench.state(&segment), State::Created);
    assert!(bench.store.retain(at(HOUR)).unwrap().still_short);
}

#[test]
fn a_file_that_is_gone_already_does_not_stop_the_others() {
    let bench = bench();
    let run = bench.run("a");
    let (first, second) = (bench.uploaded("a", run, HOUR), bench.uploaded("a", run, HOUR + 10));
    std::fs::remove_file(bench.store.path(&first)).unwrap();
    assert_eq!(bench.store.retain(at(HOUR + 9000)).unwrap().cleaned, 2);
    assert!(!bench.store.path(&second).exists());
}

#[test]
fn no_file_goes_while_its_row_cannot_be_written() {
    let bench = tight(0);
    let run = bench.run("a");
    let (uploaded, waiting) = (bench.uploaded("a", run, HOUR), bench.segment("a", run, HOUR + 10));
    bench.sql(
        "CREATE TRIGGER broken BEFORE UPDATE OF state ON segments BEGIN SELECT RAISE(ABORT, 'broken'); END",
    );
    assert!(bench.store.retain(at(HOUR + 9000)).is_err());
    for segment in [&uploaded, &waiting] {
        assert!(bench.store.path(segment).exists());
    }
}

#[test]
fn a_file_that_cannot_be_removed_leaves_its_row_given_up_for_the_next_start() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.uploaded("a", run, HOUR);
    // a folder in its place: unlink refuses it, for root, too
    let path = bench.store.path(&segment);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(bench.store.retain(at(HOUR + 9000)).unwrap().cleaned, 1);
    assert_eq!(bench.state(&segment), State::Cleaned);
}
