//! Tables over every answer seen from real and faulty stores.

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_763_906_399);
const MD5: &str = "0123456789abcdef0123456789abcdef";

fn place() -> Place {
    Place { host: "127.0.0.1:9000".into(), bucket: "b".into(), region: "ap-south-1".into() }
}

fn error(status: u16, code: &str) -> Reply {
    Ok(Answer { status, code: (!code.is_empty()).then(|| code.into()), date: Some(NOW), ..Answer::default() })
}

fn expected() -> Expected {
    Expected { bytes: 100, md5_hex: MD5.into(), sha256_hex: "aa".repeat(32) }
}

#[derive(Debug, PartialEq)]
enum Short {
    Confirmed,
    Unproven,
    Exists,
    Conflict,
    Blamed,
    BlamedFile,
    Waits,
    WaitsInDoubt,
    Misconfigured,
    MisconfiguredInDoubt,
}

fn short(put: Put) -> Short {
    match put {
        Put::Confirmed => Short::Confirmed,
        Put::Unproven => Short::Unproven,
        Put::Exists => Short::Exists,
        Put::Conflict => Short::Conflict,
        Put::Blamed { suspect_file: true, .. } => Short::BlamedFile,
        Put::Blamed { .. } => Short::Blamed,
        Put::Link(Trouble { misconfigured: true, doubtful: false, .. }) => Short::Misconfigured,
        Put::Link(Trouble { misconfigured: true, .. }) => Short::MisconfiguredInDoubt,
        Put::Link(Trouble { doubtful: true, .. }) => Short::WaitsInDoubt,
        Put::Link(_) => Short::Waits,
    }
}

#[test]
fn every_answer_to_a_put_has_its_meaning() {
    for (status, code, meaning) in [
        (412, "PreconditionFailed", Short::Exists),
        (409, "ConditionalRequestConflict", Short::Conflict),
        (409, "OperationAborted", Short::Conflict),
        (409, "InvalidBucketState", Short::Blamed),
        (400, "BadDigest", Short::BlamedFile),
        (400, "InvalidDigest", Short::BlamedFile),
        (400, "XAmzContentSHA256Mismatch", Short::BlamedFile),
        (400, "EntityTooLarge", Short::Blamed),
        (400, "InvalidArgument", Short::Blamed),
        (400, "KeyTooLongError", Short::Blamed),
        (413, "", Short::Blamed),
        (400, "RequestTimeout", Short::Waits),
        (400, "IncompleteBody", Short::Waits),
        (408, "", Short::Waits),
        (403, "RequestTimeTooSkewed", Short::Waits),
        (429, "TooManyRequests", Short::Waits),
        (503, "SlowDown", Short::WaitsInDoubt),
        (500, "InternalError", Short::WaitsInDoubt),
        (502, "", Short::WaitsInDoubt),
        (507, "XMinioStorageFull", Short::MisconfiguredInDoubt),
        (507, "", Short::MisconfiguredInDoubt),
        (400, "XMinioStorageFull", Short::Misconfigured),
        (400, "InsufficientStorage", Short::Misconfigured),
        (400, "XMinioAdminBucketQuotaExceeded", Short::Misconfigured),
        (403, "QuotaExceeded", Short::Misconfigured),
        (400, "KMS.DisabledException", Short::Misconfigured),
        (307, "TemporaryRedirect", Short::Waits),
        (302, "", Short::Waits),
        (301, "PermanentRedirect", Short::Misconfigured),
        (400, "AuthorizationHeaderMalformed", Short::Misconfigured),
        (403, "AccessDenied", Short::Misconfigured),
        (403, "", Short::Misconfigured),
        (403, "SignatureDoesNotMatch", Short::Misconfigured),
        (403, "InvalidAccessKeyId", Short::Misconfigured),
        (403, "NotSignedUp", Short::Misconfigured),
        (400, "InvalidAccessKeyId", Short::Misconfigured),
        (400, "ExpiredToken", Short::Misconfigured),
        (403, "ExpiredToken", Short::Misconfigured),
        (404, "NoSuchBucket", Short::Misconfigured),
        (404, "", Short::Misconfigured),
        (405, "MethodNotAllowed", Short::Misconfigured),
    ] {
        assert_eq!(short(put(&error(status, code), MD5, &place(), NOW)), meaning, "{status} {code}");
    }
}

#[test]
fn only_the_known_md5_confirms_a_put() {
    for (etag, meaning) in [
        (Some(MD5), Short::Confirmed),
        (Some("ffffffffffffffffffffffffffffffff"), Short::Unproven),
        (None, Short::Unproven),
    ] {
        let reply = Ok(Answer { status: 200, etag: etag.map(Into::into), ..Answer::default() });
        assert_eq!(short(put(&reply, MD5, &place(), NOW)), meaning, "{etag:?}");
    }
}

#[test]
fn a_refused_connection_leaves_no_doubt_and_a_broken_one_does() {
    for (what, meaning) in [
        (Missing::NotConnected, Short::Waits),
        (Missing::Interrupted, Short::WaitsInDoubt),
        (Missing::Credentials, Short::Misconfigured),
    ] {
        let reply = Err(NoAnswer { what, reason: "connection refused".into() });
        assert_eq!(short(put(&reply, MD5, &place(), NOW)), meaning, "{what:?}");
    }
    let reply = Err(NoAnswer { what: Missing::NotConnected, reason: "connection refused".into() });
    let Put::Link(trouble) = put(&reply, MD5, &place(), NOW) else { panic!("not the link's trouble") };
    assert_eq!(trouble.reason, "S3 does not answer at 127.0.0.1:9000 (connection refused)");
}

#[test]
fn a_head_decides_by_size_and_hash() {
    let found = |bytes, etag: Option<&str>, sha256: Option<String>| {
        let reply = Ok(Answer {
            status: 200,
            content_length: Some(bytes),
            etag: etag.map(Into::into),
            sha256_hex: sha256,
            ..Answer::default()
        });
        head(&reply, &expected(), &place(), NOW)
    };
    assert_eq!(found(100, Some(MD5), None), Head::Same);
    assert_eq!(found(100, Some("kms"), Some("aa".repeat(32))), Head::Same);
    assert!(matches!(found(99, Some(MD5), None), Head::Other(_)), "same hash, other size");
    assert!(matches!(found(100, Some("other"), Some("bb".repeat(32))), Head::Other(_)));
    assert!(matches!(found(100, None, None), Head::Link(_)), "a page without an ETag is not S3");
}

#[test]
fn only_a_404_proves_that_nothing_is_there() {
    assert_eq!(head(&error(404, ""), &expected(), &place(), NOW), Head::Absent);
    for status in [302, 400, 403, 405, 412, 429, 500, 503] {
        let Head::Link(trouble) = head(&error(status, ""), &expected(), &place(), NOW) else {
            panic!("{status} must not decide anything about the object");
        };
        assert!(trouble.doubtful, "{status}");
    }
}

#[test]
fn a_login_page_is_never_taken_for_a_foreign_object() {
    let reply = Ok(Answer {
        status: 200,
        content_length: Some(5),
        etag: Some("page".into()),
        content_type: Some("text/html; charset=utf-8".into()),
        ..Answer::default()
    });
    assert!(matches!(head(&reply, &expected(), &place(), NOW), Head::Link(_)));
}

#[test]
fn a_wrong_clock_is_named_with_its_error_whatever_code_the_store_uses() {
    for (code, message) in [
        ("RequestTimeTooSkewed", None),
        ("AccessDenied", Some("Request has expired")),
        ("AccessDenied", None),
        ("InvalidRequest", Some("Bad request: Date is too old")),
    ] {
        let reply = Ok(Answer {
            status: if code == "InvalidRequest" { 400 } else { 403 },
            code: Some(code.into()),
            message: message.map(Into::into),
            date: Some(NOW.plus(Duration::from_secs(1200))),
            ..Answer::default()
        });
        let Put::Link(trouble) = put(&reply, MD5, &place(), NOW) else { panic!("{code}") };
        assert!(trouble.reason.contains("clock is 1200 s behind"), "{}", trouble.reason);
    }
}

#[test]
fn a_redirect_to_another_region_says_which_to_set() {
    let reply = Ok(Answer { status: 301, region: Some("eu-west-1".into()), ..Answer::default() });
    let Put::Link(trouble) = put(&reply, MD5, &place(), NOW) else { panic!("not the link's trouble") };
    assert!(trouble.reason.contains("set s3.region = \"eu-west-1\""), "{}", trouble.reason);
}

#[test]
fn refused_credentials_are_read_again() {
    for code in ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"] {
        let Put::Link(trouble) = put(&error(403, code), MD5, &place(), NOW) else { panic!("{code}") };
        assert!(trouble.stale_credentials, "{code}");
    }
}
