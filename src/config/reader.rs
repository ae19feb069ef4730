//! One configuration file while it is read: where things stand in it, and everything that is wrong with it.
//!
//! Used by `load.rs`, which starts it, and `table.rs`, which walks it. It never prints a line of the file: any
//! line may hold a secret.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::obsolete::{OBSOLETE, Obsolete};
use crate::error::{Error, Kind};

/// Further than this many edits apart, two keys are not mistaken for each other.
const SIMILAR_EDITS: usize = 2;

/// Looks a variable up.
pub(super) type Env<'r> = &'r dyn Fn(&str) -> Option<String>;

/// The file as a whole. Problems are collected, so that one run shows all of them.
pub(super) struct Reader<'r> {
    /// How messages call the file.
    file: &'r str,
    /// How messages call the `.env` beside it.
    pub env_file: String,
    pub env: Env<'r>,
    text: &'r str,
    problems: RefCell<Vec<Problem>>,
    unknown: RefCell<Vec<Unknown>>,
    asked: RefCell<BTreeSet<(String, &'static str)>>,
    obsolete: &'static [Obsolete],
    warnings: RefCell<Vec<Problem>>,
}

/// One line about one place of the file.
struct Problem {
    /// Byte offset in the text; `None` for what stands nowhere.
    at: Option<usize>,
    line: String,
}

struct Unknown {
    section: String,
    path: String,
    key: String,
    at: usize,
}

impl<'r> Reader<'r> {
    pub fn new(file: &'r str, env_file: String, text: &'r str, env: Env<'r>) -> Self {
        Self {
            file,
            env_file,
            env,
            text,
            problems: RefCell::default(),
            unknown: RefCell::default(),
            asked: RefCell::default(),
            obsolete: OBSOLETE,
            warnings: RefCell::default(),
        }
    }

    /// With keys that are obsolete in a test only.
    #[cfg(test)]
    pub fn with_obsolete(self, obsolete: &'static [Obsolete]) -> Self {
        Self { obsolete, ..self }
    }

    /// Notes that the file is wrong at `at`. `key` is the full path of the key.
    pub fn problem(&self, at: Option<usize>, key: &str, what: &str) {
        let place = match at {
            Some(at) => format!("{}:{}", self.file, self.line(at)),
            None => self.file.to_owned(),
        };
        self.problems.borrow_mut().push(Problem { at, line: format!("{place}: {key}: {what}") });
    }

    /// Notes that a key of an older version is in the file, which is no reason not to start.
    pub fn warn(&self, at: usize, key: &str, what: &str) {
        let line = format!("{}:{}: {key} {what}", self.file, self.line(at));
        self.warnings.borrow_mut().push(Problem { at: Some(at), line });
    }

    /// What an older version called this key.
    pub fn older(&self, section: &str, key: &str) -> impl Iterator<Item = &'static Obsolete> {
        self.obsolete.iter().filter(move |old| old.section == section && old.new == Some(key))
    }

    /// Whether an older version had a key of this name.
    pub fn obsolete(&self, section: &str, key: &str) -> Option<&'static Obsolete> {
        self.obsolete.iter().find(|old| old.section == section && old.old == key)
    }

    /// Notes text that is not TOML, with its column: there is no key to name.
    pub fn syntax(&self, at: Option<usize>, what: &str) {
        let at = at.unwrap_or(0).min(self.text.len());
        let before = self.text.get(..at).unwrap_or_default();
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let what = if what.is_empty() { "this is not TOML" } else { what };
        let line = format!(
            "{}:{}:{column}: {what}; correct the line (strings stand in \"…\", each key in a line of its own, and once)",
            self.file,
            self.line(at)
        );
        self.problems.borrow_mut().push(Problem { at: Some(at), line });
    }

    /// Remembers that the parser knows this key.
    pub fn asked(&self, section: &str, key: &'static str) {
        self.asked.borrow_mut().insert((section.to_owned(), key));
    }

    /// Remembers a key that nobody asked for; judged at the end, when all known keys are known.
    pub fn unknown(&self, section: &str, path: String, key: &str, at: usize) {
        let unknown = Unknown { section: section.to_owned(), path, key: key.to_owned(), at };
        self.unknown.borrow_mut().push(unknown);
    }

    /// The line that holds this byte, from 1.
    pub fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// Every key that was asked for, with its section.
    #[cfg(test)]
    pub fn known(&self) -> BTreeSet<(String, &'static str)> {
        self.asked.borrow().clone()
    }

    /// The warnings in the order of the file.
    pub fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.take();
        warnings.sort_by_key(|warning| warning.at);
        warnings.into_iter().map(|warning| warning.line).collect()
    }

    /// All problems in the order of the file as one error; `None` if there are none.
    pub fn into_error(self) -> Option<Error> {
        for unknown in self.unknown.take() {
            let what = format!("found an unknown key; {}", self.advice(&unknown));
            self.problem(Some(unknown.at), &unknown.path, &what);
        }
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.at.unwrap_or(usize::MAX));
        let lines: Vec<_> = problems.into_iter().map(|problem| problem.line).collect();
        (!lines.is_empty()).then(|| Error::new(Kind::Config, lines.join("\n")))
    }

    fn advice(&self, unknown: &Unknown) -> String {
        let asked = self.asked.borrow();
        let siblings = || asked.iter().filter(|(section, _)| *section == unknown.section);
        let distance = |known: &str| strsim::damerau_levenshtein(known, &unknown.key);
        let nearest = siblings().map(|(_, key)| (distance(key), *key)).min();
        if let Some((_, key)) = nearest.filter(|(edits, _)| *edits <= SIMILAR_EDITS) {
            return format!("did you mean {key}?");
        }
        if let Some((section, _)) = asked.iter().find(|(_, key)| *key == unknown.key) {
            return match section.as_str() {
                "" => format!("{} is a section of its own, outside of any other", unknown.key),
                "camera" | "alert" => format!("it belongs into [[{section}]]"),
                section => format!("it belongs into [{section}]"),
            };
        }
        let known: Vec<_> = siblings().map(|(_, key)| *key).collect();
        format!("allowed here: {}; correct it or take it out", known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_in_the_order_of_the_file_with_their_lines() {
        let reader = Reader::new("c.toml", ".env".into(), "a\nbb\nc", &|_| None);
        reader.problem(None, "s3", "missing");
        reader.problem(Some(5), "c", "third");
        reader.syntax(Some(3), "odd");
        reader.problem(Some(0), "a", "first");
        let text = reader.into_error().unwrap().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "c.toml:1: a: first");
        assert!(lines[1].starts_with("c.toml:2:2: odd; "), "{text}");
        assert_eq!(lines[2..], ["c.toml:3: c: third", "c.toml: s3: missing"]);
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest_its_section_or_the_list() {
        for (key, advice) in [
            ("prot", "did you mean port?"),
            ("bucket", "it belongs into [s3]"),
            ("server", "server is a section of its own"),
            ("colour", "allowed here: bind, port"),
        ] {
            let reader = Reader::new("c.toml", ".env".into(), "", &|_| None);
            for (section, known) in [("server", "port"), ("server", "bind"), ("s3", "bucket"), ("", "server")]
            {
                reader.asked(section, known);
            }
            reader.unknown("server", format!("server.{key}"), key, 0);
            let text = reader.into_error().unwrap().to_string();
            assert!(text.contains(advice), "{text}");
        }
    }
}
