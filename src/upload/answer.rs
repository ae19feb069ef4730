//! What an answer of S3 means for a segment and for the link: pure, no I/O.
//!
//! The attempt and the manifests ask here after every request. The rule behind the tables: only an answer that
//! S3 itself gives about these bytes may blame or confirm an object; everything else is the link's trouble, and
//! whatever may have stored the object leaves a doubt that only HEAD can lift.

use std::time::Duration;

use crate::segment::Timestamp;

/// An HTTP answer, reduced to what decisions need. Never holds the request's URL or signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `<Code>` of the error document; HEAD has none.
    pub code: Option<String>,
    /// `<Message>` of the error document.
    pub message: Option<String>,
    /// Without its quotes.
    pub etag: Option<String>,
    pub content_length: Option<u64>,
    pub content_type: Option<String>,
    /// `x-amz-meta-sha256`, as we sent it.
    pub sha256_hex: Option<String>,
    /// The server's clock.
    pub date: Option<Timestamp>,
    /// `x-amz-bucket-region`, sent with a redirect to another region.
    pub region: Option<String>,
    /// The body of a success, for the few requests whose answer is a document.
    pub body: String,
}

/// Why there is no HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    pub what: Missing,
    /// In plain words, without URL or key.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No connection: certainly nothing was stored.
    NotConnected,
    /// The connection ended, or time ran out, after the request was under way: it may have been stored.
    Interrupted,
    /// No credentials could be found; nothing was sent.
    Credentials,
}

pub type Reply = Result<Answer, NoAnswer>;

/// The link's trouble: costs no segment an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What happened and, where a person must act, what to do.
    pub reason: String,
    /// Waiting alone will not help.
    pub misconfigured: bool,
    /// The object may have been stored all the same: HEAD before the next PUT.
    pub doubtful: bool,
    /// Credentials should be read again before the next request.
    pub stale_credentials: bool,
}

/// What the answer to a PUT means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// S3 names the MD5 that we know: these bytes are stored.
    Confirmed,
    /// Success, but nothing proves that these bytes were stored: HEAD decides.
    Unproven,
    /// 412: an object lies under the key already: HEAD decides.
    Exists,
    /// 409: another write of the same key is under way.
    Conflict,
    /// S3 refuses this object.
    Blamed {
        reason: String,
        /// S3 says the bytes are not those of the row: look at the file.
        suspect_file: bool,
    },
    Link(Trouble),
}

/// What the answer to a HEAD means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// Definitively no such object.
    Absent,
    /// The object is these bytes.
    Same,
    /// An object of other bytes, and what it looks like.
    Other(String),
    Link(Trouble),
}

/// What we expect to lie under the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub bytes: u64,
    pub md5_hex: String,
    pub sha256_hex: String,
}

/// Who and where, for sentences.
#[derive(Clone, Debug)]
pub struct Place {
    /// `127.0.0.1:9000` or `s3.ap-south-1.amazonaws.com`.
    pub host: String,
    pub bucket: String,
    pub region: String,
}

/// Beyond this the clocks disagree so much that signatures are refused for it (S3 allows 15 minutes).
const SKEW_SUSPECT: Duration = Duration::from_secs(14 * 60);

pub fn put(reply: &Reply, expected_md5_hex: &str, place: &Place, now: Timestamp) -> Put {
    let answer = match reply {
        Ok(answer) => answer,
        Err(missing) => return Put::Link(no_answer(missing, place)),
    };
    match answer.status {
        200..=299 if answer.etag.as_deref() == Some(expected_md5_hex) => Put::Confirmed,
        200..=299 => Put::Unproven,
        412 => Put::Exists,
        409 if is_conflict(answer) => Put::Conflict,
        _ => match trouble(answer, place, now) {
            Some(trouble) => Put::Link(trouble),
            None => Put::Blamed { reason: refusal(answer), suspect_file: blames_bytes(answer) },
        },
    }
}

pub fn head(reply: &Reply, expected: &Expected, place: &Place, now: Timestamp) -> Head {
    let answer = match reply {
        Ok(answer) => answer,
        Err(missing) => return Head::Link(Trouble { doubtful: true, ..no_answer(missing, place) }),
    };
    match answer.status {
        404 => Head::Absent,
        200..=299 => same_or_other(answer, expected, place),
        _ => {
            // even a 400 must not blame the object here: nothing was sent that could be wrong with it
            let trouble = trouble(answer, place, now).unwrap_or_else(|| waiting(answer, place));
            Head::Link(Trouble { doubtful: true, ..trouble })
        }
    }
}

/// For requests that are neither PUT of a segment nor HEAD: success, or why not.
pub fn plain(reply: &Reply, place: &Place, now: Timestamp) -> Result<(), Trouble> {
    match reply {
        Err(missing) => Err(no_answer(missing, place)),
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(trouble(answer, place, now).unwrap_or_else(|| Trouble {
            misconfigured: true,
            ..quiet(format!("S3 at {} refuses the request: {}", place.host, refusal(answer)))
        })),
    }
}

/// The server's clock minus ours, in seconds, where it says.
pub fn skew_seconds(answer: &Answer, now: Timestamp) -> Option<i64> {
    Some((answer.date?.as_millis() - now.as_millis()) / 1000)
}

fn same_or_other(answer: &Answer, expected: &Expected, place: &Place) -> Head {
    let hash_agrees = answer.etag.as_deref() == Some(&expected.md5_hex)
        || answer.sha256_hex.as_deref() == Some(&expected.sha256_hex);
    if answer.content_length == Some(expected.bytes) && hash_agrees {
        return Head::Same;
    }
    let html = answer.content_type.as_deref().is_some_and(|kind| kind.starts_with("text/html"));
    if answer.etag.is_none() || html {
        let reason = format!(
            "something between here and S3 answers in place of {} (a login page?); look at the network",
            place.host
        );
        return Head::Link(Trouble { doubtful: true, ..quiet(reason) });
    }
    let size = answer.content_length.map_or_else(|| "unknown size".into(), |bytes| format!("{bytes} bytes"));
    Head::Other(format!("{size} instead of {} bytes", expected.bytes))
}

fn no_answer(missing: &NoAnswer, place: &Place) -> Trouble {
    match missing.what {
        Missing::Credentials => {
            Trouble { misconfigured: true, stale_credentials: true, ..quiet(missing.reason.clone()) }
        }
        Missing::NotConnected => quiet(format!("S3 does not answer at {} ({})", place.host, missing.reason)),
        Missing::Interrupted => Trouble {
            doubtful: true,
            ..quiet(format!("the connection to S3 at {} broke ({})", place.host, missing.reason))
        },
    }
}

/// The link's trouble in an answer that is not a success, or `None` if the answer blames the object.
fn trouble(answer: &Answer, place: &Place, now: Timestamp) -> Option<Trouble> {
    if matches!(answer.status, 400 | 403) && clock_is_wrong(answer, now) {
        // NTP may set it at any moment, nobody has to act
        return Some(quiet(clock_sentence(answer, now)));
    }
    if let Some(sentence) = cannot_store(answer, place) {
        // a 5xx may come after the object was stored
        return Some(Trouble { doubtful: answer.status >= 500, ..misconfigured(sentence) });
    }
    let code = answer.code.as_deref().unwrap_or_default();
    let sentence = match (answer.status, code) {
        (_, "NoSuchBucket") => format!(
            "the bucket {:?} does not exist at {}; create it or correct s3.bucket",
            place.bucket, place.host
        ),
        // NotSignedUp is how some stores say it
        (_, "InvalidAccessKeyId" | "NotSignedUp") => {
            "S3 does not know the access key; correct AWS_ACCESS_KEY_ID or the profile".into()
        }
        (_, "SignatureDoesNotMatch") => {
            "S3 refuses the signature; correct AWS_SECRET_ACCESS_KEY (and s3.region)".into()
        }
        (_, "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken") => {
            "the S3 credentials have expired; renew them (they are read again by themselves)".into()
        }
        (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException")
        | (301, _) => wrong_region(answer, place),
        (_, "InvalidBucketName") => {
            format!("S3 refuses the bucket name {:?}; correct s3.bucket", place.bucket)
        }
        (401 | 403, _) => return Some(denied(answer, place)),
        (405 | 501, _) => format!(
            "{} does not accept uploads ({}); is s3.endpoint the address of an S3 service?",
            place.host,
            refusal(answer)
        ),
        (404, _) => format!("{} knows no S3 bucket ({}); correct s3.endpoint", place.host, refusal(answer)),
        (300..=399, _) => {
            return Some(quiet(format!(
                "{} redirects elsewhere ({}), which is not followed; is a login page in between?",
                place.host, answer.status
            )));
        }
        (400, "RequestTimeout" | "IncompleteBody") | (408, _) => return Some(waiting(answer, place)),
        (429, _) | (_, "SlowDown" | "TooManyRequests" | "ServiceUnavailable") | (500..=599, _) => {
            // a 5xx may come after the object was stored
            return Some(Trouble { doubtful: answer.status >= 500, ..waiting(answer, place) });
        }
        (400..=499, _) => return None,
        _ => return Some(Trouble { doubtful: true, ..waiting(answer, place) }),
    };
    let stale = matches!(
        code,
        "InvalidAccessKeyId"
            | "NotSignedUp"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "TokenRefreshRequired"
            | "InvalidToken"
    );
    Some(Trouble { stale_credentials: stale, ..misconfigured(sentence) })
}

/// A store that has no room or no key for anybody's objects says so with the status of a refused object.
fn cannot_store(answer: &Answer, place: &Place) -> Option<String> {
    let (bucket, refusal) = (&place.bucket, refusal(answer));
    match (answer.status, answer.code.as_deref().unwrap_or_default()) {
        (_, "XMinioAdminBucketQuotaExceeded" | "QuotaExceeded") => Some(format!(
            "the bucket {bucket:?} is over its quota ({refusal}); raise the quota, or delete old recordings from it"
        )),
        (_, "XMinioStorageFull" | "InsufficientStorage") | (507, _) => {
            Some(format!("the disks of S3 at {} are full ({refusal}); free space there", place.host))
        }
        (_, code) if code.starts_with("KMS.") => Some(format!(
            "S3 cannot encrypt for the bucket {bucket:?} ({refusal}); correct its encryption key, or the right to \
             use it"
        )),
        _ => None,
    }
}

fn denied(answer: &Answer, place: &Place) -> Trouble {
    // not the message: some stores name the access key in it
    let code = answer.code.as_deref().map_or_else(|| answer.status.to_string(), str::to_owned);
    let sentence = format!(
        "S3 denies access to bucket {:?} ({code}); allow s3:PutObject, s3:GetObject and s3:ListBucket for these \
         credentials",
        place.bucket,
    );
    // HEAD has no code: the refusal may as well be an expired token
    Trouble { stale_credentials: true, ..misconfigured(sentence) }
}

fn wrong_region(answer: &Answer, place: &Place) -> String {
    match &answer.region {
        Some(region) => {
            format!("the bucket {:?} is in region {region}; set s3.region = {region:?}", place.bucket)
        }
        None => format!(
            "the bucket {:?} is not in region {:?} ({}); correct s3.region",
            place.bucket,
            place.region,
            refusal(answer)
        ),
    }
}

fn clock_is_wrong(answer: &Answer, now: Timestamp) -> bool {
    let says_so = answer.code.as_deref() == Some("RequestTimeTooSkewed")
        || answer.message.as_deref().is_some_and(|text| {
            ["Date is too old", "Request has expired", "Request is not yet valid", "Request is not valid yet"]
                .iter()
                .any(|words| text.contains(words))
        });
    says_so || skew_seconds(answer, now).is_some_and(|skew| skew.unsigned_abs() > SKEW_SUSPECT.as_secs())
}

fn clock_sentence(answer: &Answer, now: Timestamp) -> String {
    let by = match skew_seconds(answer, now) {
        Some(skew) if skew > 0 => format!("{skew} s behind S3's"),
        Some(skew) => format!("{} s ahead of S3's", -skew),
        None => "wrong by more than 15 minutes".into(),
    };
    format!("this machine's clock is {by}, so S3 refuses the signatures; set the clock (is NTP running?)")
}

/// `503 SlowDown` or `400 BadDigest: the message`.
fn refusal(answer: &Answer) -> String {
    let mut text = answer.status.to_string();
    if let Some(code) = &answer.code {
        text = format!("{text} {code}");
    }
    if let Some(message) = &answer.message {
        text = format!("{text}: {message}");
    }
    text
}

fn is_conflict(answer: &Answer) -> bool {
    matches!(answer.code.as_deref(), Some("ConditionalRequestConflict" | "OperationAborted"))
}

fn blames_bytes(answer: &Answer) -> bool {
    matches!(
        answer.code.as_deref(),
        Some(
            "BadDigest"
                | "InvalidDigest"
                | "XAmzContentSHA256Mismatch"
                | "XAmzContentChecksumMismatch"
                | "InvalidPart"
        )
    )
}

fn waiting(answer: &Answer, place: &Place) -> Trouble {
    quiet(format!("S3 at {} cannot take uploads now ({})", place.host, refusal(answer)))
}

fn misconfigured(reason: String) -> Trouble {
    Trouble { misconfigured: true, ..quiet(reason) }
}

fn quiet(reason: String) -> Trouble {
    Trouble::waiting(reason)
}

impl Trouble {
    /// That heals by itself and left nothing in doubt.
    pub fn waiting(reason: String) -> Self {
        Self { reason, misconfigured: false, doubtful: false, stale_credentials: false }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
