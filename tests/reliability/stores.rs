//! S3 that refuses, hangs, lies or is not there.

use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::{Fault, Meets, Plan, Program, Workspace, eventually};

use super::table::Scenario;
use super::watch::{few_words, told};

mod attack;
use attack::{Attack, everything, heals, puts, settings, stops, two_segments};

/// The program waits 20 s for an answer, and longer for a large body.
const PATIENCE_S: u64 = 35;

/// What the most of these have in common: told with the next segment, healed with the next probe.
const TOLD: Scenario =
    Scenario { told_within_s: Some(10), heals_within_s: Some(20), log_lines: Some(3), ..Scenario::QUIET };
/// Nobody needs to know.
const UNNOTICED: Scenario = Scenario { heals_within_s: Some(15), log_lines: Some(0), ..Scenario::QUIET };
const HANGS: Scenario =
    Scenario { told_within_s: Some(PATIENCE_S), heals_within_s: Some(PATIENCE_S), ..TOLD };

scenarios! { STORES:
    s3_is_too_busy_to_read => Scenario {
        fault: "503 SlowDown before the body was read",
        outcome: "segments wait; one of them asks again after 1, 2, 4 … 60 s",
        health: Some("uploads wait"), ..TOLD
    }, |scenario| puts(scenario, Fault::RefuseEarly(503, "SlowDown"));

    s3_is_too_busy => Scenario {
        fault: "503 SlowDown after the body",
        outcome: "the same; each segment is looked up before it is sent again",
        health: Some("503 SlowDown"), ..TOLD
    }, |scenario| puts(scenario, Fault::Refuse(503, "SlowDown"));

    s3_is_asked_too_often => Scenario {
        fault: "429 TooManyRequests",
        outcome: "segments wait, and cost no attempt",
        health: Some("429 TooManyRequests"), ..TOLD
    }, |scenario| puts(scenario, Fault::Refuse(429, "TooManyRequests"));

    s3_has_an_internal_error => Scenario {
        fault: "500 InternalError to every request",
        outcome: "segments wait; also the look-ups do",
        health: Some("cannot take uploads now"), ..TOLD
    }, |scenario| everything(scenario, Fault::Refuse(500, "InternalError"));

    the_disks_of_s3_are_full => Scenario {
        fault: "507: the disks of S3 are full",
        outcome: "segments wait until somebody makes room",
        health: Some("free space there"), ..TOLD
    }, |scenario| puts(scenario, Fault::Refuse(507, "XMinioStorageFull"));

    another_write_of_the_key_is_under_way => Scenario {
        fault: "409 for two segments: another write of the key is under way",
        outcome: "it is looked up again after 2 s",
        ..UNNOTICED
    }, |scenario| two_segments(scenario, Fault::Refuse(409, "OperationAborted"));

    s3_stored_and_answered_500 => Scenario {
        fault: "every PUT is stored, then answered 500",
        outcome: "the look-up finds the object, proves its bytes, and nothing is sent again",
        health: Some("500 InternalError"), ..TOLD
    }, |scenario| puts(scenario, Fault::CommitThenRefuse(500, "InternalError"));

    s3_stored_and_closed_the_connection => Scenario {
        fault: "every PUT is stored, then the connection closes without an answer",
        outcome: "the same",
        health: Some("broke"), ..TOLD
    }, |scenario| puts(scenario, Fault::CommitThenHangUp);

    s3_stored_and_the_connection_was_reset => Scenario {
        fault: "every PUT is stored, then the connection is reset",
        outcome: "the same",
        health: Some("broke"), ..TOLD
    }, |scenario| puts(scenario, Fault::CommitThenReset);

    s3_stored_and_never_answered => Scenario {
        fault: "two segments are stored and never answered",
        outcome: "after 20 s (more for large segments) the look-up finds them",
        health: Some("no answer in time"), ..HANGS
    }, |scenario| two_segments(scenario, Fault::CommitThenStall);

    the_connection_is_reset_in_mid_body => Scenario {
        fault: "the connection is reset in the middle of every body",
        outcome: "segments wait; each is looked up before it is sent again",
        health: Some("broke"), ..TOLD
    }, |scenario| puts(scenario, Fault::ResetMidBody);

    the_connection_stalls_in_mid_body => Scenario {
        fault: "two segments stall in the middle of their bodies",
        outcome: "given up after 20 s and 1 s for each 16 kB, looked up, sent again",
        health: Some("no answer in time"), ..HANGS
    }, |scenario| two_segments(scenario, Fault::StallMidBody);

    s3_accepts_and_never_answers => Scenario {
        fault: "two segments are neither read nor answered",
        outcome: "the same",
        health: Some("no answer in time"), ..HANGS
    }, |scenario| two_segments(scenario, Fault::NeverAnswers);

    s3_names_a_wrong_etag => Scenario {
        fault: "answers to PUT name a wrong ETag",
        outcome: "not believed: HEAD proves size and hash instead",
        ..UNNOTICED
    }, |scenario| puts(scenario, Fault::Etag(Some("0123456789abcdef0123456789abcdef")));

    s3_names_no_etag => Scenario {
        fault: "answers to PUT name no ETag",
        outcome: "the same",
        ..UNNOTICED
    }, |scenario| puts(scenario, Fault::Etag(None));

    s3_encrypts_with_kms => Scenario {
        fault: "every ETag is no MD5, as with SSE-KMS, also HEAD's",
        outcome: "the SHA-256 in the object's metadata proves it",
        ..UNNOTICED
    }, |scenario| everything(scenario, Fault::Etag(Some("77c9a6c1dd3e5b8f0e6a-kms")));

    s3_denies_access => Scenario {
        fault: "403 AccessDenied to every request",
        outcome: "segments wait; asked again after 5, 10, 20 … 300 s",
        health: Some("allow s3:PutObject"), ..TOLD
    }, |scenario| everything(scenario, Fault::Refuse(403, "AccessDenied"));

    the_credentials_have_expired => Scenario {
        fault: "403 ExpiredToken to every request",
        outcome: "segments wait; the credentials are read again before each try",
        health: Some("credentials have expired"), ..TOLD
    }, |scenario| everything(scenario, Fault::Refuse(403, "ExpiredToken"));

    the_clock_is_wrong_for_s3 => Scenario {
        fault: "403 RequestTimeTooSkewed: clocks 20 minutes apart",
        outcome: "segments wait until the clock is right; by how much it is wrong is said",
        health: Some("s behind S3's"), ..TOLD
    }, |scenario| everything(scenario, Fault::Skewed);

    the_bucket_is_gone => Scenario {
        fault: "404 NoSuchBucket to every request",
        outcome: "segments wait until there is a bucket",
        health: Some("does not exist"), ..TOLD
    }, |scenario| everything(scenario, Fault::Refuse(404, "NoSuchBucket"));

    requests_are_redirected_elsewhere => Scenario {
        fault: "307 to another address",
        outcome: "not followed; segments wait",
        health: Some("redirects elsewhere"), ..TOLD
    }, |scenario| everything(scenario, Fault::Redirect);

    a_login_page_answers => Scenario {
        fault: "a captive portal answers everything with 200 and HTML",
        outcome: "not believed; segments and manifests wait",
        health: Some("login page"), ..TOLD
    }, |scenario| everything(scenario, Fault::LoginPage);

    the_line_carries_50_kilobytes_a_second => Scenario {
        fault: "a line of 50 kB/s",
        outcome: "slow is no fault: every segment arrives",
        ..UNNOTICED
    }, |scenario| puts(scenario, Fault::Slow(50_000));

    something_else_than_http_answers => Scenario {
        fault: "bytes that are no HTTP answer everything",
        outcome: "segments wait",
        health: Some("broke"), ..TOLD
    }, |scenario| everything(scenario, Fault::Garbage);

    s3_refuses_every_object => Scenario {
        fault: "400 to every segment, again and again",
        outcome: "after `s3.max_retries` tries it is `failed`; its file stays, and `retry` queues it again",
        health: Some("were refused by S3"), ..TOLD
    }, refused;

    nothing_listens => Scenario {
        fault: "connection refused",
        outcome: "segments wait; certainly nothing was stored, so nothing is looked up",
        health: Some("connection refused"), ..TOLD
    }, |scenario| Attack {
        scenario,
        prepare: |_| (),
        begin: Box::new(|bucket: &mut Bucket| bucket.server.stop()),
        end: |bucket| bucket.server.start_again().unwrap(),
    }.play();

    the_name_of_s3_has_no_address => Scenario {
        fault: "DNS: the name of S3 has no address",
        outcome: "segments wait; healed by the right name and a restart",
        health: Some("DNS"), ..TOLD
    }, no_address;

    a_login_page_answers_from_the_start => Scenario {
        fault: "a captive portal is there before the program starts",
        outcome: "what the store can do is found out only when the store itself answers",
        health: Some("login page"), ..TOLD
    }, |scenario| from_the_start(scenario, Fault::LoginPage);

    a_store_that_overwrites_stored_and_answered_500 => Scenario {
        fault: "a store that ignores If-None-Match stores, then answers 500",
        outcome: "each segment is looked up before every PUT, so it is stored once here too",
        health: Some("500 InternalError"), ..TOLD
    }, |scenario| Attack {
        prepare: |bucket| bucket.server.ignore_conditions(),
        ..Attack::by(scenario, Plan::always(Fault::CommitThenRefuse(500, "InternalError")))
    }.play();

    a_store_that_overwrites_stored_and_was_reset => Scenario {
        fault: "a store that ignores If-None-Match stores, then the connection is reset",
        outcome: "the same",
        health: Some("broke"), ..TOLD
    }, |scenario| Attack {
        prepare: |bucket| bucket.server.ignore_conditions(),
        ..Attack::by(scenario, Plan::always(Fault::CommitThenReset))
    }.play();

    half_of_all_requests_fail_in_all_ways => Scenario {
        fault: "half of all requests fail in all these ways, by a seeded plan",
        outcome: "every segment is stored once; the log stays short",
        health: Some("uploads"), told_within_s: Some(35), heals_within_s: Some(90), log_lines: Some(12),
    }, |scenario| mixed(scenario, 3, 50);
}

fn refused(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(settings(&bucket, &camera).set("s3.max_retries", 1), &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    bucket.server.set_faults(Plan::always(Fault::Refuse(400, "EntityTooLarge")).meeting(Meets::Segments));
    told(&program, scenario);
    let failed = || rows(&workspace).iter().filter(|row| row.state == "failed").count();
    eventually(LIMIT, "four failed segments", || failed() >= 4);
    few_words(&program, scenario);
    bucket.server.heal();
    let count = rows(&workspace).len();
    assert!(workspace.run(&["retry"]).status.success());
    // one that failed just before S3 was well again
    eventually(LIMIT, "no failed segment", || failed() == 0 || !workspace.run(&["retry"]).status.success());
    heals(&program, &workspace, scenario, count);
    stops(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

fn no_address(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = settings(&bucket, &camera);
    let (right, wrong) = (bucket.server.endpoint(), "http://s3.invalid:9000");
    let mut workspace = Workspace::new(settings.set("s3.endpoint", wrong), &bucket.server);
    // a machine without a network asks its name server in vain for long
    workspace.set_env("RES_OPTIONS", "timeout:1 attempts:1");
    let program = Program::start(&workspace);
    told(&program, scenario);
    eventually(LIMIT, "a row", || !rows(&workspace).is_empty());
    few_words(&program, scenario);
    stops(program);
    let waiting = rows(&workspace).len();
    workspace.configure(settings.set("s3.endpoint", right));
    let program = Program::start(&workspace);
    heals(&program, &workspace, scenario, waiting);
    stops(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

fn from_the_start(scenario: &Scenario, fault: Fault) {
    let (bucket, camera) = (Bucket::new(), camera());
    bucket.server.set_faults(Plan::always(fault).meeting(Meets::Everything));
    let workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    eventually(LIMIT, "a row", || !rows(&workspace).is_empty());
    assert!(!program.log().iter().any(|line| line.contains("If-None-Match")), "{:?}", program.log());
    bucket.server.heal();
    heals(&program, &workspace, scenario, 1);
    program.wait_for_log(LIMIT, "honours If-None-Match");
    few_words(&program, scenario);
    stops(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

fn mixed(scenario: &Scenario, seed: u64, percent: u8) {
    const SEGMENTS: usize = 8;
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    bucket.server.set_faults(Plan::mix(seed, percent));
    let recorded = rows(&workspace).len() + SEGMENTS;
    told(&program, scenario);
    eventually(LIMIT, "segments and faults", || {
        let (count, faults) = (rows(&workspace).len(), bucket.server.faults_met());
        if count >= recorded && faults >= SEGMENTS { Ok(()) } else { Err(format!("{count}, {faults}")) }
    });
    bucket.server.heal();
    heals(&program, &workspace, scenario, recorded);
    few_words(&program, scenario);
    stops(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
