//! What each object is stored with: class, encryption, tags and lock as headers of its PUT. Pure.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::config::{Encryption, ObjectConfig};
use crate::segment::Timestamp;

const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const SSE: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const SSE_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");
const LOCK_MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const LOCK_UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// Footage: everything applies.
    Segment,
    /// Small, and written again or deleted: no class, which has a least size and time, and no lock.
    #[default]
    Small,
}

pub fn headers(config: &ObjectConfig, kept: Kept, now: Timestamp) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    match &config.encryption {
        Encryption::Bucket => {}
        Encryption::S3 => drop(headers.insert(SSE, HeaderValue::from_static("AES256"))),
        Encryption::Kms(key) => {
            headers.insert(SSE, HeaderValue::from_static("aws:kms"));
            if let Some(key) = key {
                headers.insert(SSE_KEY, HeaderValue::from_str(key)?);
            }
        }
    }
    if !config.tags.is_empty() {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let tags = config.tags.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        headers.insert(TAGGING, HeaderValue::from_str(&tags.collect::<Vec<_>>().join("&"))?);
    }
    if kept == Kept::Segment {
        if let Some(class) = &config.storage_class {
            headers.insert(STORAGE_CLASS, HeaderValue::from_str(class)?);
        }
        if let Some(lock) = config.lock {
            let mode = if lock.is_compliance { "COMPLIANCE" } else { "GOVERNANCE" };
            headers.insert(LOCK_MODE, HeaderValue::from_static(mode));
            let until = now.plus(DAY * lock.days).rfc3339();
            headers.insert(LOCK_UNTIL, HeaderValue::from_str(&until)?);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Lock;

    #[test]
    fn footage_gets_everything_and_what_is_small_no_class_and_no_lock() {
        let config = ObjectConfig {
            storage_class: Some("STANDARD_IA".into()),
            encryption: Encryption::Kms(Some("arn:aws:kms:x".into())),
            tags: vec![("site".into(), "shop 7".into()), ("a/b".into(), String::new())],
            lock: Some(Lock { is_compliance: true, days: 2 }),
        };
        let now = Timestamp::from_seconds(1_763_902_800);
        let text = |kept| {
            let headers = headers(&config, kept, now).unwrap();
            let mut lines: Vec<String> =
                headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            lines.sort();
            lines
        };
        let small = [
            "x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:x",
            "x-amz-server-side-encryption: aws:kms",
            "x-amz-tagging: site=shop%207&a%2Fb=",
        ];
        assert_eq!(text(Kept::Small), small);
        let segment = text(Kept::Segment);
        assert_eq!(segment.len(), 6);
        for line in [
            "x-amz-object-lock-mode: COMPLIANCE",
            "x-amz-object-lock-retain-until-date: 2025-11-25T13:00:00.000Z",
            "x-amz-storage-class: STANDARD_IA",
        ] {
            assert!(segment.iter().any(|found| found == line), "{segment:?}");
        }
        assert!(headers(&ObjectConfig::default(), Kept::Segment, now).unwrap().is_empty());
    }
}
