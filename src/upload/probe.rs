//! Finds out what the store really does, with small objects of our own: run by the worker at start, and by
//! `check s3`. Stores differ in what they honour and do not say so (Garage overwrites in spite of If-None-Match).

use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::answer::{self, Reply, Trouble};
use super::proof;
use super::s3::{Body, Put, S3};
use crate::segment::{Prefix, Timestamp};

/// Where objects of the program itself lie, never a segment.
const FOLDER: &str = ".cctv-s3-pipeline/";
pub const CONTENT: &[u8] = b"written by cctv-s3-pipeline to see what this store can do; may be deleted\n";

/// What the worker learns at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Whether `If-None-Match: *` keeps an object from being overwritten.
    Conditional(bool),
    /// These credentials may not write the probe; segments may still be allowed.
    Denied(Trouble),
    Trouble(Trouble),
}

/// A key that nobody else uses.
pub fn own_key(prefix: &Prefix, name: &str) -> String {
    format!("{}{FOLDER}{name}-{:016x}", prefix.root(), fastrand::u64(..))
}

/// PUTs the small object `key`.
pub async fn put(s3: &S3, key: &str, only_if_absent: bool) -> Reply {
    let put = Put {
        key,
        content_type: "text/plain",
        md5: Md5::digest(CONTENT).into(),
        sha256: Some(Sha256::digest(CONTENT).into()),
        only_if_absent,
        ..Put::default()
    };
    s3.put(&put, Body::Bytes(Bytes::from_static(CONTENT))).await
}

/// Writes the probe twice, the second time only if it is absent, and deletes it.
pub async fn conditional(s3: &S3, prefix: &Prefix) -> Found {
    // a name of its own: another recorder may be probing the same bucket
    let key = own_key(prefix, "probe");
    let first = put(s3, &key, false).await;
    if let Err(trouble) = answer::plain(&first, s3.place(), Timestamp::now()) {
        let denied = first.is_ok_and(|answer| answer.code.as_deref() == Some("AccessDenied"));
        return if denied { Found::Denied(trouble) } else { Found::Trouble(trouble) };
    }
    let written = proof::expected(CONTENT);
    if let Err(trouble) = proof::stored(s3, &key, &first, &written).await {
        return Found::Trouble(trouble);
    }
    let second = put(s3, &key, true).await;
    let found = match answer::put(&second, &written.md5_hex, s3.place(), Timestamp::now()) {
        answer::Put::Exists => Found::Conditional(true),
        // 501 is how some stores refuse the header
        answer::Put::Link(trouble) if !second.is_ok_and(|answer| answer.status == 501) => {
            Found::Trouble(trouble)
        }
        // overwritten, or a refusal of the header: either way it cannot be relied on
        _ => Found::Conditional(false),
    };
    // best effort: without the right to delete, a few bytes stay
    if let Err(missing) = s3.delete(&key).await {
        log::debug!("[upload] delete the probe object: {}", missing.reason);
    }
    found
}
