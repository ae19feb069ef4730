//! How one log line looks; pure but for asking whether standard error is the journal.
//!
//! Called by `logging` for every line. Never lets a secret or a control character through: messages of
//! GStreamer and of cameras are foreign text.

use std::borrow::Cow;

use env_logger::fmt::style::Style;
use log::{Level, Record};

use crate::segment::Timestamp;

/// One line before it is dressed for its reader. A message of several lines stays one entry.
pub struct Line<'a> {
    pub at: Timestamp,
    pub level: Level,
    pub message: &'a str,
}

impl Line<'_> {
    /// For the file: `2026-11-23T14:05:09.250Z INFO  message`.
    pub fn plain(&self) -> String {
        self.terminal(Style::new())
    }

    /// For a terminal: the same, the level in `style`.
    pub fn terminal(&self, style: Style) -> String {
        let text = self.message.replace('\n', "\n    ");
        format!("{} {style}{:<5}{style:#} {text}\n", self.at, self.level)
    }

    /// For journald: the priority of syslog(3) in front of each line; the time is journald's own.
    pub fn journal(&self) -> String {
        let priority = match self.level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
        self.message.split('\n').map(|line| format!("<{priority}>{line}\n")).collect()
    }
}

/// The text of a record, cleaned. Who speaks is said where it is not plain: for other crates, and for the
/// levels at which one searches for code.
pub fn message(record: &Record<'_>) -> String {
    let text = record.args().to_string();
    let text = redact(&text);
    let text = printable(&text);
    let ours = record.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    if ours && record.level() <= Level::Info {
        text.into_owned()
    } else {
        format!("{}: {text}", record.target())
    }
}

/// Replaces what a URL says about its user, and the value of an `Authorization` header. Greedy on purpose:
/// a password may hold `/` and `@`, and a host too much hidden is better than half a password shown.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(text);
    let mut from = 0;
    while let Some(found) = clean[from..].find("://") {
        let start = from + found + 3;
        let ends_url = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
        let end = clean[start..].find(ends_url).map_or(clean.len(), |length| start + length);
        from = match clean[start..end].rfind('@') {
            Some(at) => {
                clean.to_mut().replace_range(start..start + at, "***");
                start + "***@".len()
            }
            None => start,
        };
    }
    from = 0;
    while let Some(found) = find_ignoring_case(&clean[from..], "authorization:") {
        let start = from + found + "authorization:".len();
        let end = clean[start..].find(['\r', '\n']).map_or(clean.len(), |length| start + length);
        clean.to_mut().replace_range(start..end, " ***");
        from = start;
    }
    clean
}

/// `needle` must be lower-case ASCII; the answer is a byte position.
fn find_ignoring_case(text: &str, needle: &str) -> Option<usize> {
    text.as_bytes().windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
}

/// Line ends stay, other control characters are written out: no escape sequence of a camera reaches a terminal.
fn printable(text: &str) -> Cow<'_, str> {
    let text = text.trim_end();
    if !text.contains(|c: char| c.is_control() && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' => {}
            '\t' => clean.push(' '),
            '\n' => clean.push('\n'),
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// systemd sets `JOURNAL_STREAM` to the journal's device and inode; somebody may have redirected standard
/// error since, so both are compared.
pub fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|stat| names_stream(&stream, stat.st_dev, stat.st_ino))
}

fn names_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, message: &str) -> Line<'_> {
        Line { at: Timestamp::from_millis(1_763_906_399_250), level, message }
    }

    #[test]
    fn a_line_has_time_level_and_message() {
        assert_eq!(
            line(Level::Info, "[upload] ready").plain(),
            "2025-11-23T13:59:59.250Z INFO  [upload] ready\n"
        );
        assert_eq!(line(Level::Error, "a\nb").plain(), "2025-11-23T13:59:59.250Z ERROR a\n    b\n");
    }

    #[test]
    fn the_journal_gets_syslog_priorities_on_every_line_and_no_time() {
        for (level, text) in [
            (Level::Error, "<3>x\n"),
            (Level::Warn, "<4>x\n"),
            (Level::Info, "<6>x\n"),
            (Level::Debug, "<7>x\n"),
            (Level::Trace, "<7>x\n"),
        ] {
            assert_eq!(line(level, "x").journal(), text);
        }
        assert_eq!(line(Level::Warn, "x\ny").journal(), "<4>x\n<4>y\n");
    }

    #[test]
    fn the_speaker_is_named_for_other_crates_and_for_debug_lines() {
        let text = |target: &str, level| {
            message(&Record::builder().args(format_args!("hi")).target(target).level(level).build())
        };
        assert_eq!(text("cctv_s3_pipeline::http", Level::Info), "hi");
        assert_eq!(text("cctv_s3_pipeline::http", Level::Debug), "cctv_s3_pipeline::http: hi");
        assert_eq!(text("gstreamer", Level::Warn), "gstreamer: hi");
        assert_eq!(text("cctv_s3_pipeline_other", Level::Info), "cctv_s3_pipeline_other: hi");
    }

    #[test]
    fn no_password_in_a_url_or_header_survives() {
        for (text, clean) in [
            ("no URL here", "no URL here"),
            ("rtsp://10.0.0.1/live", "rtsp://10.0.0.1/live"),
            (
                "open rtsp://admin:hunter2@10.0.0.1:554/live: refused",
                "open rtsp://***@10.0.0.1:554/live: refused",
            ),
            ("'rtsp://a:p@ss/w@h/1' and rtsp://b:c@i/2", "'rtsp://***@h/1' and rtsp://***@i/2"),
            ("rtsp://ümlaut:pä@h", "rtsp://***@h"),
            ("GET\r\nAuthorization: Basic YTpi\r\nCSeq: 2", "GET\r\nAuthorization: ***\r\nCSeq: 2"),
            ("authorization:Digest response=1", "authorization: ***"),
            ("mail me@home about it", "mail me@home about it"),
        ] {
            assert_eq!(redact(text), clean);
        }
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(printable("a\tb\r\nc\x1b[31m\n"), "a b\nc\\u{1b}[31m");
    }

    #[test]
    fn only_the_named_stream_is_the_journal() {
        for (stream, yes) in [("8:1234", true), ("8:1", false), ("9:1234", false), ("", false), ("8", false)]
        {
            assert_eq!(names_stream(stream, 8, 1234), yes, "{stream:?}");
        }
    }
}
