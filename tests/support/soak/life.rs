//! One life of the program's process: what its log says as it goes, and what it holds.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::{Program, Workspace};

/// Words that the log never holds while the program keeps its promises.
const NEVER: [&str; 6] =
    ["panicked at", "please report", "[store] lost ", "CRITICAL", "does not stop within", "dropped "];

pub struct Life<'w> {
    pub program: Program<'w>,
    pub started: Instant,
    /// Asked to stop at.
    pub stopping: Option<Instant>,
    pub ready: Option<Duration>,
    pub first_row: Option<Duration>,
    lines: usize,
}

/// What new lines of the log tell.
#[derive(Debug, Default)]
pub struct Heard {
    /// Cameras that record from this moment on, in milliseconds since 1970.
    pub recording: Vec<(usize, i64)>,
    pub broken: Vec<String>,
}

/// The most that was held at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peaks {
    pub rss_kb: u64,
    pub threads: u64,
    pub files: u64,
}

impl<'w> Life<'w> {
    pub fn begin(workspace: &'w Workspace) -> Self {
        let started = Instant::now();
        let program = Program::start(workspace);
        Self { program, started, stopping: None, ready: None, first_row: None, lines: 0 }
    }

    /// Asks it to stop, once: a second signal would be a person's, who wants it to leave at once.
    pub fn terminate(&mut self) {
        if self.stopping.is_none() {
            self.stopping = Some(Instant::now());
            self.program.sigterm();
        }
    }

    pub fn listen(&mut self, names: &[String]) -> Heard {
        let mut heard = Heard::default();
        let lines = self.program.log_after(self.lines);
        self.lines += lines.len();
        for line in &lines {
            if line.contains("INFO  ready: ") {
                self.ready.get_or_insert(self.started.elapsed());
            }
            if line.contains("] closed segment_") {
                self.first_row.get_or_insert(self.started.elapsed());
            }
            if let Some(camera) = names.iter().position(|name| says_recording(line, name)) {
                heard.recording.extend(said_at_ms(line).map(|at_ms| (camera, at_ms)));
            }
            if NEVER.iter().any(|word| line.contains(word)) {
                heard.broken.push(format!("the log says: {line}"));
            }
        }
        heard
    }

    /// Whether it had said a word when it ended: until then a signal ends it as it ends any program.
    pub fn has_spoken(&self) -> bool {
        self.lines > 0
    }

    /// Adds what the process holds now.
    pub fn sample(&self, peaks: &mut Peaks) {
        let folder = format!("/proc/{}", self.program.id());
        let status = std::fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        peaks.rss_kb = peaks.rss_kb.max(figure("VmHWM:"));
        peaks.threads = peaks.threads.max(figure("Threads:"));
        let files = std::fs::read_dir(format!("{folder}/fd")).map_or(0, Iterator::count);
        peaks.files = peaks.files.max(files as u64);
    }
}

/// `[cam-1] recording H.264`, `[cam-1] recovered after 3 failures, 12 s; recording`.
fn says_recording(line: &str, camera: &str) -> bool {
    let said = line.split_once(&format!("[{camera}] ")).map(|(_, said)| said);
    said.is_some_and(|said| said.starts_with("recording ") || said.ends_with("; recording"))
}

/// The time that begins a line, in milliseconds since 1970.
fn said_at_ms(line: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(line.split_once(' ')?.0, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_it_was_said() {
        let line = "2025-11-23T13:59:59.250Z INFO  [cam-1] recording H.264";
        assert_eq!((said_at_ms(line), said_at_ms("panicked at")), (Some(1_763_906_399_250), None));
    }

    #[test]
    fn only_a_camera_that_begins_to_record_says_so() {
        for (line, says) in [
            ("2026-11-23T14:05:09.250Z INFO  [cam-1] recording H.264", true),
            ("2026-11-23T14:05:09.250Z INFO  [cam-1] recovered after 3 failures, 12 s; recording", true),
            ("2026-11-23T14:05:09.250Z INFO  [cam-11] recording H.264", false),
            ("2026-11-23T14:05:09.250Z INFO  ready: recording 3 cameras", false),
            ("2026-11-23T14:05:09.250Z WARN  [cam-1] camera ended the stream; next attempt in 1 s", false),
        ] {
            assert_eq!(says_recording(line, "cam-1"), says, "{line}");
        }
    }
}
