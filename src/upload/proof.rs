//! Whether a small object that was PUT really lies there: asked by the probe, the manifests and `check s3`.
//!
//! A status alone proves nothing: a login page answers 200 to everything.

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::answer::{self, Expected, Head, Place, Reply, Trouble};
use super::s3::S3;
use crate::segment::Timestamp;

pub fn expected(content: &[u8]) -> Expected {
    Expected {
        bytes: content.len() as u64,
        md5_hex: hex::encode(Md5::digest(content)),
        sha256_hex: hex::encode(Sha256::digest(content)),
    }
}

/// `reply` answered the PUT of `expected` under `key`. Asks HEAD where its ETag is no proof.
///
/// # Errors
/// Why it is not stored, or may not be.
pub async fn stored(s3: &S3, key: &str, reply: &Reply, expected: &Expected) -> Result<(), Trouble> {
    answer::plain(reply, s3.place(), Timestamp::now())?;
    if reply.as_ref().is_ok_and(|answer| answer.etag.as_deref() == Some(&expected.md5_hex)) {
        return Ok(());
    }
    match answer::head(&s3.head(key).await, expected, s3.place(), Timestamp::now()) {
        Head::Same => Ok(()),
        Head::Absent | Head::Other(_) => Err(vanished(s3.place())),
        Head::Link(trouble) => Err(trouble),
    }
}

/// Success was answered, and the object is not there.
pub fn vanished(place: &Place) -> Trouble {
    let reason = format!(
        "{} answered the upload with success, but the object is not there; is a login page in between?",
        place.host
    );
    Trouble { doubtful: true, ..Trouble::waiting(reason) }
}
