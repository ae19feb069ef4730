//! Crashes, one after the other: what recovery makes of what each leaves behind.

use std::fs;
use std::time::Duration;

use super::super::Store;
use super::super::testing::{HOUR, at, bench, cam, playable, stopped};
use super::*;
use crate::error::{Error, Kind};
use crate::segment::Prefix;

#[test]
fn a_file_whose_row_was_never_written_is_adopted_with_its_real_duration() {
    let bench = bench();
    let run = bench.run("a");
    let before = bench.segment("a", run, HOUR);
    bench.orphan("a", HOUR + 10, b"whole");
    bench.orphan("a", HOUR + 20, b"half a segm");
    let inspect = |path: &Path| {
        let seconds = if path.ends_with("segment_1763902820.ts") { 4 } else { 10 };
        Ok(Inspected { duration: Duration::from_secs(seconds), frames: 60, starts_with_keyframe: true })
    };
    let recovered = bench.store.recover_files(at(HOUR + 60), &inspect).unwrap();
    assert_eq!(recovered, Recovered { adopted: 2, ..Recovered::default() });

    let rows = bench.store.newest(&cam("a"), 9).unwrap();
    let facts: Vec<_> = rows
        .iter()
        .map(|row| {
            let place = (row.sequence - before.sequence, row.discontinuity - before.discontinuity);
            (row.start, row.duration.as_secs(), row.bytes, place)
        })
        .collect();
    let expected = [
        (at(HOUR), 10, before.bytes, (0, 0)),
        (at(HOUR + 10), 10, 5, (1, 1)),
        (at(HOUR + 20), 4, 11, (2, 1)),
    ];
    assert_eq!(facts, expected);
    assert_eq!(rows[1].run, rows[2].run, "one break for all of them");
    let why = "adopted after a crash: program stopped without notice";
    assert_eq!(bench.store.run_end(rows[1].run), (Some(at(HOUR + 24)), Some(why.into())));
    assert_eq!(bench.store.verify().unwrap(), [""; 0]);
    assert_eq!(bench.store.recover_files(at(HOUR + 61), &playable).unwrap(), Recovered::default());
}

#[test]
fn a_lost_database_is_built_again_from_the_files() {
    let bench = bench();
    let run = bench.run("a");
    bench.segment("a", run, HOUR);
    let last = bench.segment("a", run, HOUR + 10);
    bench.segment("b", bench.run("b"), HOUR);
    // as it is some time later
    // as they were counted some time ago
    bench.sql("UPDATE segments SET sequence = sequence - 60, discontinuity = discontinuity - 60");
    let last = bench.again(&last);
    let mut config = super::super::testing::config(&bench.dir);
    config.database = bench.dir.path().join("new.db");
    let store = Store::open(&config, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
    assert_eq!(store.recover_files(at(HOUR + 60), &playable).unwrap().adopted, 3);
    assert_eq!(store.verify().unwrap(), [""; 0]);
    let again = store.find(&cam("a"), last.file).unwrap().unwrap();
    assert!(again.sequence > last.sequence && again.discontinuity > last.discontinuity, "{again:?} {last:?}");
}

#[test]
fn what_does_not_play_is_kept_aside_and_what_is_empty_goes() {
    let bench = bench();
    bench.orphan("a", HOUR, b"");
    bench.orphan("a", HOUR + 10, b"no video");
    bench.orphan("a", HOUR + 20, b"no frame");
    let aside = bench.dir.path().join("segments/unplayable/a");
    fs::create_dir_all(&aside).unwrap();
    fs::write(aside.join("segment_1763902810.ts"), b"an earlier one").unwrap();
    let inspect = |path: &Path| {
        if path.ends_with("segment_1763902810.ts") {
            return Err(Error::new(Kind::Data, "not an MPEG transport stream"));
        }
        Ok(Inspected { duration: Duration::ZERO, frames: 0, starts_with_keyframe: false })
    };
    let recovered = bench.store.recover_files(at(HOUR + 60), &inspect).unwrap();
    assert_eq!(recovered, Recovered { unplayable: 2, empty: 1, ..Recovered::default() });
    assert_eq!(fs::read(aside.join("segment_1763902810.ts")).unwrap(), b"an earlier one");
    assert_eq!(fs::read(aside.join("segment_1763902810.ts.1")).unwrap(), b"no video");
    assert_eq!(fs::read(aside.join("segment_1763902820.ts")).unwrap(), b"no frame");
    assert_eq!(bench.store.newest(&cam("a"), 9).unwrap(), []);
    assert_eq!(bench.store.recover_files(at(HOUR + 61), &inspect).unwrap(), Recovered::default());
}

#[test]
fn a_vanished_or_cut_file_is_lost_unless_s3_has_it_or_may_have_it() {
    let bench = bench();
    let run = bench.run("a");
    let vanished = bench.segment("a", run, HOUR);
    let cut = bench.segment("a", run, HOUR + 10);
    let uploaded = bench.uploaded("a", run, HOUR + 20);
    let uploaded_cut = bench.uploaded("a", run, HOUR + 30);
    let doubtful = bench.segment("a", run, HOUR + 40);
    bench.store.begin_upload(doubtful.id).unwrap();
    let whole = bench.segment("a", run, HOUR + 50);
    for segment in [&vanished, &uploaded, &doubtful] {
        fs::remove_file(bench.store.path(segment)).unwrap();
    }
    for segment in [&cut, &uploaded_cut] {
        fs::write(bench.store.path(segment), b"x").unwrap();
    }
    let recovered = bench.store.recover_files(at(HOUR + 60), &playable).unwrap();
    assert_eq!(recovered, Recovered { lost: 2, cleaned: 2, ..Recovered::default() });
    assert_eq!(bench.state(&vanished), State::Lost);
    assert_eq!(bench.state(&cut), State::Lost);
    assert!(bench.store.path(&cut).exists(), "what is left of it stays");
    assert_eq!(bench.state(&uploaded), State::Cleaned);
    assert_eq!(bench.state(&uploaded_cut), State::Cleaned);
    assert!(!bench.store.path(&uploaded_cut).exists());
    assert_eq!(bench.state(&doubtful), State::Uploading, "only S3 knows");
    assert_eq!(bench.state(&whole), State::Created);
    assert_eq!(bench.store.open_manifests().unwrap()[0].changes, 4, "two uploads, two gaps");
}

#[test]
fn an_unlink_that_a_crash_cut_off_is_finished() {
    let bench = bench();
    let run = bench.run("a");
    let cleaned = bench.uploaded("a", run, HOUR);
    let dropped = bench.segment("a", run, HOUR + 10);
    bench.sql(&format!("UPDATE segments SET state = 'cleaned' WHERE id = {}", cleaned.id.0));
    bench.sql(&format!("UPDATE segments SET state = 'dropped' WHERE id = {}", dropped.id.0));
    assert_eq!(bench.store.verify().unwrap().len(), 2);
    let recovered = bench.store.recover_files(at(HOUR + 60), &playable).unwrap();
    assert_eq!(recovered, Recovered { unlinked: 2, ..Recovered::default() });
    assert!(!bench.store.path(&cleaned).exists() && !bench.store.path(&dropped).exists());
    assert_eq!(bench.store.verify().unwrap(), [""; 0]);
}

#[test]
fn runs_of_a_dead_program_end_with_their_last_segment() {
    let bench = bench();
    let empty = bench.run("a");
    let filled = bench.run("a");
    bench.segment("a", filled, HOUR + 10);
    bench.segment("a", filled, HOUR + 20);
    let ended = bench.run("a");
    bench.store.end_run(ended, at(HOUR + 77), &stopped("stopped")).unwrap();
    bench.store.recover_files(at(HOUR + 99), &playable).unwrap();
    let end = |run| {
        let (at, why) = bench.store.run_end(run);
        (at.unwrap(), why.unwrap())
    };
    let died = "program stopped without notice".to_owned();
    assert_eq!(end(empty), (at(HOUR), died.clone()));
    assert_eq!(end(filled), (at(HOUR + 30), died));
    assert_eq!(end(ended), (at(HOUR + 77), "stopped".to_owned()));
}

#[test]
fn an_unmounted_disk_refuses_the_start_and_loses_nothing() {
    let bench = bench();
    let run = bench.run("a");
    let segment = bench.segment("a", run, HOUR);
    let config = super::super::testing::config(&bench.dir);
    let unplugged = bench.dir.path().join("unplugged");
    fs::rename(&config.segments_dir, &unplugged).unwrap();
    fs::create_dir(&config.segments_dir).unwrap();

    let prefix = Prefix::new(Prefix::DEFAULT).unwrap();
    let error = Store::open(&config, &prefix).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Disk);
    assert!(error.to_string().contains("mount its disk"), "{error}");
    assert!(bench.store.recover_files(at(HOUR + 60), &playable).is_err());
    assert!(bench.store.retain(at(HOUR + 60)).is_err());
    assert!(bench.store.camera_dir(&cam("a")).is_err(), "nothing may be recorded below the mount point");
    assert_eq!(fs::read_dir(&config.segments_dir).unwrap().count(), 0);
    assert_eq!(bench.state(&segment), State::Created);

    fs::remove_dir(&config.segments_dir).unwrap();
    fs::rename(&unplugged, &config.segments_dir).unwrap();
    let store = Store::open(&config, &prefix).unwrap();
    assert_eq!(store.recover_files(at(HOUR + 60), &playable).unwrap(), Recovered::default());
}

#[test]
fn files_that_are_not_segments_are_nobodys_business() {
    let bench = bench();
    let stranger = bench.file("a", HOUR).with_file_name("notes.txt");
    fs::write(&stranger, "x").unwrap();
    fs::create_dir(bench.dir.path().join("segments/lost+found")).unwrap();
    assert_eq!(bench.store.recover_files(at(HOUR), &playable).unwrap(), Recovered::default());
    assert!(stranger.exists());
}
