//! Tables of the file, walked by hand: each value is asked for by key, checked, and answered with its default if
//! it is missing or wrong. What nobody asked for is an unknown key.
//!
//! Used by `sections.rs` and `camera.rs`. Wrong values go to the [`Reader`]'s list, never to the caller, so
//! that reading goes on and finds the next one.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::de::{DeTable, DeValue};

use super::expand::expand;
use super::reader::Reader;

/// Longer texts (a whole pipeline) are cut in messages.
const SHOWN_CHARS: usize = 60;

/// One table of the file, or the emptiness where it is missing.
pub(super) struct Table<'r> {
    reader: &'r Reader<'r>,
    /// Its kind, the same for all cameras: `camera.capture`.
    section: String,
    /// Its name in messages: `camera "gate".capture`.
    path: String,
    at: Option<usize>,
    entries: Option<&'r DeTable<'r>>,
    taken: RefCell<Vec<&'static str>>,
}

/// A string of the file after expansion, and how messages may show it.
pub(super) struct Text<'r> {
    pub value: String,
    reader: &'r Reader<'r>,
    key: String,
    at: Option<usize>,
    shown: String,
    /// The value is what stands in the file, and no secret.
    pub is_plain: bool,
}

impl<'r> Table<'r> {
    pub fn root(reader: &'r Reader<'r>, entries: &'r DeTable<'r>) -> Self {
        Self::new(reader, String::new(), String::new(), None, Some(entries))
    }

    fn new(
        reader: &'r Reader<'r>,
        section: String,
        path: String,
        at: Option<usize>,
        entries: Option<&'r DeTable<'r>>,
    ) -> Self {
        Self { reader, section, path, at, entries, taken: RefCell::default() }
    }

    /// Gives the table its name for messages, once that is known.
    pub fn rename(&mut self, path: String) {
        self.path = path;
    }

    /// Whether the file has this table at all.
    pub fn is_there(&self) -> bool {
        self.entries.is_some()
    }

    /// Whether the file has this key, under its name of today or an older one.
    pub fn has(&self, key: &str) -> bool {
        let is_there = |key: &str| self.entries.is_some_and(|entries| entries.contains_key(key));
        is_there(key) || self.reader.older(&self.section, key).any(|older| is_there(older.old))
    }

    /// Notes that the table as a whole is wrong.
    pub fn problem(&self, key: &str, what: &str) {
        self.reader.problem(self.at, &self.full_path(key), what);
    }

    /// Notes that the value of `key` is wrong; at the table itself if it has no such key.
    pub fn problem_at(&self, key: &str, what: &str) {
        let at = self.entries.and_then(|entries| entries.get_key_value(key)).map(|(k, _)| k.span().start);
        self.reader.problem(at.or(self.at), &self.full_path(key), what);
    }

    /// The table under `key`, empty if it is missing.
    pub fn table(&self, key: &'static str) -> Table<'r> {
        let (section, path) = (join(&self.section, key), self.full_path(key));
        match self.take(key) {
            Some((at, DeValue::Table(entries))) => {
                Table::new(self.reader, section, path, Some(at), Some(entries))
            }
            Some((at, other)) => {
                let what = format!(
                    "found {}, allowed a section; write [{section}] in a line of its own, its keys below",
                    kind(other)
                );
                self.reader.problem(Some(at), &path, &what);
                Table::new(self.reader, section, path, Some(at), None)
            }
            None => Table::new(self.reader, section, path, None, None),
        }
    }

    /// The tables of `[[key]]`, in the order of the file, named `key[1]`, `key[2]`, ….
    pub fn tables(&self, key: &'static str) -> Vec<Table<'r>> {
        let wrong = |at: usize, found: &str| {
            let what = format!(
                "found {found}, allowed are sections; write [[{key}]], with two brackets, above each"
            );
            self.reader.problem(Some(at), key, &what);
        };
        let Some((at, value)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            wrong(at, kind(value));
            return Vec::new();
        };
        if items.is_empty() {
            wrong(at, "an empty list");
        }
        let mut tables = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(entries) => tables.push(Table::new(
                    self.reader,
                    key.to_owned(),
                    format!("{key}[{}]", index + 1),
                    Some(item.span().start),
                    Some(entries),
                )),
                other => wrong(item.span().start, kind(other)),
            }
        }
        tables
    }

    /// A whole number in `range`.
    pub fn integer<T>(&self, key: &'static str, range: RangeInclusive<T>, default: T) -> T
    where
        T: Copy + Display + PartialOrd + TryFrom<i64>,
    {
        let Some((at, value)) = self.take(key) else { return default };
        let found = match value {
            DeValue::Integer(number) => {
                // too large for i64 is too large for every key
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                match parsed.and_then(|n| T::try_from(n).ok()).filter(|n| range.contains(n)) {
                    Some(n) => return n,
                    None => number.to_string(),
                }
            }
            other => kind(other).to_owned(),
        };
        let hint = if matches!(value, DeValue::String(_)) { "write it without quotes" } else { "correct it" };
        let what = format!(
            "found {found}, allowed a whole number from {} to {}; {hint}, or leave the key out for {default}",
            range.start(),
            range.end()
        );
        self.reader.problem(Some(at), &self.full_path(key), &what);
        default
    }

    /// A number with or without a fraction: 0, or one in `range`.
    pub fn number(&self, key: &'static str, range: RangeInclusive<f64>, default: f64) -> f64 {
        let Some((at, value)) = self.take(key) else { return default };
        let (parsed, found) = match value {
            DeValue::Integer(n) => {
                let parsed = i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64);
                (parsed, n.to_string())
            }
            DeValue::Float(n) => (n.as_str().parse().ok(), n.to_string()),
            other => (None, kind(other).to_owned()),
        };
        if let Some(n) = parsed.filter(|n| *n == 0.0 || range.contains(n)) {
            return n;
        }
        let what = format!(
            "found {found}, allowed 0 or a number from {} to {}; correct it, or leave the key out for {default}",
            range.start(),
            range.end()
        );
        self.reader.problem(Some(at), &self.full_path(key), &what);
        default
    }

    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let (at, value) = self.take(key)?;
        if let DeValue::Boolean(b) = value {
            return Some(*b);
        }
        let what =
            format!("found {}, allowed true or false; write one of the two, without quotes", kind(value));
        self.reader.problem(Some(at), &self.full_path(key), &what);
        None
    }

    /// A string; messages show what stands in the file, never what a variable put in.
    pub fn text(&self, key: &'static str) -> Option<Text<'r>> {
        self.read_text(key, false)
    }

    /// A list of strings; `None` where the key is missing. One that is no string is noted, and the others are read.
    pub fn texts(&self, key: &'static str, is_secret: bool) -> Option<Vec<Text<'r>>> {
        let (at, value) = self.take(key)?;
        let DeValue::Array(items) = value else {
            let what = format!("found {}, allowed a list of strings; write it in [\"…\"]", kind(value));
            self.reader.problem(Some(at), &self.full_path(key), &what);
            return Some(Vec::new());
        };
        let text = |item: &toml::Spanned<DeValue<'_>>| {
            self.as_text(key, item.span().start, item.get_ref(), is_secret)
        };
        Some(items.iter().filter_map(text).collect())
    }

    /// A string that messages must not show at all.
    pub fn secret(&self, key: &'static str) -> Option<Text<'r>> {
        self.read_text(key, true)
    }

    /// Reports the keys that nobody asked for. Call last.
    pub fn finish(self) {
        let taken = self.taken.take();
        for (key, _) in self.entries.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if taken.contains(&name) {
                continue;
            }
            // a quoted key may hold anything, even line breaks
            let path = self.full_path(&name.escape_debug().to_string());
            match self.reader.obsolete(&self.section, name) {
                Some(old) => self.reader.warn(key.span().start, &path, &old.advice(true)),
                None => self.reader.unknown(&self.section, path, name, key.span().start),
            }
        }
    }

    fn read_text(&self, key: &'static str, is_secret: bool) -> Option<Text<'r>> {
        let (at, value) = self.take(key)?;
        self.as_text(key, at, value, is_secret)
    }

    fn as_text(
        &self,
        key: &'static str,
        at: usize,
        value: &DeValue<'_>,
        is_secret: bool,
    ) -> Option<Text<'r>> {
        let path = self.full_path(key);
        let DeValue::String(raw) = value else {
            let what = format!("found {}, allowed a string; write it in \"…\"", kind(value));
            self.reader.problem(Some(at), &path, &what);
            return None;
        };
        let value = match expand(raw, self.reader.env, &self.reader.env_file) {
            Ok(value) => value,
            Err(what) => {
                self.reader.problem(Some(at), &path, &what);
                return None;
            }
        };
        let is_plain = !is_secret && value == raw.as_ref();
        let shown = match (is_secret, is_plain) {
            (true, _) => "\"…\"".to_owned(),
            (false, true) => format!("{:?}", cut(raw)),
            (false, false) => format!("{:?} (with its variables put in)", cut(raw)),
        };
        let text = Text { value, reader: self.reader, key: path, at: Some(at), shown, is_plain };
        // a stray \r from an .env, or a line break that would end a header
        if text.value.chars().any(|c| c.is_control() && !(key == "pipeline" && c.is_whitespace())) {
            text.refuse("text without line breaks and control characters", "take them out");
            return None;
        }
        Some(text)
    }

    fn take(&self, key: &'static str) -> Option<(usize, &'r DeValue<'r>)> {
        self.reader.asked(&self.section, key);
        self.taken.borrow_mut().push(key);
        if let Some((key, value)) = self.entries?.get_key_value(key) {
            return Some((key.span().start, value.get_ref()));
        }
        self.reader.older(&self.section, key).find_map(|older| {
            let (key, value) = self.entries?.get_key_value(older.old)?;
            self.taken.borrow_mut().push(older.old);
            self.reader.warn(key.span().start, &self.full_path(older.old), &older.advice(false));
            Some((key.span().start, value.get_ref()))
        })
    }

    fn full_path(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

impl Text<'_> {
    /// Notes that this value is none of the allowed.
    pub fn refuse(&self, allowed: &str, what_to_do: &str) {
        self.problem(&format!("found {}, allowed {allowed}; {what_to_do}", self.shown));
    }

    /// Notes that something is wrong with this value, in full words.
    pub fn problem(&self, what: &str) {
        self.reader.problem(self.at, &self.key, what);
    }

    /// The line of the file it stands in.
    pub fn line(&self) -> usize {
        self.reader.line(self.at.unwrap_or(0))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The type in words; the value itself may be a secret in the wrong place.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
