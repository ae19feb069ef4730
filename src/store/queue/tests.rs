//! Every move of a segment's life, and every move that it does not know.

use super::super::testing::{Bench, HOUR, at, bench, cam};
use super::UploadOrder::{NewestFirst, OldestFirst};
use super::*;

fn due(bench: &Bench, now: i64) -> Vec<i64> {
    let due = bench.store.next_uploads(at(now), OldestFirst, 10).unwrap();
    due.iter().map(|segment| segment.file.epoch_seconds() - HOUR).collect()
}

#[test]
fn the_oldest_start_goes_first_over_all_cameras() {
    let bench = bench();
    let (a, b) = (bench.run("a"), bench.run("b"));
    bench.segment("a", a, HOUR + 20);
    bench.segment("b", b, HOUR + 10);
    bench.segment("a", a, HOUR + 30);
    assert_eq!(due(&bench, HOUR), [10, 20, 30]);
    assert_eq!(bench.store.next_uploads(at(HOUR), OldestFirst, 2).unwrap().len(), 2);
}

#[test]
fn the_newest_start_goes_first_where_that_is_wanted() {
    let bench = bench();
    let (a, b) = (bench.run("a"), bench.run("b"));
    bench.segment("a", a, HOUR + 20);
    bench.segment("b", b, HOUR + 10);
    bench.segment("a", a, HOUR + 30);
    let newest = bench.store.next_uploads(at(HOUR), NewestFirst, 2).unwrap();
    assert_eq!(newest.iter().map(|row| row.start).collect::<Vec<_>>(), [at(HOUR + 30), at(HOUR + 20)]);
}

#[test]
fn a_pick_reads_the_index_from_its_end_and_sorts_nothing() {
    let bench = bench();
    for order in [OldestFirst, NewestFirst] {
        let plan = bench.store.read(|connection| {
            let sql = format!("EXPLAIN QUERY PLAN {}", next_sql(order));
            let mut statement = connection.prepare(&sql).unwrap();
            let rows = statement.query_map([0, 0, 1], |row| row.get(3)).unwrap();
            Ok(rows.map(|row| row.unwrap()).collect::<Vec<String>>())
        });
        let of_queue = ["SCAN segments USING INDEX segments_queue"];
        let of_md5 = ["CORRELATED SCALAR SUBQUERY 1", "SEARCH md5s USING INTEGER PRIMARY KEY (rowid=?)"];
        assert_eq!(plan.unwrap(), [&of_queue[..], &of_md5[..]].concat(), "{order:?}");
    }
}

#[test]
fn a_pick_takes_as_many_steps_from_a_thousand_rows_as_from_ten() {
    use rusqlite::StatementStatus::{Sort, VmStep};
    let bench = bench();
    let run = bench.run("a");
    let steps = |order| {
        let counted = bench.store.read(|connection| {
            let mut statement = connection.prepare(&next_sql(order)).unwrap();
            let picked =
                statement.query_map([at(HOUR).as_millis(), i64::MAX, 4], |_| Ok(())).unwrap().count();
            assert_eq!((picked, statement.get_status(Sort)), (4, 0));
            Ok(statement.get_status(VmStep))
        });
        counted.unwrap()
    };
    (0..10).for_each(|n| drop(bench.segment("a", run, HOUR + n * 10)));
    let few = [steps(OldestFirst), steps(NewestFirst)];
    let copy = "WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
                INSERT INTO segments (camera, run, sequence, discontinuity, start_ms, duration_us, bytes, sha256, \
                file_epoch, state, created_at) SELECT camera, run, sequence + i, 0, start_ms + i * 10000, \
                duration_us, bytes, sha256, file_epoch + i * 10, 'created', 0 FROM segments, n \
                WHERE id = 1";
    bench.sql(copy);
    bench.sql("INSERT OR IGNORE INTO md5s (segment, md5) SELECT id, zeroblob(16) FROM segments");
    assert_eq!([steps(OldestFirst), steps(NewestFirst)], few);
}

#[test]
fn a_retry_waits_until_it_is_due() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    bench.store.begin_upload(segment.id).unwrap();
    assert_eq!(due(&bench, HOUR + 1000), [0; 0], "nobody else may take it");
    bench.store.finish_retry(segment.id, at(HOUR + 60), true, false, "400").unwrap();
    assert_eq!(due(&bench, HOUR + 59), [0; 0]);
    assert_eq!(due(&bench, HOUR + 60), [0]);
    let row = bench.again(&segment);
    assert_eq!((row.attempts, row.doubtful, row.last_error.as_deref()), (1, false, Some("400")));
}

#[test]
fn a_wait_written_under_a_clock_that_ran_ahead_is_not_waited_out() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    bench.store.begin_upload(segment.id).unwrap();
    let a_year_on = HOUR + 365 * 24 * 3600;
    bench.store.finish_retry(segment.id, at(a_year_on + 600), true, false, "400").unwrap();
    assert_eq!(due(&bench, a_year_on), [0; 0], "ten minutes are a wait like any other");
    assert_eq!(due(&bench, HOUR), [0]);
}

#[test]
fn doubt_begins_with_the_attempt_and_ends_with_its_known_end() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    bench.store.begin_upload(segment.id).unwrap();
    assert!(bench.again(&segment).doubtful);
    bench.store.finish_retry(segment.id, at(HOUR), false, true, "timeout").unwrap();
    let row = bench.again(&segment);
    assert!(row.doubtful);
    assert_eq!(row.attempts, 0, "the link is to blame");
    bench.store.begin_upload(segment.id).unwrap();
    bench.store.finish_uploaded(segment.id, at(HOUR + 9)).unwrap();
    let row = bench.again(&segment);
    assert_eq!((row.state, row.doubtful, row.last_error), (State::Uploaded, false, None));
}

#[test]
fn what_a_dead_uploader_left_is_due_at_once_and_doubtful() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    bench.store.begin_upload(segment.id).unwrap();
    assert_eq!(bench.store.recover_uploads().unwrap(), 1);
    assert_eq!(due(&bench, 0), [0]);
    assert!(bench.again(&segment).doubtful);
    assert_eq!(bench.store.recover_uploads().unwrap(), 0);
}

#[test]
fn failed_rows_wait_for_a_person_who_may_choose_a_camera() {
    let bench = bench();
    for camera in ["a", "b"] {
        let run = bench.run(camera);
        let segment = bench.segment(camera, run, HOUR);
        bench.store.begin_upload(segment.id).unwrap();
        bench.store.finish_failed(segment.id, &"x".repeat(9000)).unwrap();
        let row = bench.again(&segment);
        assert_eq!((row.state, row.attempts), (State::Failed, 1));
        assert_eq!(row.last_error.unwrap().len(), MAX_ERROR_CHARS);
    }
    assert_eq!(due(&bench, i64::MAX / 1000), [0; 0]);
    assert_eq!(bench.store.retry_failed(Some(&cam("b"))).unwrap(), 1);
    assert_eq!(bench.store.next_uploads(at(HOUR), OldestFirst, 9).unwrap()[0].attempts, 0);
    assert_eq!(bench.store.retry_failed(None).unwrap(), 1);
}

#[test]
fn moves_that_the_life_of_a_segment_does_not_know_are_refused() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    let refused = |result: Result<()>| assert_eq!(result.unwrap_err().kind(), Kind::Data);
    refused(bench.store.finish_uploaded(segment.id, at(HOUR)));
    refused(bench.store.finish_retry(segment.id, at(HOUR), true, true, "x"));
    refused(bench.store.finish_failed(segment.id, "x"));
    bench.store.begin_upload(segment.id).unwrap();
    refused(bench.store.begin_upload(segment.id));
    bench.store.finish_uploaded(segment.id, at(HOUR)).unwrap();
    refused(bench.store.begin_upload(segment.id));
    refused(bench.store.finish_lost(segment.id, "x"));
    assert_eq!(bench.state(&segment), State::Uploaded);
    let unknown = bench.store.finish_uploaded(SegmentId(99), at(HOUR)).unwrap_err();
    assert_eq!(unknown.kind(), Kind::Internal);
}

#[test]
fn the_end_of_an_attempt_does_not_revive_a_row_that_was_given_up() {
    let bench = bench();
    let run = bench.run("a");
    for (epoch, state) in [(HOUR, State::Dropped), (HOUR + 10, State::Lost)] {
        let segment = bench.segment("a", run, epoch);
        bench.sql(&format!("UPDATE segments SET state = '{}' WHERE id = {}", state.as_str(), segment.id.0));
        assert!(bench.store.begin_upload(segment.id).is_err());
        bench.store.finish_uploaded(segment.id, at(HOUR)).unwrap();
        bench.store.finish_retry(segment.id, at(HOUR), true, true, "x").unwrap();
        bench.store.finish_failed(segment.id, "x").unwrap();
        bench.store.finish_lost(segment.id, "x").unwrap();
        assert_eq!(bench.state(&segment), state);
    }
}

#[test]
fn an_unplugged_disk_loses_no_segment() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    let folder = bench.dir.path().join("segments");
    std::fs::rename(&folder, bench.dir.path().join("unplugged")).unwrap();
    let error = bench.store.finish_lost(segment.id, "the file is gone").unwrap_err();
    assert_eq!(error.kind(), Kind::Disk);
    assert_eq!(bench.state(&segment), State::Created);
}

#[tokio::test]
async fn async_callers_get_the_answer_and_a_panic_is_an_error() {
    let bench = bench();
    let run = bench.store.call(|store| store.begin_run(&cam("a"), at(HOUR))).await.unwrap();
    assert_eq!(run.0, 1);
    let panicked: Result<()> = bench.store.call(|_| panic!("a bug")).await;
    assert_eq!(panicked.unwrap_err().kind(), Kind::Internal);
}

#[test]
fn of_two_processes_only_one_gets_a_row() {
    let bench = bench();
    let run = bench.run("a");
    let ids: Vec<_> = (0..20).map(|n| bench.segment("a", run, HOUR + n * 10).id).collect();
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let store = bench.reopen();
                let ids = &ids;
                scope.spawn(move || ids.iter().filter(|id| store.begin_upload(**id).is_ok()).count())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(won, ids.len());
}
