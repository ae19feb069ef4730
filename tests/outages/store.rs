//! S3 that is away, or answers wrongly: recording goes on, and every segment is stored exactly once.

use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::s3::Seen;
use crate::support::{Fault, Program, Settings, Workspace, eventually};

use super::rows_of;

#[test]
fn segments_wait_out_an_outage_of_s3_and_then_arrive_once_and_in_order() {
    let (mut bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("s3.concurrency", 1).camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    bucket.server.stop();
    let health = eventually(LIMIT, "uploads to wait", || {
        let health = program.health();
        if health["upload"]["state"] == "waiting" { Ok(health) } else { Err(health.to_string()) }
    });
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["upload"]["reason"].as_str().unwrap().contains("127.0.0.1"), "{health}");
    assert!(health["reasons"].to_string().contains("S3"), "{health}");
    let behind = rows_of(&workspace, "gate").len();
    let waiting = eventually(LIMIT, "four more rows", || {
        let rows = rows_of(&workspace, "gate");
        if rows.len() >= behind + 4 { Ok(rows) } else { Err(rows.len().to_string()) }
    });
    let health = program.health();
    assert_eq!(health["cameras"][0]["state"], "recording");
    assert!(health["upload"]["pending"].as_u64().unwrap() >= 4, "{health}");
    assert!(waiting.iter().all(|row| row.run == waiting[0].run && row.state != "failed"), "{waiting:?}");

    let asked_before = bucket.server.requests().len();
    bucket.server.start_again().unwrap();
    uploaded(&workspace, "gate", waiting.len());
    program.wait_for_log(LIMIT, "recovered after");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    let puts: Vec<String> = bucket.server.requests()[asked_before..]
        .iter()
        .filter(|seen| seen.status == 200 && puts_a_segment(seen))
        .map(|seen| path(seen).to_owned())
        .collect();
    // the first one probes whether S3 is back, and the one that probes takes turns
    assert!(puts.len() >= 4 && puts[1..].is_sorted(), "{puts:#?}");
    assert!(rows(&workspace).iter().all(|row| row.state == "uploaded"), "{:?}", rows(&workspace));
}

/// Without the signature.
fn path(seen: &Seen) -> &str {
    seen.path.split('?').next().unwrap_or_default()
}

fn puts_a_segment(seen: &Seen) -> bool {
    seen.method == "PUT" && path(seen).ends_with(".ts")
}

/// How often `fault` met a segment so far.
fn hits(bucket: &Bucket, fault: Fault) -> usize {
    let requests = bucket.server.requests();
    let puts = || requests.iter().filter(|seen| puts_a_segment(seen));
    match fault {
        Fault::Refuse(status, _) | Fault::CommitThenRefuse(status, _) => {
            puts().filter(|seen| seen.status == status).count()
        }
        // stored, and no answer was noted
        Fault::CommitThenHangUp | Fault::CommitThenStall => {
            let unanswered =
                |key: &&String| !puts().any(|seen| path(seen).ends_with(*key) && seen.status == 200);
            bucket.commits().keys().filter(unanswered).count()
        }
        other => panic!("{other:?} leaves no trace to count here"),
    }
}

fn stored_once_despite(faults: &[Fault]) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    for fault in faults {
        let before = hits(&bucket, *fault);
        // a manifest may get in the way once a minute
        let met = (0..4).any(|_| {
            bucket.server.spoil_next(1, *fault);
            let done = rows(&workspace).iter().filter(|row| row.state == "uploaded").count();
            uploaded(&workspace, "gate", done + 2);
            hits(&bucket, *fault) > before
        });
        assert!(met, "{fault:?} met no segment");
    }
    let recorded = rows(&workspace).len();
    eventually(LIMIT, "the segments of before", || {
        let waiting: Vec<_> =
            rows(&workspace).into_iter().take(recorded).filter(|row| row.state != "uploaded").collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{waiting:?}")) }
    });
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert!(rows(&workspace).iter().all(|row| row.state == "uploaded"), "{:?}", rows(&workspace));
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    assert_eq!(bucket.segments().len(), rows(&workspace).len());
}

#[test]
fn a_segment_that_s3_refused_is_stored_once_it_is_taken() {
    stored_once_despite(&[Fault::Refuse(503, "SlowDown"), Fault::Refuse(500, "InternalError")]);
}

#[test]
fn a_segment_that_s3_stored_and_denied_is_not_stored_again() {
    stored_once_despite(&[
        Fault::CommitThenRefuse(500, "InternalError"),
        Fault::CommitThenRefuse(503, "ServiceUnavailable"),
        Fault::CommitThenRefuse(400, "RequestTimeout"),
    ]);
}

#[test]
fn a_segment_that_s3_stored_without_an_answer_is_not_stored_again() {
    stored_once_despite(&[Fault::CommitThenHangUp]);
}

#[test]
fn a_segment_that_s3_stored_and_never_answered_is_not_stored_again() {
    stored_once_despite(&[Fault::CommitThenStall]);
}
