//! A camera's time while it is recorded, while it is away, and after the program ended.

use std::time::Duration;

use super::super::testing::{Bench, HOUR, at, bench, cam, stopped};
use super::*;
use crate::segment::State;
use crate::segment::coverage::What;

/// From the hour on to `now`, as words with the second at which each tile ends.
#[track_caller]
fn told(bench: &Bench, now: i64) -> Vec<String> {
    told_from(bench, 0, now)
}

#[track_caller]
fn told_from(bench: &Bench, from: i64, now: i64) -> Vec<String> {
    let day = (at(HOUR + from), at(HOUR + from + 86_400));
    let tiles = bench.store.coverage(&cam("a"), day.0, day.1, at(HOUR + now)).unwrap();
    let total: Duration = tiles.iter().map(Tile::length).sum();
    assert_eq!(total.as_secs(), u64::try_from(now - from).unwrap(), "{tiles:?}");
    let word = |tile: Tile| {
        let end = tile.end.epoch_seconds() - HOUR;
        match tile.what {
            What::Gap(gap) => format!("{} {end}", gap.cause.as_str()),
            What::Missing(state) => format!("{} {end}", state.as_str()),
            other => format!("{other:?} {end}").to_lowercase(),
        }
    };
    tiles.into_iter().map(word).collect()
}

fn note(bench: &Bench, state: CameraState, now: i64) {
    bench.store.set_camera_state(&cam("a"), state, None, at(HOUR + now)).unwrap();
}

fn begin(bench: &Bench, seconds: i64) -> RunId {
    bench.store.begin_run(&cam("a"), at(HOUR + seconds)).unwrap()
}

fn end(bench: &Bench, run: RunId, seconds: i64, cause: Cause) {
    bench.store.end_run(run, at(HOUR + seconds), &Why::new(cause, "why")).unwrap();
}

#[test]
fn a_running_recorder_shows_its_open_segment_and_an_outage_that_lasts() {
    let bench = bench();
    let _capturing = bench.store.lock(Role::Capture).unwrap();
    assert_eq!(told(&bench, 5), ["before 5"]);
    let run = begin(&bench, 0);
    note(&bench, CameraState::Starting, 0);
    assert_eq!(told(&bench, 5), ["before 5"], "connecting for the first time is no gap");
    note(&bench, CameraState::Recording, 3);
    assert_eq!(told(&bench, 5), ["before 3", "open 5"]);
    note(&bench, CameraState::Recording, 1);
    bench.uploaded("a", run, HOUR);
    bench.segment("a", run, HOUR + 10);
    assert_eq!(told(&bench, 23), ["uploaded 10", "waiting 20", "open 23"]);
    // silent since 20, left at 25, waiting since then
    end(&bench, run, 25, Cause::Stalled);
    note(&bench, CameraState::Waiting, 25);
    assert_eq!(told(&bench, 26), ["uploaded 10", "waiting 20", "stalled 26"]);
    let run = begin(&bench, 27);
    end(&bench, run, 28, Cause::Denied);
    assert_eq!(told(&bench, 90), ["uploaded 10", "waiting 20", "stalled 27", "denied 90"]);
    begin(&bench, 328);
    assert_eq!(told(&bench, 329).last().unwrap(), "denied 329", "a try that has not ended changes nothing");
    assert_eq!(told_from(&bench, 100, 329), ["denied 329"]);
    // frames come: the outage ends here, the row of it follows with the segment
    note(&bench, CameraState::Recording, 330);
    assert_eq!(told(&bench, 333)[3..], ["denied 330", "open 333"]);
}

#[test]
fn what_is_not_running_is_down() {
    let bench = bench();
    let run = begin(&bench, 0);
    bench.uploaded("a", run, HOUR);
    note(&bench, CameraState::Recording, 0);
    assert_eq!(told(&bench, 60), ["uploaded 10", "program_down 60"]);
    // it died while the camera was away: the last sign of it is where that ended
    end(&bench, run, 11, Cause::Unreachable);
    note(&bench, CameraState::Waiting, 15);
    assert_eq!(told(&bench, 60), ["uploaded 10", "unreachable 15", "program_down 60"]);
    assert_eq!(told_from(&bench, 30, 60), ["program_down 60"]);
    bench.store.note_outage(&cam("a"), at(HOUR + 20), &stopped("program was stopped")).unwrap();
    assert_eq!(told(&bench, 60), ["uploaded 10", "unreachable 20", "program_down 60"]);
}

#[test]
fn what_never_reached_s3_is_told_as_that() {
    let bench = bench();
    let run = begin(&bench, 0);
    let states = [State::Lost, State::Dropped, State::Failed, State::Cleaned];
    for (n, state) in (0i64..).zip(states) {
        let segment = bench.segment("a", run, HOUR + n * 10);
        bench.sql(&format!("UPDATE segments SET state = '{}' WHERE id = {}", state.as_str(), segment.id.0));
    }
    assert_eq!(told(&bench, 40), ["lost 10", "dropped 20", "failed 30", "uploaded 40"]);
}

#[test]
fn an_outage_now_is_told_although_a_wrong_clock_left_footage_in_the_future() {
    let bench = bench();
    let _capturing = bench.store.lock(Role::Capture).unwrap();
    let run = begin(&bench, 0);
    bench.segment("a", run, HOUR + 900_000_000);
    bench.segment("a", run, HOUR);
    note(&bench, CameraState::Recording, 0);
    assert_eq!(told(&bench, 15), ["waiting 10", "open 15"]);
    end(&bench, run, 16, Cause::Denied);
    note(&bench, CameraState::Waiting, 16);
    assert_eq!(told(&bench, 60), ["waiting 10", "denied 60"]);
}

#[test]
fn a_day_is_found_by_the_index_and_in_time() {
    let bench = bench();
    let run = begin(&bench, 0);
    bench.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO segments (camera, run, sequence, discontinuity, start_ms, duration_us, bytes, sha256,
             file_epoch, state, created_at)
         SELECT 'a', {}, i, 0, ({HOUR} + i * 10) * 1000, 10000000, 1, x'', {HOUR} + i * 10, 'cleaned', 0
         FROM n",
        run.0
    ));
    assert_eq!(told_from(&bench, 86_400, 172_800), ["uploaded 172800"]);
    let plan = |sql: &str| -> Vec<String> {
        bench
            .store
            .read(|connection| {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let count = statement.parameter_count();
                let parameters = rusqlite::params_from_iter(std::iter::repeat_n(0, count));
                let rows = statement.query_map(parameters, |row| row.get(3)).unwrap();
                Ok(rows.map(Result::unwrap).collect())
            })
            .unwrap()
    };
    let plan = plan(SEGMENTS_BETWEEN);
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("USING INDEX segments_names (file_epoch>? AND file_epoch<?)"), "{plan:?}");
}
