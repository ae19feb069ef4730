//! How objects are kept in the bucket: class, encryption, tags, lock, and the rules for what becomes of them later.
//!
//! Used by `sections.rs`. What S3 would refuse with every upload is refused here, in words.

use super::table::{Table, Text};

/// Classes that a PUT can name; all but the last two can be read at once.
pub const CLASSES: [&str; 7] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];
/// S3 moves nothing into these before it is 30 days old.
const AFTER_A_MONTH: [&str; 2] = ["STANDARD_IA", "ONEZONE_IA"];
const MOST_DAYS: u32 = 36_500;
const MOST_TAGS: usize = 10;

/// What each object is stored with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectConfig {
    /// Of segments; `None`: the bucket's own, which is STANDARD.
    pub storage_class: Option<String>,
    pub encryption: Encryption,
    /// In the order of the file.
    pub tags: Vec<(String, String)>,
    /// Of segments.
    pub lock: Option<Lock>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// What the bucket does by itself.
    #[default]
    Bucket,
    /// SSE-S3
    S3,
    /// SSE-KMS, with a key other than the account's own.
    Kms(Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// COMPLIANCE: not even the account's owner can shorten it.
    pub is_compliance: bool,
    pub days: u32,
}

/// `[s3.lifecycle]`: what the bucket is to do with footage that grows old.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// After so many days into this class.
    pub transition: Option<(u32, String)>,
    pub expire_days: Option<u32>,
    pub abort_multipart_days: Option<u32>,
}

impl LifecycleConfig {
    pub fn is_empty(&self) -> bool {
        *self == LifecycleConfig::default()
    }
}

pub(super) fn objects(table: &Table<'_>) -> ObjectConfig {
    ObjectConfig {
        storage_class: table.text("storage_class").and_then(|text| class(&text)),
        encryption: encryption(table).unwrap_or_default(),
        tags: tags(table),
        lock: lock(table),
    }
}

fn class(text: &Text<'_>) -> Option<String> {
    if !CLASSES.contains(&text.value.as_str()) {
        text.refuse(&CLASSES.join(", "), "leave it out for the bucket's own");
        return None;
    }
    Some(text.value.clone())
}

fn encryption(table: &Table<'_>) -> Option<Encryption> {
    let key = table.text("sse_kms_key_id");
    let sse = table.text("sse");
    let is_kms = sse.as_ref().is_some_and(|text| text.value == "aws:kms");
    if let (Some(text), false) = (&key, is_kms) {
        text.problem("found without sse = \"aws:kms\"; write that, too, or take the key out");
    }
    let text = sse?;
    match text.value.as_str() {
        "AES256" => Some(Encryption::S3),
        "aws:kms" => Some(Encryption::Kms(key.map(|text| text.value))),
        _ => {
            text.refuse(
                "\"AES256\" (SSE-S3) or \"aws:kms\"",
                "leave it out for what the bucket does by itself",
            );
            None
        }
    }
}

/// `NAME=VALUE` each.
fn tags(table: &Table<'_>) -> Vec<(String, String)> {
    let texts = table.texts("tags", false).unwrap_or_default();
    if texts.len() > MOST_TAGS {
        table.problem_at("tags", &format!("found {} tags, allowed {MOST_TAGS}; take some out", texts.len()));
    }
    let legal = |part: &str, most: usize| {
        part.chars().count() <= most && part.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c))
    };
    let mut tags: Vec<(String, String)> = Vec::new();
    for text in texts {
        match text.value.split_once('=') {
            Some((name, _)) if tags.iter().any(|(known, _)| known == name) => {
                text.problem("found twice; each name once");
            }
            Some((name, value)) if !name.is_empty() && legal(name, 128) && legal(value, 256) => {
                tags.push((name.to_owned(), value.to_owned()));
            }
            _ => text
                .refuse("NAME=VALUE of letters, digits, spaces and + - = . _ : / @", "write \"site=shop-7\""),
        }
    }
    tags
}

fn lock(table: &Table<'_>) -> Option<Lock> {
    let days = table.integer("object_lock_days", 0..=MOST_DAYS, 0);
    let is_compliance = match table.text("object_lock_mode") {
        None => false,
        Some(text) => {
            if days == 0 {
                text.problem("found without object_lock_days; write how long, or take it out");
            }
            match text.value.as_str() {
                "GOVERNANCE" => false,
                "COMPLIANCE" => true,
                _ => {
                    text.refuse(
                        "\"GOVERNANCE\" or \"COMPLIANCE\"",
                        "in COMPLIANCE nobody can delete before the time",
                    );
                    false
                }
            }
        }
    };
    (days > 0).then_some(Lock { is_compliance, days })
}

pub(super) fn lifecycle(table: Table<'_>, objects: &ObjectConfig) -> LifecycleConfig {
    let some = |days: u32| (days > 0).then_some(days);
    let transition_days = some(table.integer("transition_days", 0..=MOST_DAYS, 0));
    let class = table.text("transition_class");
    let lifecycle = LifecycleConfig {
        transition: transition(&table, transition_days, class),
        expire_days: some(table.integer("expire_days", 0..=MOST_DAYS, 0)),
        abort_multipart_days: some(table.integer("abort_multipart_days", 0..=MOST_DAYS, 0)),
    };
    if let (Some((days, _)), Some(expire)) = (&lifecycle.transition, lifecycle.expire_days)
        && expire <= *days
    {
        let what =
            format!("found {expire}, but objects move only after {days} days; expire later, or do not move");
        table.problem_at("expire_days", &what);
    }
    if let (Some(lock), Some(expire)) = (objects.lock, lifecycle.expire_days)
        && expire < lock.days
    {
        let what = format!(
            "found {expire}, but each object is locked for {} days; expire later, or lock shorter",
            lock.days
        );
        table.problem_at("expire_days", &what);
    }
    table.finish();
    lifecycle
}

fn transition(table: &Table<'_>, days: Option<u32>, text: Option<Text<'_>>) -> Option<(u32, String)> {
    match (days, text) {
        (None, None) => None,
        (Some(_), None) => {
            table.problem_at(
                "transition_days",
                "found without transition_class; write where to, or take it out",
            );
            None
        }
        (None, Some(text)) => {
            text.problem("found without transition_days; write after how many days, or take it out");
            None
        }
        (Some(days), Some(text)) => {
            let class = class(&text).filter(|class| class != "STANDARD").or_else(|| {
                if text.value == "STANDARD" {
                    text.refuse(&CLASSES[1..].join(", "), "nothing moves back");
                }
                None
            })?;
            if AFTER_A_MONTH.contains(&class.as_str()) && days < 30 {
                let what =
                    format!("found {days}, but S3 moves objects to {class} after 30 days or more; write 30");
                table.problem_at("transition_days", &what);
            }
            Some((days, class))
        }
    }
}
