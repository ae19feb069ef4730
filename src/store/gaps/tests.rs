//! Segments that come, and what each leaves of the time before, around and after it.

use super::super::Inspected;
use super::super::testing::{Bench, HOUR, at, bench, cam, playable, stopped};
use super::*;
use crate::segment::FileName;

/// A segment of `run` from one moment to another, in milliseconds after the hour.
fn record(bench: &Bench, run: RunId, from_ms: i64, to_ms: i64) {
    let at = |ms: i64| Timestamp::from_millis(HOUR * 1000 + ms);
    let camera = cam("a");
    let file = bench.store.free_name(&camera, FileName::new(at(from_ms).epoch_seconds())).unwrap();
    let path = bench.file("a", file.epoch_seconds());
    std::fs::write(&path, b"x").unwrap();
    let hashes = super::super::files::hash(&path).unwrap();
    let new = NewSegment {
        camera,
        run,
        start: at(from_ms),
        time_source: TimeSource::Arrival,
        duration: at(to_ms).since(at(from_ms)),
        bytes: hashes.bytes,
        md5: hashes.md5,
        sha256: hashes.sha256,
        file,
    };
    bench.store.insert(&new).unwrap();
}

fn begin(bench: &Bench, seconds: i64) -> RunId {
    bench.store.begin_run(&cam("a"), at(HOUR + seconds)).unwrap()
}

fn end(bench: &Bench, run: RunId, seconds: i64, cause: Cause, reason: &str) {
    bench.store.end_run(run, at(HOUR + seconds), &Why::new(cause, reason)).unwrap();
}

fn failed(bench: &Bench, from: i64, to: i64, cause: Cause, reason: &str) {
    let run = begin(bench, from);
    end(bench, run, to, cause, reason);
}

/// All gaps as (from, to, cause), in milliseconds after the hour; the invariants hold beside.
#[track_caller]
fn gaps(bench: &Bench) -> Vec<(i64, i64, Cause)> {
    assert_eq!(bench.store.verify().unwrap(), [""; 0]);
    let gaps =
        bench.store.gaps(&cam("a"), Timestamp::from_millis(i64::MIN / 2), at(i64::MAX / 2000)).unwrap();
    let ms = |at: Timestamp| at.as_millis() - HOUR * 1000;
    gaps.into_iter().map(|gap| (ms(gap.start), ms(gap.end), gap.cause)).collect()
}

#[test]
fn an_outage_is_parted_by_what_failed_in_it() {
    let bench = bench();
    let run = begin(&bench, 0);
    record(&bench, run, 1_000, 11_000);
    record(&bench, run, 11_080, 20_000);
    assert_eq!(gaps(&bench), [], "rounding is no gap");
    end(&bench, run, 25, Cause::Stalled, "nothing for 5 s");
    failed(&bench, 26, 28, Cause::Unreachable, "refuses");
    failed(&bench, 30, 32, Cause::Unreachable, "refuses");
    failed(&bench, 60, 61, Cause::Denied, "401");
    assert_eq!(gaps(&bench), [], "an outage that lasts is no row yet");
    // its row waited for the database until its end was noted: that explains nothing before its footage
    let run = begin(&bench, 361);
    end(&bench, run, 371, Cause::Disk, "full");
    record(&bench, run, 362_500, 370_000);
    let expected = [
        (20_000, 26_000, Cause::Stalled),
        (26_000, 60_000, Cause::Unreachable),
        (60_000, 362_500, Cause::Denied),
    ];
    assert_eq!(gaps(&bench), expected);
}

#[test]
fn a_cameras_time_begins_with_its_first_try() {
    let bench = bench();
    failed(&bench, 0, 2, Cause::Unreachable, "refuses");
    failed(&bench, 5, 6, Cause::Denied, "401");
    record(&bench, begin(&bench, 300), 301_000, 310_000);
    assert_eq!(gaps(&bench), [(0, 5_000, Cause::Unreachable), (5_000, 301_000, Cause::Denied)]);
    let other = bench_that_connects_at_once();
    assert_eq!(gaps(&other), [], "connecting for the first time is no gap");
}

fn bench_that_connects_at_once() -> Bench {
    let bench = bench();
    // before the clock was set nobody was tried
    bench.store.note_outage(&cam("a"), at(77), &Why::new(Cause::Unreachable, "refuses")).unwrap();
    record(&bench, begin(&bench, 0), 2_000, 10_000);
    bench
}

#[test]
fn the_programs_own_absence_begins_where_it_stopped_or_died() {
    for stop in [true, false] {
        let bench = bench();
        let run = begin(&bench, 0);
        record(&bench, run, 0, 10_000);
        end(&bench, run, 15, Cause::Unreachable, "ended the stream");
        failed(&bench, 16, 18, Cause::Unreachable, "refuses");
        bench
            .store
            .set_camera_state(&cam("a"), crate::status::CameraState::Waiting, Some("x"), at(HOUR + 18))
            .unwrap();
        if stop {
            bench.store.note_outage(&cam("a"), at(HOUR + 18), &stopped("program was stopped")).unwrap();
        }
        bench.store.recover_files(at(HOUR + 500), &playable).unwrap();
        bench.store.recover_files(at(HOUR + 600), &playable).unwrap();
        failed(&bench, 601, 602, Cause::Denied, "401");
        record(&bench, begin(&bench, 700), 701_000, 710_000);
        let expected = [
            (10_000, 18_000, Cause::Unreachable),
            (18_000, 601_000, Cause::ProgramDown),
            (601_000, 701_000, Cause::Denied),
        ];
        assert_eq!(gaps(&bench), expected, "stopped: {stop}");
    }
}

#[test]
fn an_adopted_file_takes_its_time_out_of_the_gap() {
    let bench = bench();
    let run = begin(&bench, 0);
    record(&bench, run, 0, 10_300);
    end(&bench, run, 11, Cause::Disk, "full");
    record(&bench, begin(&bench, 100), 100_000, 110_000);
    assert_eq!(gaps(&bench), [(10_300, 100_000, Cause::Disk)]);
    for (epoch, expected) in [
        // in the middle, at the end, over the end, then nothing is left but a rounding
        (40, vec![(10_300, 40_000), (50_000, 100_000)]),
        (90, vec![(10_300, 40_000), (50_000, 90_000)]),
        (85, vec![(10_300, 40_000), (50_000, 85_000)]),
        (30, vec![(10_300, 30_000), (50_000, 85_000)]),
        (51, vec![(10_300, 30_000), (50_000, 51_000), (61_000, 85_000)]),
    ] {
        bench.orphan("a", HOUR + epoch, b"adopted");
        bench.store.adopt_strays(&cam("a"), &playable).unwrap();
        let expected: Vec<_> = expected.into_iter().map(|(from, to)| (from, to, Cause::Disk)).collect();
        assert_eq!(gaps(&bench), expected, "{epoch}");
    }
}

#[test]
fn the_open_segment_of_a_crash_goes_on_where_the_one_before_ended() {
    let bench = bench();
    let run = begin(&bench, 0);
    record(&bench, run, 300, 10_700);
    // named by the second in which it began
    bench.orphan("a", HOUR + 10, b"open");
    bench.orphan("a", HOUR + 600, b"of nobody knows when");
    let four = |_: &std::path::Path| {
        let duration = std::time::Duration::from_secs(4);
        Ok(Inspected { duration, frames: 60, starts_with_keyframe: true })
    };
    bench.store.recover_files(at(HOUR + 999), &four).unwrap();
    assert_eq!(gaps(&bench), [(14_700, 600_000, Cause::Unknown)]);
    record(&bench, begin(&bench, 1000), 1_001_000, 1_010_000);
    assert_eq!(gaps(&bench)[1], (604_000, 1_001_000, Cause::ProgramDown));
}

#[test]
fn a_clock_that_was_set_leaves_a_gap_forward_and_none_backward() {
    let bench = bench();
    let run = begin(&bench, 0);
    record(&bench, run, 0, 10_000);
    record(&bench, run, 11_500, 20_000);
    record(&bench, run, 3_600_000, 3_610_000);
    let forward = [(10_000, 11_500, Cause::Quiet), (20_000, 3_600_000, Cause::Clock)];
    assert_eq!(gaps(&bench), forward);
    // back by an hour: over footage nothing changes, within the missing hour its time comes out of the gap
    record(&bench, run, 5_000, 10_000);
    record(&bench, run, 15_000, 25_000);
    assert_eq!(gaps(&bench), [(10_000, 11_500, Cause::Quiet), (25_000, 3_600_000, Cause::Clock)]);
    // what happens in the time lived through again has its own cause
    end(&bench, run, 30, Cause::Unreachable, "ended");
    record(&bench, begin(&bench, 90), 100_000, 110_000);
    let lived = [
        (10_000, 11_500, Cause::Quiet),
        (25_000, 100_000, Cause::Unreachable),
        (110_000, 3_600_000, Cause::Clock),
    ];
    assert_eq!(gaps(&bench), lived);
}

#[test]
fn a_clock_that_was_ahead_for_years_explains_only_what_nobody_lived_through() {
    let bench = bench();
    let run = begin(&bench, 0);
    let years = 10 * 365 * 86_400_000_i64;
    record(&bench, run, years, years + 10_000);
    record(&bench, run, 0, 10_000);
    assert_eq!(gaps(&bench), [(10_000, years, Cause::Clock)]);
    record(&bench, run, 10_000, 20_000);
    end(&bench, run, 21, Cause::Stalled, "5 s");
    record(&bench, begin(&bench, 50), 51_000, 60_000);
    assert_eq!(gaps(&bench), [(20_000, 51_000, Cause::Stalled), (60_000, years, Cause::Clock)]);
}

#[test]
fn a_gap_over_an_hour_opens_the_manifest_of_the_hour_in_which_it_began() {
    let bench = bench();
    let run = bench.run("a");
    bench.uploaded("a", run, HOUR + 3_580);
    let open = bench.store.open_manifests().unwrap().remove(0);
    bench.store.manifest_written(&open, at(HOUR + 3_700), true).unwrap();
    assert_eq!(bench.store.open_manifests().unwrap(), []);
    bench.store.end_run(run, at(HOUR + 3_590), &Why::new(Cause::Denied, "401")).unwrap();
    bench.segment("a", begin(&bench, 4_000), HOUR + 4_000);
    let open = bench.store.open_manifests().unwrap();
    assert_eq!((open.len(), open[0].hour, open[0].changes), (1, at(HOUR), 2));
    let first_hour = bench.store.gaps(&cam("a"), at(HOUR), at(HOUR + 3_600)).unwrap();
    assert_eq!(first_hour, bench.store.gaps(&cam("a"), at(HOUR + 3_600), at(HOUR + 7_200)).unwrap());
    assert_eq!(first_hour.len(), 1);
}

#[test]
fn rows_of_an_older_version_get_their_gaps() {
    let bench = bench();
    let run = begin(&bench, 0);
    record(&bench, run, 0, 10_000);
    record(&bench, run, 10_050, 20_000);
    end(&bench, run, 21, Cause::ProgramDown, "stopped");
    let run = begin(&bench, 90);
    record(&bench, run, 90_000, 100_000);
    // over footage, then beyond it: the longest end counts
    record(&bench, run, 50_000, 95_000);
    record(&bench, run, 120_000, 130_000);
    bench.sql("DELETE FROM gaps; DELETE FROM coverage");
    let migration = include_str!("../migrations/0002.sql");
    let (_, gaps_of_old) = migration.split_once("-- Rows from before there were gaps").unwrap();
    let (gaps_of_old, _) = gaps_of_old.split_once("CREATE TRIGGER").unwrap();
    bench.sql(&format!("--{gaps_of_old}"));
    let expected = [(20_000, 50_000, Cause::ProgramDown), (100_000, 120_000, Cause::Unknown)];
    assert_eq!(gaps(&bench), expected);
}

#[test]
fn cameras_have_their_own_time() {
    let bench = bench();
    let run = begin(&bench, 0);
    record(&bench, run, 0, 10_000);
    let other = bench.run("b");
    bench.segment("b", other, HOUR);
    bench.segment("b", other, HOUR + 10);
    end(&bench, run, 10, Cause::Denied, "401");
    bench.store.end_run(other, at(HOUR + 20), &stopped("x")).unwrap();
    record(&bench, begin(&bench, 60), 60_000, 70_000);
    assert_eq!(gaps(&bench), [(10_000, 60_000, Cause::Denied)]);
    assert_eq!(bench.store.gaps(&cam("b"), at(0), at(HOUR * 2)).unwrap(), []);
}

#[test]
fn a_long_outage_costs_little_when_it_ends() {
    let bench = bench();
    let run = begin(&bench, 0);
    record(&bench, run, 0, 10_000);
    end(&bench, run, 10, Cause::Unreachable, "ended");
    bench.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
         INSERT INTO runs (camera, started_at, ended_at, reason, cause)
         SELECT 'a', ({HOUR} + 10 + i) * 1000, ({HOUR} + 10 + i) * 1000, 'refuses', 'unreachable' FROM n"
    ));
    record(&bench, begin(&bench, 60_000), 60_000_000, 60_010_000);
    assert_eq!(gaps(&bench), [(10_000, 60_000_000, Cause::Unreachable)]);
}
