//! Which rights at AWS (IAM actions) each thing needs, so that a refusal names the one that is missing. Pure.
//!
//! Used by `check s3`. docs/S3.md has the policy, and a test compares it with these.

use crate::config::{Encryption, ObjectConfig};

/// Without these nothing is uploaded and verified.
pub const NEEDED: [&str; 2] = ["s3:PutObject", "s3:GetObject"];
/// Without these it works, and less well.
pub const WANTED: [&str; 3] = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload"];
/// For the small objects of the program itself, and for nothing else.
pub const OWN: &str = "s3:DeleteObject";
/// What the configuration asks for by `tags`, `object_lock_days` and `sse_kms_key_id`.
pub const TAGS: &str = "s3:PutObjectTagging";
pub const LOCK: &str = "s3:PutObjectRetention";
pub const KMS: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];
/// For the command `lifecycle`: better another key than the recorder's.
pub const LIFECYCLE: [&str; 2] = ["s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"];

/// What a refused PUT may lack.
pub fn of_put(objects: &ObjectConfig, is_segment: bool) -> String {
    let mut actions = vec![NEEDED[0]];
    if !objects.tags.is_empty() {
        actions.push(TAGS);
    }
    if is_segment && objects.lock.is_some() {
        actions.push(LOCK);
    }
    if matches!(objects.encryption, Encryption::Kms(_)) {
        actions.push(KMS[0]);
    }
    actions.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::config::Lock;

    #[test]
    fn a_refused_put_names_what_it_may_lack() {
        let mut objects = ObjectConfig::default();
        assert_eq!(of_put(&objects, true), "s3:PutObject");
        objects.tags.push(("a".into(), "b".into()));
        objects.lock = Some(Lock { is_compliance: false, days: 1 });
        objects.encryption = Encryption::Kms(None);
        let all = "s3:PutObject, s3:PutObjectTagging, s3:PutObjectRetention, kms:GenerateDataKey";
        assert_eq!(of_put(&objects, true), all);
        assert!(!of_put(&objects, false).contains("Retention"));
    }

    #[test]
    fn the_policies_of_the_manual_allow_exactly_these() {
        let manual = include_str!("../../docs/S3.md");
        let blocks = manual.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
        let mut allowed = BTreeSet::new();
        for block in blocks {
            let policy: Value = serde_json::from_str(block).unwrap();
            for statement in policy["Statement"].as_array().unwrap() {
                assert_eq!(statement["Effect"], "Allow");
                let actions = statement["Action"].as_array().unwrap();
                if actions.iter().any(|action| action == OWN) {
                    let of = statement["Resource"].as_str().unwrap();
                    assert!(
                        actions.len() == 1 && of.ends_with("/.cctv-s3-pipeline/*"),
                        "{of}: footage stays"
                    );
                }
                allowed.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned()));
            }
        }
        let known = [&NEEDED[..], &WANTED, &[TAGS, LOCK, OWN], &KMS, &LIFECYCLE].concat();
        assert_eq!(allowed, known.iter().map(|action| (*action).to_owned()).collect());
    }
}
