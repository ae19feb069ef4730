//! The rule of this recorder among those of others. Pure, text to text.
//!
//! S3 takes all rules at once or none. So what others wrote is copied byte for byte, and only the rule with our ID is put
//! in the place of the old one.

use crate::config::{LifecycleConfig, S3Config};
use crate::error::{Error, Kind, Result};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// In front of the folder whose rule it is.
const ID: &str = "cctv-s3-pipeline:";

/// What is there and what is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How ours reads now; `None` where there is none.
    pub now: Option<String>,
    /// How ours is to be; `None`: taken away.
    pub wanted: Option<String>,
    /// IDs of the others, which stay.
    pub others: Vec<String>,
    /// Everything, for S3; `None` where nothing is left.
    pub document: Option<String>,
}

impl Plan {
    pub fn changes(&self) -> bool {
        self.now != self.wanted
    }
}

/// `existing`: the bucket's document, or nothing.
///
/// # Errors
/// [`Kind::Data`]: the bucket's document is none that can be kept whole.
pub fn plan(existing: &str, config: &S3Config) -> Result<Plan> {
    let id = format!("{ID}{}", config.prefix.root());
    let (mut kept, mut others, mut now) = (Vec::new(), Vec::new(), None);
    if !existing.trim().is_empty() {
        let broken = |why: String| {
            Error::new(Kind::Data, format!("read the bucket's rules: {why}; nothing was changed"))
        };
        let document = roxmltree::Document::parse(existing).map_err(|error| broken(error.to_string()))?;
        let root = document.root_element();
        if root.tag_name().name() != "LifecycleConfiguration" {
            return Err(broken(format!("found <{}>", root.tag_name().name())));
        }
        for rule in root.children().filter(roxmltree::Node::is_element) {
            let text = |name: &str| {
                rule.children().find(|child| child.has_tag_name_in_any(name)).and_then(|child| child.text())
            };
            match text("ID") {
                Some(found) if found == id => now = Some(words_of(&rule)),
                found => {
                    others.push(found.unwrap_or("(no ID)").to_owned());
                    kept.push(existing[rule.range()].to_owned());
                }
            }
        }
    }
    let rule = (!config.lifecycle.is_empty()).then(|| rule(&id, config.prefix.root(), &config.lifecycle));
    let wanted = rule.as_ref().map(|_| words(&config.lifecycle));
    kept.extend(rule);
    let document = (!kept.is_empty()).then(|| {
        format!("<LifecycleConfiguration xmlns=\"{NAMESPACE}\">{}</LifecycleConfiguration>", kept.concat())
    });
    Ok(Plan { now, wanted, others, document })
}

trait AnyNamespace {
    fn has_tag_name_in_any(&self, name: &str) -> bool;
}

impl AnyNamespace for roxmltree::Node<'_, '_> {
    fn has_tag_name_in_any(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

fn rule(id: &str, root: &str, lifecycle: &LifecycleConfig) -> String {
    let mut rule = format!(
        "<Rule><ID>{}</ID><Filter><Prefix>{}</Prefix></Filter><Status>Enabled</Status>",
        escaped(id),
        escaped(root)
    );
    if let Some((days, class)) = &lifecycle.transition {
        rule.push_str(&format!(
            "<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>"
        ));
    }
    if let Some(days) = lifecycle.expire_days {
        rule.push_str(&format!("<Expiration><Days>{days}</Days></Expiration>"));
    }
    if let Some(days) = lifecycle.abort_multipart_days {
        rule.push_str(&format!(
            "<AbortIncompleteMultipartUpload><DaysAfterInitiation>{days}</DaysAfterInitiation>\
             </AbortIncompleteMultipartUpload>"
        ));
    }
    rule.push_str("</Rule>");
    rule
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// For people, and to compare.
fn words(lifecycle: &LifecycleConfig) -> String {
    let mut words = Vec::new();
    if let Some((days, class)) = &lifecycle.transition {
        words.push(format!("to {class} after {days} days"));
    }
    if let Some(days) = lifecycle.expire_days {
        words.push(format!("deleted after {days} days"));
    }
    if let Some(days) = lifecycle.abort_multipart_days {
        words.push(format!("unfinished uploads given up after {days} days"));
    }
    words.join(", ")
}

/// As [`words`], of what the bucket has; what we would not write is named, so that it counts as a difference.
fn words_of(rule: &roxmltree::Node<'_, '_>) -> String {
    let mut found = LifecycleConfig::default();
    let mut strange = Vec::new();
    let days = |node: &roxmltree::Node<'_, '_>, name: &str| -> Option<u32> {
        node.children().find(|child| child.has_tag_name_in_any(name))?.text()?.trim().parse().ok()
    };
    for part in rule.children().filter(roxmltree::Node::is_element) {
        match part.tag_name().name() {
            "Transition" => {
                let class = part.children().find(|child| child.has_tag_name_in_any("StorageClass"));
                let class = class.and_then(|class| class.text()).unwrap_or_default().to_owned();
                found.transition = days(&part, "Days").map(|days| (days, class));
            }
            "Expiration" => found.expire_days = days(&part, "Days"),
            "AbortIncompleteMultipartUpload" => {
                found.abort_multipart_days = days(&part, "DaysAfterInitiation");
            }
            "Status" if part.text() != Some("Enabled") => strange.push("switched off".to_owned()),
            "ID" | "Status" | "Filter" | "Prefix" => {}
            other => strange.push(format!("<{other}>")),
        }
    }
    strange.insert(0, words(&found));
    strange.retain(|part| !part.is_empty());
    strange.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn config(lifecycle: &str) -> S3Config {
        let text = format!(
            "[[camera]]\nname = \"a\"\nip = \"10.0.0.1\"\n[s3]\nbucket = \"footage\"\n[s3.lifecycle]\n{lifecycle}"
        );
        Config::parse(&text, Path::new("config.toml"), &|_| None).unwrap().s3
    }

    const ALL: &str = "transition_days = 30\ntransition_class = \"GLACIER_IR\"\nexpire_days = 365\nabort_multipart_days = 2\n";
    const OURS: &str = "<Rule><ID>cctv-s3-pipeline:cameras/</ID><Filter><Prefix>cameras/</Prefix></Filter>\
        <Status>Enabled</Status><Transition><Days>30</Days><StorageClass>GLACIER_IR</StorageClass></Transition>\
        <Expiration><Days>365</Days></Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>2\
        </DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>";
    const FOREIGN: &str = "<Rule><ID>logs</ID><Filter><And><Prefix>l/</Prefix><Tag><Key>a</Key><Value>b &amp; c</Value></Tag>\
        </And></Filter><Status>Disabled</Status><NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays>\
        </NoncurrentVersionExpiration></Rule>";

    fn document(rules: &[&str]) -> String {
        let rules = rules.concat();
        format!("<LifecycleConfiguration xmlns=\"{NAMESPACE}\">{rules}</LifecycleConfiguration>")
    }

    #[test]
    fn an_empty_bucket_gets_the_rule_and_one_that_has_it_stays() {
        let first = plan("", &config(ALL)).unwrap();
        assert!(first.changes() && first.now.is_none() && first.others.is_empty());
        assert_eq!(first.document.as_deref(), Some(document(&[OURS]).as_str()));
        let again = plan(first.document.as_deref().unwrap(), &config(ALL)).unwrap();
        assert!(!again.changes(), "{again:?}");
        let words =
            "to GLACIER_IR after 30 days, deleted after 365 days, unfinished uploads given up after 2 days";
        assert_eq!(again.now.as_deref(), Some(words));
    }

    #[test]
    fn rules_of_others_stay_as_they_are_byte_for_byte() {
        let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", document(&[FOREIGN, OURS]));
        let changed = plan(&declared, &config("expire_days = 30\n")).unwrap();
        assert!(changed.changes());
        assert_eq!(changed.others, ["logs"]);
        let written = changed.document.unwrap();
        assert!(written.contains(FOREIGN), "{written}");
        assert_eq!(written.matches("<Rule>").count(), 2);
        let removed = plan(&declared, &config("")).unwrap();
        assert_eq!((removed.wanted, removed.document), (None, Some(document(&[FOREIGN]))));
        assert_eq!(plan(&document(&[OURS]), &config("")).unwrap().document, None);
    }

    #[test]
    fn a_rule_of_ours_that_somebody_changed_counts_as_a_difference() {
        let off = document(&[&OURS.replace("Enabled", "Disabled")]);
        assert!(plan(&off, &config(ALL)).unwrap().changes());
        let more = document(&[&OURS.replace("<Expiration>", "<NoncurrentVersionExpiration/><Expiration>")]);
        assert!(plan(&more, &config(ALL)).unwrap().changes());
    }

    #[test]
    fn a_document_that_cannot_be_kept_whole_is_not_replaced() {
        for broken in ["<html>", "<html></html>", "<LifecycleConfiguration><Rule></LifecycleConfiguration>"] {
            let error = plan(broken, &config(ALL)).unwrap_err().to_string();
            assert!(error.contains("nothing was changed"), "{error}");
        }
    }
}
