//! The S3 server believes nothing: neither a signature, nor a checksum, nor a bucket's name.

use std::time::Duration;

use s3::creds::Credentials;
use s3::{Bucket, Region};
use sha2::{Digest, Sha256};

use crate::support::http::{self, Response};
use crate::support::{Fault, Meets, Plan, S3Options, S3Server, eventually};

/// A PUT address that `secret` signs; headers beside it stay unsigned.
fn signed(server: &S3Server, bucket: &str, secret: &str, key: &str) -> String {
    // another test may have installed it already
    let _ = rustls::crypto::ring::default_provider().install_default();
    let region = Region::Custom { region: "us-east-1".into(), endpoint: server.endpoint() };
    let access = server.options().access_key.as_str();
    let credentials = Credentials::new(Some(access), Some(secret), None, None, None).unwrap();
    let bucket = Bucket::new(bucket, region, credentials).unwrap().with_path_style();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(bucket.presign_put(key, 600, None, None)).unwrap();
    url.strip_prefix(&server.endpoint()).unwrap().to_owned()
}

fn put(server: &S3Server, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Response> {
    http::request(server.address(), "PUT", path, headers, b"abc")
}

fn start(root: &tempfile::TempDir) -> S3Server {
    S3Server::start(root.path(), S3Options::default()).unwrap()
}

#[test]
fn only_the_right_secret_stores_an_object() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    let wrong = put(&server, &signed(&server, "footage", "guess", "a/b.ts"), &[]).unwrap();
    assert_eq!(wrong.status, 403, "{}", wrong.text());
    assert!(wrong.text().contains("SignatureDoesNotMatch"));
    assert_eq!(put(&server, "/footage/a/b.ts", &[]).unwrap().status, 403, "unsigned");
    assert!(server.keys().is_empty());

    let right = put(&server, &signed(&server, "footage", "test-secret-key", "a/b.ts"), &[]).unwrap();
    assert_eq!(right.status, 200, "{}", right.text());
    assert_eq!(server.keys(), ["a/b.ts"]);
    assert_eq!(server.object("a/b.ts").unwrap(), b"abc");
    let commits = server.commits("a/b.ts");
    assert_eq!(commits.len(), 1);
    assert_eq!(commits[0].etag, "900150983cd24fb0d6963f7d28e17f72");
    let statuses: Vec<u16> = server.requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [403, 403, 200]);
}

#[test]
fn a_wrong_checksum_or_a_taken_name_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    let path = signed(&server, "footage", "test-secret-key", "k.ts");
    let bad = put(&server, &path, &[("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")]).unwrap();
    assert_eq!(bad.status, 400, "{}", bad.text());
    assert!(server.keys().is_empty() && server.commits("k.ts").is_empty());
    let once = [("Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="), ("If-None-Match", "*")];
    assert_eq!(put(&server, &path, &once).unwrap().status, 200);
    assert_eq!(put(&server, &path, &once).unwrap().status, 412);
    let commits = server.commits("k.ts");
    assert_eq!(commits.len(), 1);
    assert_eq!(commits[0].if_none_match.as_deref(), Some("*"));
}

#[test]
fn a_server_that_is_timed_believes_nothing_either() {
    let root = tempfile::tempdir().unwrap();
    let server = S3Server::start(root.path(), S3Options::for_timing()).unwrap();
    let path = |secret: &str, key: &str| signed(&server, "footage", secret, key);
    assert_eq!(put(&server, &path("guess", "k.ts"), &[]).unwrap().status, 403);
    for wrong in [
        ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ] {
        let refused = put(&server, &path("test-secret-key", "spoilt.ts"), &[wrong]).unwrap();
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
    let right = [
        ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="),
        ("x-amz-checksum-sha256", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ("If-None-Match", "*"),
    ];
    assert_eq!(put(&server, &path("test-secret-key", "k.ts"), &right).unwrap().status, 200);
    assert_eq!(put(&server, &path("test-secret-key", "k.ts"), &right).unwrap().status, 412);
    let other = signed(&server, "other", "test-secret-key", "k.ts");
    assert_eq!(put(&server, &other, &[]).unwrap().status, 404);
    assert_eq!(server.all_commits().into_keys().collect::<Vec<_>>(), ["k.ts"]);
    assert_eq!(server.commits("k.ts")[0].sha256, hex::encode(Sha256::digest(b"abc")));
}

#[test]
fn a_missing_bucket_is_not_created() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    let answer = put(&server, &signed(&server, "other", "test-secret-key", "k.ts"), &[]).unwrap();
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("NoSuchBucket"));
    assert!(!root.path().join("other").exists());
}

#[test]
fn a_stopped_server_refuses_and_comes_back_with_its_objects() {
    let root = tempfile::tempdir().unwrap();
    let mut server = start(&root);
    let path = signed(&server, "footage", "test-secret-key", "k.ts");
    assert_eq!(put(&server, &path, &[]).unwrap().status, 200);
    let address = server.address();
    server.stop();
    assert_eq!(put(&server, &path, &[]).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    server.start_again().unwrap();
    assert_eq!(server.address(), address);
    assert_eq!(server.keys(), ["k.ts"]);
    assert_eq!(put(&server, &path, &[]).unwrap().status, 200);
    assert_eq!(server.commits("k.ts").len(), 2, "commits are counted over restarts");
}

#[test]
fn faults_spoil_as_many_uploads_as_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let mut server = start(&root);
    let path = signed(&server, "footage", "test-secret-key", "k.ts");
    server.spoil_next(1, Fault::Refuse(503, "SlowDown"));
    let refused = put(&server, &path, &[]).unwrap();
    assert_eq!((refused.status, refused.text().contains("SlowDown")), (503, true));
    assert!(server.keys().is_empty());
    server.spoil_next(1, Fault::CommitThenHangUp);
    assert!(put(&server, &path, &[]).is_err());
    server.spoil_next(1, Fault::CommitThenRefuse(500, "InternalError"));
    assert_eq!(put(&server, &path, &[]).unwrap().status, 500);
    assert_eq!(put(&server, &path, &[]).unwrap().status, 200);
    assert_eq!(server.commits("k.ts").len(), 3);

    // a stalled answer ends with the server, not with the test's patience
    server.spoil_next(1, Fault::CommitThenStall);
    std::thread::scope(|scope| {
        let address = server.address();
        let stalled = scope.spawn(move || http::request(address, "PUT", &path, &[], b"abc"));
        eventually(Duration::from_secs(10), "the commit", || server.commits("k.ts").len() == 4);
        server.stop();
        assert!(stalled.join().unwrap().is_err());
    });
}

#[test]
fn a_plan_spoils_what_it_says_until_it_is_over() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    let path = |key: &str| signed(&server, "footage", "test-secret-key", key);
    let status = |key: &str| put(&server, &path(key), &[]).unwrap().status;
    server.set_faults(Plan::next(1, Fault::RefuseEarly(503, "SlowDown")).meeting(Meets::Segments));
    assert_eq!([status("probe"), status("a.ts"), status("a.ts")], [200, 503, 200]);
    server.set_faults(Plan::during(Duration::ZERO, Fault::Skewed));
    assert_eq!(status("b.ts"), 200);
    server.set_faults(Plan::always(Fault::Skewed));
    assert_eq!([status("c.ts"), status("probe")], [403, 403]);
    server.set_faults(Plan::always(Fault::LoginPage).meeting(Meets::Everything));
    let page = http::request(server.address(), "GET", "/", &[], &[]).unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    assert_eq!(server.faults_met(), 4);
    server.heal();
    assert_eq!(status("c.ts"), 200);
}

#[test]
fn faults_below_http_leave_no_answer() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    let path = signed(&server, "footage", "test-secret-key", "k.ts");
    for (fault, stored) in [(Fault::Garbage, 0), (Fault::ResetMidBody, 0), (Fault::CommitThenReset, 1)] {
        server.spoil_next(1, fault);
        assert!(put(&server, &path, &[]).is_err(), "{fault:?}");
        assert_eq!(server.commits("k.ts").len(), stored, "{fault:?}");
    }
    assert_eq!(server.commits("k.ts")[0].sha256, hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"abc")));
}

#[test]
fn a_store_that_ignores_conditions_overwrites() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    server.ignore_conditions();
    let path = signed(&server, "footage", "test-secret-key", "k.ts");
    for _ in 0..2 {
        assert_eq!(put(&server, &path, &[("If-None-Match", "*")]).unwrap().status, 200);
    }
    assert_eq!(server.commits("k.ts").len(), 2);
}
