//! `check s3`: does by hand, step by step, what the uploader will do, and says what works and what to do.

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::answer::{self, Answer, Head, Reply};
use super::probe;
use super::proof;
use super::rights;
use super::s3::{Body, Put, S3, Source};
use crate::config::S3Config;
use crate::error::{Error, Kind, Result};
use crate::segment::Timestamp;
use sha2::Sha256;

/// One line of the report: what was tried, and what came of it.
pub type Line = (&'static str, Result<String>);

/// Tries the store with a small object of our own, which it deletes again. Later steps are left out when an
/// earlier one shows that they cannot work.
pub async fn check_s3(config: &S3Config) -> Vec<Line> {
    check_s3_as(config, Source::Chain { profile: config.profile.clone() }).await
}

/// As [`check_s3`], with credentials from elsewhere.
pub async fn check_s3_as(config: &S3Config, source: Source) -> Vec<Line> {
    match S3::new(config, source) {
        Ok(s3) => check_with(&s3, config).await,
        Err(error) => vec![("endpoint", Err(error))],
    }
}

pub(super) async fn check_with(s3: &S3, config: &S3Config) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let found = s3.credentials().describe().await;
    let usable = found.is_ok();
    lines.push(("credentials", found.map_err(|missing| Error::new(Kind::Denied, missing.reason))));
    if !usable {
        return lines;
    }
    // a name of its own: the uploader may be probing at the same time
    let key = probe::own_key(&config.prefix, "check");
    let written = probe::put(s3, &key, false).await;
    if let Ok(answer) = &written {
        lines.push(("clock", clock(answer)));
    }
    let place = s3.place();
    if let Err(trouble) = answer::plain(&written, place, Timestamp::now()) {
        let kind = if trouble.misconfigured { Kind::Denied } else { Kind::Unreachable };
        let lacks = if is_denied(&written) {
            format!("; the key may lack {}", rights::of_put(&config.objects, false))
        } else {
            String::new()
        };
        lines.push(("write", Err(Error::new(kind, format!("{}{lacks}", trouble.reason)))));
        return lines;
    }
    lines.push(("write", Ok(format!("bucket {} at {} takes objects below {key}", place.bucket, place.host))));
    lines.push(("verify", verify(s3, &key).await));
    lines.push(("checksums", checksums(s3, &key).await));
    lines.push(("overwrite guard", overwrite_guard(s3, &key).await));
    lines.push(("list", list(s3, config.prefix.root()).await));
    if config.objects.lock.is_some() {
        lines.push(("object lock", object_lock(s3).await));
    }
    if !config.lifecycle.is_empty() {
        lines.push(("lifecycle", lifecycle(s3).await));
    }
    lines.push(("clean up", clean_up(s3, &key).await));
    lines
}

fn clock(answer: &Answer) -> Result<String> {
    match answer::skew_seconds(answer, Timestamp::now()) {
        None => Ok("S3 does not say its time".into()),
        Some(skew @ -60..=60) => Ok(format!("agrees with S3's within {} s", skew.abs().max(1))),
        Some(skew) => Err(Error::new(
            Kind::Denied,
            format!(
                "this machine's clock is {} s {} S3's; set it (is NTP running?), from 15 minutes on S3 refuses everything",
                skew.abs(),
                if skew > 0 { "behind" } else { "ahead of" }
            ),
        )),
    }
}

async fn verify(s3: &S3, key: &str) -> Result<String> {
    let expected = proof::expected(probe::CONTENT);
    match answer::head(&s3.head(key).await, &expected, s3.place(), Timestamp::now()) {
        Head::Same => Ok("HEAD finds the object with its size and hash".into()),
        Head::Absent => Err(Error::new(
            Kind::Data,
            "HEAD does not find the object just written; is something between here and S3 answering in its place?",
        )),
        Head::Other(found) => Err(Error::new(Kind::Data, format!("HEAD finds another object: {found}"))),
        Head::Link(trouble) => {
            let lacks =
                format!("HEAD does not work: {}; the key may lack {}", trouble.reason, rights::NEEDED[1]);
            Err(Error::new(Kind::Denied, lacks))
        }
    }
}

/// Sends other bytes than the checksums say, to another key: a store that takes them would keep damaged video.
async fn checksums(s3: &S3, key: &str) -> Result<String> {
    let key = format!("{key}-damaged");
    let put = Put {
        key: &key,
        content_type: "text/plain",
        md5: Md5::digest(b"other bytes").into(),
        sha256: Some(Sha256::digest(b"other bytes").into()),
        ..Put::default()
    };
    let reply = s3.put(&put, Body::Bytes(Bytes::from_static(probe::CONTENT))).await;
    match reply {
        Ok(answer) if (200..300).contains(&answer.status) => {
            let _ = s3.delete(&key).await;
            Err(Error::new(
                Kind::Data,
                "S3 stored bytes that do not match their checksum; uploads are then verified by ETag only",
            ))
        }
        Ok(answer) => Ok(format!("a damaged body is refused ({})", answer.code.unwrap_or_default())),
        // some stores hang up instead of answering; nothing was stored
        Err(missing) => Ok(format!("a damaged body is refused ({})", missing.reason)),
    }
}

async fn overwrite_guard(s3: &S3, key: &str) -> Result<String> {
    match probe::put(s3, key, true).await {
        Ok(answer) if answer.status == 412 => {
            Ok("If-None-Match is honoured: no object is ever overwritten".into())
        }
        Ok(answer) => Ok(format!(
            "If-None-Match is not honoured (answer {}): each object is looked up before its upload instead",
            answer.status
        )),
        Err(missing) => Err(Error::new(Kind::Unreachable, missing.reason)),
    }
}

fn is_denied(reply: &Reply) -> bool {
    reply.as_ref().is_ok_and(|answer| answer.status == 403 && answer.code.as_deref() == Some("AccessDenied"))
}

/// Works without it, too: that is no failure.
async fn list(s3: &S3, root: &str) -> Result<String> {
    match s3.list_one(root).await {
        Ok(answer) if answer.status == 200 => Ok(format!("objects below {root} can be listed")),
        Ok(answer) if answer.status == 403 => Ok(format!(
            "not allowed ({} is missing), which is fine: an object that is not there looks forbidden, and is uploaded",
            rights::WANTED[0]
        )),
        Ok(answer) => Ok(format!("answered {}, which is fine: the recorder lists nothing", answer.status)),
        Err(missing) => Err(Error::new(Kind::Unreachable, missing.reason)),
    }
}

async fn object_lock(s3: &S3) -> Result<String> {
    let none = "the bucket has no Object Lock, so that every upload would be refused; it must be made with it, or leave \
                s3.object_lock_days out";
    match s3.object_lock().await {
        Ok(answer) if answer.status == 200 && answer.body.contains("Enabled") => {
            Ok("the bucket keeps objects from being deleted".into())
        }
        Ok(answer) if answer.status == 403 => {
            Ok("cannot be seen (s3:GetBucketObjectLockConfiguration is missing); the first upload tells"
                .into())
        }
        Ok(_) => Err(Error::new(Kind::Denied, none)),
        Err(missing) => Err(Error::new(Kind::Unreachable, missing.reason)),
    }
}

async fn lifecycle(s3: &S3) -> Result<String> {
    match s3.lifecycle().await {
        Ok(answer)
            if answer.status == 200 || answer.code.as_deref() == Some("NoSuchLifecycleConfiguration") =>
        {
            Ok("rules can be read; `lifecycle show` compares them with the configuration".into())
        }
        Ok(answer) if answer.status == 403 => Ok(format!(
            "rules cannot be read with this key ({} is missing); use another one for `lifecycle`",
            rights::LIFECYCLE[0]
        )),
        Ok(answer) => {
            let what = format!(
                "this store has no lifecycle rules (answer {}); leave [s3.lifecycle] out",
                answer.status
            );
            Err(Error::new(Kind::Data, what))
        }
        Err(missing) => Err(Error::new(Kind::Unreachable, missing.reason)),
    }
}

async fn clean_up(s3: &S3, key: &str) -> Result<String> {
    match s3.delete(key).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok("the test object is deleted".into()),
        Ok(answer) => Ok(format!(
            "the test object stays (delete answered {}), which is fine: footage is never deleted; {} is missing for it; it is {key}",
            answer.status,
            rights::OWN
        )),
        Err(missing) => Err(Error::new(Kind::Unreachable, missing.reason)),
    }
}
