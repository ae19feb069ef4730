//! The client against a store that verifies signatures and checksums.

use bytes::Bytes;

use super::super::answer::Missing;
use super::super::testing::{
    ACCESS_KEY, BUCKET, SECRET_KEY, client, config, faulty, md5_of, real, sha256_of, source,
};
use super::*;
use crate::config::Secret;
use crate::segment::Timestamp;

const KEY: &str = "cameras/cam/2025/11/23/13/segment_1763906399.ts";

fn put_of(bytes: &[u8]) -> Put<'static> {
    Put {
        key: KEY,
        content_type: "video/mp2t",
        md5: md5_of(bytes),
        sha256: Some(sha256_of(bytes)),
        ..Put::default()
    }
}

fn file_of(folder: &std::path::Path, bytes: &[u8]) -> std::fs::File {
    let path = folder.join("file");
    std::fs::write(&path, bytes).unwrap();
    std::fs::File::open(path).unwrap()
}

#[tokio::test]
async fn a_put_arrives_with_its_hashes_and_head_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let s3 = client(server.address);
    let bytes = vec![7; 700_000];
    let file = file_of(folder.path(), &bytes);
    let answer = s3.put(&put_of(&bytes), Body::File { file, bytes: 700_000 }).await.unwrap();
    assert_eq!((answer.status, answer.etag), (200, Some(hex::encode(md5_of(&bytes)))));
    let found = s3.head(KEY).await.unwrap();
    assert_eq!(found.content_length, Some(700_000));
    assert_eq!(found.sha256_hex, Some(hex::encode(sha256_of(&bytes))));
    assert_eq!(found.content_type.as_deref(), Some("video/mp2t"));
    assert_eq!(std::fs::read(folder.path().join(BUCKET).join(KEY)).unwrap(), bytes);
    assert_eq!(s3.delete(KEY).await.unwrap().status, 204);
    assert_eq!(s3.head(KEY).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_body_that_is_not_what_was_signed_is_refused_by_each_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let s3 = client(server.address);
    let sent = || Body::Bytes(Bytes::from_static(b"damaged"));
    let right = put_of(b"damaged");
    for (what, put) in [
        ("both", put_of(b"original")),
        ("md5", Put { sha256: right.sha256, ..put_of(b"original") }),
        ("sha256", Put { md5: right.md5, ..put_of(b"original") }),
    ] {
        let answer = s3.put(&put, sent()).await.unwrap();
        assert_eq!((answer.status, answer.code.as_deref()), (400, Some("BadDigest")), "{what}");
    }
    assert_eq!(s3.put(&right, sent()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_conditional_put_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let s3 = client(server.address);
    let first = s3.put(&put_of(b"first"), Body::Bytes(Bytes::from_static(b"first"))).await;
    assert_eq!(first.unwrap().status, 200);
    let put = Put { only_if_absent: true, ..put_of(b"second") };
    let second = s3.put(&put, Body::Bytes(Bytes::from_static(b"second"))).await;
    assert_eq!(second.unwrap().status, 412);
    assert_eq!(std::fs::read(folder.path().join(BUCKET).join(KEY)).unwrap(), b"first");
}

#[tokio::test]
async fn a_wrong_key_is_refused_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let wrong = |access_key: &str, secret: &str| Source::Fixed {
        access_key: access_key.into(),
        secret_key: Secret::new(secret),
    };
    for (keys, code) in [
        (wrong("AKTESTTESTTESTTEST", "wrong"), "SignatureDoesNotMatch"),
        (wrong("AKOTHER", SECRET_KEY), "NotSignedUp"),
    ] {
        let s3 = S3::new(&config(server.address), keys).unwrap();
        let answer = s3.put(&put_of(b"x"), Body::Bytes(Bytes::from_static(b"x"))).await.unwrap();
        assert_eq!((answer.status, answer.code.as_deref()), (403, Some(code)));
        assert_eq!(s3.head(KEY).await.unwrap().status, 403);
    }
}

#[tokio::test]
async fn a_large_object_goes_in_parts_and_keeps_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let s3 = client(server.address);
    let bytes: Vec<u8> = (0..20_000_000u32).map(|n| (n / 7) as u8).collect();
    let file = file_of(folder.path(), &bytes);
    let Multipart::Completed(reply) = s3.put_multipart(&put_of(&bytes), file, 20_000_000).await else {
        panic!("not completed");
    };
    assert_eq!(reply.unwrap().status, 200);
    let found = s3.head(KEY).await.unwrap();
    assert_eq!(found.content_length, Some(20_000_000));
    assert_eq!(found.sha256_hex, Some(hex::encode(sha256_of(&bytes))));
    assert!(std::fs::read(folder.path().join(BUCKET).join(KEY)).unwrap() == bytes);
}

#[tokio::test]
async fn a_file_that_ends_early_is_not_completed() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let s3 = client(server.address);
    let file = file_of(folder.path(), &[1; 6_000_000]);
    let ended = s3.put_multipart(&put_of(b""), file, 20_000_000).await;
    assert!(matches!(ended, Multipart::Unreadable(_)), "{ended:?}");
    assert_eq!(s3.head(KEY).await.unwrap().status, 404);
}

#[tokio::test]
async fn no_error_holds_a_url_a_signature_or_a_key() {
    let stopped = faulty([]).await.server.stop().await;
    let s3 = client(stopped);
    let missing = s3.put(&put_of(b"x"), Body::Bytes(Bytes::from_static(b"x"))).await.unwrap_err();
    assert_eq!(missing.what, Missing::NotConnected);
    assert_eq!(missing.reason, "connection refused");
    for endpoint in ["http://no-such-host.invalid", &format!("https://{stopped}")] {
        let config = S3Config { endpoint: Some(endpoint.into()), ..config(stopped) };
        let s3 = S3::new(&config, source()).unwrap();
        for reply in [
            s3.put(&put_of(b"x"), Body::Bytes(Bytes::from_static(b"x"))).await,
            s3.head(KEY).await,
            s3.delete(KEY).await,
        ] {
            let text = format!("{reply:?}");
            for secret in ["X-Amz", "Signature", "AKTEST", SECRET_KEY, "http"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
    assert!(!format!("{:?}", source()).contains(SECRET_KEY));
}

#[test]
fn an_endpoint_is_an_http_url_or_refused() {
    let address = "127.0.0.1:9".parse().unwrap();
    for (endpoint, host) in [
        ("http://nas:9000", Some("nas:9000")),
        ("http://nas:9000/", Some("nas:9000")),
        ("http://nas:80", Some("nas")),
        ("https://s3.example.org:443", Some("s3.example.org")),
        ("nas:9000", None),
        ("ftp://nas", None),
    ] {
        let config = S3Config { endpoint: Some(endpoint.into()), ..config(address) };
        let made = S3::new(&config, source());
        assert_eq!(made.as_ref().ok().map(|s3| s3.place().host.as_str()), host, "{endpoint}");
        if let Err(error) = made {
            assert_eq!(error.kind(), Kind::Config);
        }
    }
    for (region, host) in
        [("ap-south-1", "s3.ap-south-1.amazonaws.com"), ("xx-new-9", "s3.xx-new-9.amazonaws.com")]
    {
        let config = S3Config { endpoint: None, region: region.into(), ..config(address) };
        assert_eq!(S3::new(&config, source()).unwrap().place().host, host);
    }
}

#[tokio::test]
async fn only_our_own_multipart_uploads_of_another_day_are_swept() {
    let store = faulty([]).await;
    let upload = |key: &str, id: &str, initiated: &str| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{initiated}</Initiated>\
             <StorageClass>STANDARD</StorageClass></Upload>"
        )
    };
    let uploads = [
        upload(KEY, "old", "2025-11-22T00:00:00.000Z"),
        upload("cameras/cam/2025/11/23/13/segment_1763906409.ts", "young", "2025-11-23T13:00:00.000Z"),
        upload("cameras/backup.tar", "foreign", "2025-11-01T00:00:00.000Z"),
    ];
    let listing = format!(
        "<ListMultipartUploadsResult><Bucket>{BUCKET}</Bucket><IsTruncated>false</IsTruncated>{}\
         </ListMultipartUploadsResult>",
        uploads.concat()
    );
    store.objects.lock().unwrap().listing = Some(listing);
    let s3 = client(store.server.address);
    let before = Timestamp::from_seconds(1_763_820_000);
    assert_eq!(s3.sweep_multipart("cameras/", before).await, Ok(1));
    let requests = store.objects.lock().unwrap().requests.clone();
    let deleted: Vec<_> = requests.iter().filter(|request| request.starts_with("DELETE")).collect();
    assert_eq!(deleted, [&format!("DELETE /{BUCKET}/{KEY}")]);
    store.objects.lock().unwrap().listing = None;
    assert!(s3.sweep_multipart("cameras/", before).await.is_err(), "not every store can list them");
}

/// The environment is the process's, so the test runs itself again in one of its own.
#[tokio::test]
async fn new_keys_in_the_file_are_used_after_a_refusal() {
    const FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
    const NAME: &str = "upload::s3::tests::new_keys_in_the_file_are_used_after_a_refusal";
    let folder = tempfile::tempdir().unwrap();
    if std::env::var_os("TEST_WITH_CREDENTIALS_FILE").is_none() {
        let path = folder.path().join("credentials");
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env("TEST_WITH_CREDENTIALS_FILE", "1")
            .env(FILE, &path)
            .env("AWS_PROFILE", "recorder")
            .env_remove("AWS_ACCESS_KEY_ID")
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let write = |secret: &str| {
        let text =
            format!("[recorder]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n");
        std::fs::write(std::env::var_os(FILE).unwrap(), text).unwrap();
    };
    let server = real(folder.path(), "127.0.0.1:0").await;
    let s3 = S3::new(&config(server.address), Source::Chain { profile: None }).unwrap();
    let missing = s3.head(KEY).await.unwrap_err();
    assert_eq!(missing.what, Missing::Credentials);
    assert!(missing.reason.contains("under [recorder]"), "{}", missing.reason);
    write("wrong");
    assert_eq!(s3.head(KEY).await.unwrap().status, 403);
    write(SECRET_KEY);
    assert_eq!(s3.head(KEY).await.unwrap().status, 403, "not read again without a reason");
    s3.credentials().mark_stale();
    assert_eq!(s3.head(KEY).await.unwrap().status, 404);
    let described = s3.credentials().describe().await.unwrap();
    assert_eq!(described, "from ~/.aws/credentials, profile \"recorder\"");
}

#[tokio::test]
async fn a_limited_body_arrives_whole_and_no_faster_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = real(folder.path(), "127.0.0.1:0").await;
    let limited = S3Config { max_upload_bytes_per_second: Some(100_000), ..config(server.address) };
    let s3 = S3::new(&limited, source()).unwrap();
    let bytes: Vec<u8> = (0..30_000u32).map(|n| (n % 251) as u8).collect();
    let path = folder.path().join("file");
    std::fs::write(&path, &bytes).unwrap();
    let begin = std::time::Instant::now();
    let file = std::fs::File::open(&path).unwrap();
    let file = Body::File { file, bytes: bytes.len() as u64 };
    for body in [Body::Bytes(Bytes::from(bytes.clone())), file] {
        assert_eq!(s3.put(&put_of(&bytes), body).await.unwrap().status, 200);
        assert_eq!(std::fs::read(folder.path().join(BUCKET).join(KEY)).unwrap(), bytes);
    }
    // 60,000 bytes, of which the last piece and what may be caught up need not be waited for
    assert!(begin.elapsed() >= Duration::from_millis(480), "{:?}", begin.elapsed());
}

#[test]
fn a_request_is_given_the_time_that_the_limit_takes() {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let timeout = |rate| {
        let config = S3Config { max_upload_bytes_per_second: rate, ..config(address) };
        S3::new(&config, source()).unwrap().put_timeout(2_500_000)
    };
    assert_eq!(timeout(None), Duration::from_secs(20 + 152));
    // two uploads and a manifest share 8000 bytes a second
    assert_eq!(timeout(Some(8000)), Duration::from_secs(20 + 152) + Duration::from_millis(937_500));
}
