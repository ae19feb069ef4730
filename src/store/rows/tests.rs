//! Runs, names and rows, over a real database.

use super::super::testing::{HOUR, at, bench, cam, stopped};
use super::*;
use crate::config::StorageConfig;
use crate::segment::Prefix;

#[test]
fn sequences_rise_and_each_run_that_recorded_adds_one_discontinuity() {
    let bench = bench();
    let first = bench.run("a");
    let begin = bench.segment("a", first, HOUR);
    let place = |new: Segment| (new.sequence - begin.sequence, new.discontinuity - begin.discontinuity);
    assert_eq!(place(bench.segment("a", first, HOUR + 10)), (1, 0));
    bench.run("a"); // recorded nothing: no break that a viewer could see
    let third = bench.run("a");
    assert_eq!(place(bench.segment("a", third, HOUR + 30)), (2, 1));
    let other = bench.run("b");
    let place = place(bench.segment("b", other, HOUR));
    assert!(place.0 < 2 && place.1 < 2, "cameras count for themselves, from the clock on: {place:?}");
}

#[test]
fn numbers_go_on_after_a_restart_and_keys_keep_the_prefix_they_were_born_with() {
    let bench = bench();
    let run = bench.run("a");
    let old = bench.segment("a", run, HOUR);
    let config: StorageConfig = super::super::testing::config(&bench.dir);
    let prefix = Prefix::new("new/{camera_name}/{date}/{hour}/").unwrap();
    let store = Store::open(&config, &prefix).unwrap();
    let run = store.begin_run(&cam("a"), at(HOUR + 60)).unwrap();
    let new = NewSegment {
        camera: cam("a"),
        run,
        start: at(HOUR + 60),
        time_source: crate::segment::TimeSource::Arrival,
        duration: old.duration,
        bytes: old.bytes,
        md5: old.md5,
        sha256: old.sha256,
        file: FileName::new(HOUR + 60),
    };
    let new = store.insert(&new).unwrap();
    assert_eq!((new.sequence, new.discontinuity), (old.sequence + 1, old.discontinuity + 1));
    assert_eq!(new.key, "new/a/2025/11/23/13/segment_1763902860.ts");
    assert_eq!(bench.again(&old).key, "cameras/a/2025/11/23/13/segment_1763902800.ts");
}

#[test]
fn a_row_reads_back_as_it_was_added() {
    let bench = bench();
    let run = bench.run("a");
    let added = bench.segment("a", run, HOUR);
    assert_eq!(bench.again(&added), added);
    assert_eq!(bench.store.find(&cam("a"), FileName::new(HOUR + 1)).unwrap(), None);
    assert_eq!(bench.store.find(&cam("b"), FileName::new(HOUR)).unwrap(), None);
}

#[test]
fn a_free_name_is_one_that_no_row_and_no_file_has() {
    let bench = bench();
    let run = bench.run("a");
    for epoch in [HOUR, HOUR + 1, HOUR + 3] {
        bench.segment("a", run, epoch);
    }
    bench.orphan("a", HOUR + 4, b"open");
    let free = |wanted| bench.store.free_name(&cam("a"), FileName::new(wanted)).unwrap().epoch_seconds();
    assert_eq!(free(HOUR - 5), HOUR - 5);
    assert_eq!(free(HOUR), HOUR + 2);
    assert_eq!(free(HOUR + 3), HOUR + 5, "a row, then a file");
    assert_eq!(free(HOUR + 100), HOUR + 100);
    let other = bench.store.free_name(&cam("b"), FileName::new(HOUR)).unwrap();
    assert_eq!(other.epoch_seconds(), HOUR, "another camera, another folder");
}

#[test]
fn a_name_stays_taken_when_its_file_is_long_gone() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.uploaded("a", run, HOUR);
    bench.store.retain(at(HOUR + 10_000)).unwrap();
    assert_eq!(bench.state(&segment), State::Cleaned);
    assert!(!bench.store.path(&segment).exists());
    let free = bench.store.free_name(&cam("a"), segment.file).unwrap();
    assert_eq!(free, segment.file.next());
    let error = bench.store.insert(&NewSegment {
        camera: cam("a"),
        run,
        start: segment.start,
        time_source: crate::segment::TimeSource::Arrival,
        duration: segment.duration,
        bytes: 1,
        md5: [0; 16],
        sha256: [0; 32],
        file: segment.file,
    });
    assert_eq!(error.unwrap_err().kind(), Kind::Data);
}

#[test]
fn the_live_window_lists_files_only_and_never_goes_back() {
    let bench = bench();
    let run = bench.run("a");
    let segments: Vec<_> = (0..5).map(|n| bench.segment("a", run, HOUR + n * 10)).collect();
    bench.store.finish_lost(segments[4].id, "gone").unwrap();
    let window = |limit| {
        let newest = bench.store.newest(&cam("a"), limit).unwrap();
        newest.iter().map(|segment| segment.sequence - segments[0].sequence).collect::<Vec<_>>()
    };
    assert_eq!(window(3), [2, 3]);
    assert_eq!(window(99), [0, 1, 2, 3]);
    bench.store.finish_lost(segments[3].id, "gone").unwrap();
    assert_eq!(window(3), [2]);
}

#[test]
fn the_first_end_of_a_run_stands() {
    let bench = bench();
    let run = bench.run("a");
    assert_eq!(bench.store.run_end(run), (None, None));
    bench.store.end_run(run, at(HOUR + 5), &stopped("connection lost")).unwrap();
    bench.store.end_run(run, at(HOUR + 9), &stopped("stopped")).unwrap();
    assert_eq!(bench.store.run_end(run), (Some(at(HOUR + 5)), Some("connection lost".into())));
    assert!(bench.store.end_run(RunId(99), at(HOUR), &stopped("x")).is_err());
}

#[test]
fn rows_cannot_be_deleted_even_by_hand() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    let deleted = bench.store.write("delete", |tx| tx.execute("DELETE FROM segments", []).sql(|| "delete"));
    assert!(deleted.unwrap_err().to_string().contains("must stay taken"));
    bench.again(&segment);
}

#[test]
fn a_camera_without_rows_counts_from_the_clock_so_that_a_lost_database_lets_no_number_fall() {
    let at_2026 = Timestamp::from_seconds(1_577_836_800 + 190_000_000);
    let name = FileName::new(at_2026.epoch_seconds() - 600);
    assert_eq!(floor(at_2026, name, 0), 190_000_000);
    assert_eq!(floor(at_2026, name, 179), 190_000_000 - 179, "the last one adopted has the clock's number");
    assert_eq!(floor(Timestamp::from_seconds(60), name, 0), 190_000_000 - 600, "no clock: the file's name");
    assert_eq!(floor(Timestamp::from_seconds(60), FileName::new(60), 5), 0);
}
