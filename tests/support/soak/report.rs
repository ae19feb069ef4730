//! The table at the end, for people and as JSON. Pure.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::driver::Tally;
use super::ledger::{Sum, Verdict};
use super::plan::Wish;

pub struct Report {
    wish: Wish,
    elapsed: Duration,
    tally: Tally,
    verdict: Verdict,
    /// Folders that were kept because a promise broke.
    pub kept: Vec<PathBuf>,
}

impl Report {
    pub(super) fn new(wish: &Wish, elapsed: Duration, tally: Tally, verdict: Verdict) -> Self {
        Self { wish: *wish, elapsed, tally, verdict, kept: Vec::new() }
    }

    /// Every broken promise as a sentence.
    pub fn broken(&self) -> Vec<&str> {
        self.tally.broken.iter().chain(self.verdict.broken()).map(String::as_str).collect()
    }

    pub fn is_broken(&self) -> bool {
        !self.broken().is_empty()
    }

    pub fn kills(&self) -> usize {
        self.tally.kills_ms.len()
    }

    pub fn segments(&self) -> usize {
        self.verdict.segments
    }

    /// Rows of name and value, then what broke.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let width = self.rows().iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in self.rows() {
            let _ = writeln!(text, "  {name:<width$}  {value}");
        }
        let broken = self.broken();
        if broken.is_empty() {
            let _ = writeln!(text, "every promise held");
            return text;
        }
        let _ = writeln!(text, "promises that broke with seed {}: {}", self.wish.seed, broken.len());
        for what in broken {
            let _ = writeln!(text, "  {what}");
        }
        for folder in &self.kept {
            let _ = writeln!(text, "kept: {}", folder.display());
        }
        text
    }

    fn rows(&self) -> Vec<(String, String)> {
        let Self { wish, tally, verdict, .. } = self;
        let row = |name: &str, value: String| (name.to_owned(), value);
        let mut rows = vec![
            row("seed", wish.seed.to_string()),
            row("seconds elapsed", self.elapsed.as_secs().to_string()),
            row("cameras", wish.cameras.to_string()),
            row("recorded", format!("{} s in {} segments", verdict.recorded_ms / 1000, verdict.segments)),
        ];
        rows.extend(verdict.gaps.iter().map(|(cause, sum)| row(&format!("gap: {cause}"), seconds(*sum))));
        rows.extend(verdict.holes.iter().map(|(why, sum)| row(&format!("hole after: {why}"), seconds(*sum))));
        let unaccounted_s = verdict.unaccounted_ms as f64 / 1000.0;
        rows.extend([
            row("unaccounted", format!("{unaccounted_s:.1} s in {} holes", verdict.unaccounted.len())),
            row("lost", verdict.lost.len().to_string()),
            row("uploaded twice", verdict.doubled.len().to_string()),
            row("wrong bytes", verdict.wrong.len().to_string()),
            row("strangers and overlaps", verdict.strange.len().to_string()),
            row("kills", tally.kills_ms.len().to_string()),
            row("restarts", tally.restarts.to_string()),
            row("camera faults", tally.camera_faults.to_string()),
            row("store faults", format!("{} requests, {} outages", tally.store_faults, tally.store_outages)),
            row("start to ready", percentiles(&tally.ready)),
            row("start to first row", percentiles(&tally.first_rows)),
            row("footage lost by a kill", percentiles(&self.kill_costs())),
            row("peak memory", format!("{:.1} MB", tally.peaks.rss_kb as f64 / 1024.0)),
            row("most open files", tally.peaks.files.to_string()),
            row("most threads", tally.peaks.threads.to_string()),
        ]);
        rows
    }

    /// By camera and kill.
    fn kill_costs(&self) -> Vec<Duration> {
        let costs = self.verdict.kill_costs_ms.iter();
        costs.map(|ms| Duration::from_millis(u64::try_from(*ms).unwrap_or_default())).collect()
    }

    pub fn json(&self) -> Value {
        let Self { wish, tally, verdict, .. } = self;
        let sum = |sum: &Sum| json!({ "count": sum.count, "seconds": sum.ms as f64 / 1000.0 });
        let gaps: serde_json::Map<String, Value> =
            verdict.gaps.iter().map(|(cause, one)| (cause.clone(), sum(one))).collect();
        let holes: serde_json::Map<String, Value> =
            verdict.holes.iter().map(|(why, one)| ((*why).to_owned(), sum(one))).collect();
        json!({
            "seed": wish.seed,
            "seconds_elapsed": self.elapsed.as_secs_f64(),
            "cameras": wish.cameras,
            "segments": verdict.segments,
            "recorded_seconds": verdict.recorded_ms as f64 / 1000.0,
            "gaps": gaps,
            "holes": holes,
            "unaccounted_seconds": verdict.unaccounted_ms as f64 / 1000.0,
            "lost": verdict.lost.len(),
            "uploaded_twice": verdict.doubled.len(),
            "wrong_bytes": verdict.wrong.len(),
            "strange": verdict.strange.len(),
            "kills": tally.kills_ms.len(),
            "restarts": tally.restarts,
            "camera_faults": tally.camera_faults,
            "store_faults": tally.store_faults,
            "store_outages": tally.store_outages,
            "ready_seconds": figures(&tally.ready),
            "first_row_seconds": figures(&tally.first_rows),
            "kill_cost_seconds": figures(&self.kill_costs()),
            "peak_rss_kb": tally.peaks.rss_kb,
            "peak_files": tally.peaks.files,
            "peak_threads": tally.peaks.threads,
            "broken": self.broken(),
        })
    }
}

fn seconds(sum: Sum) -> String {
    format!("{:.1} s in {}", sum.ms as f64 / 1000.0, sum.count)
}

fn percentiles(times: &[Duration]) -> String {
    match (percentile(times, 50), percentile(times, 99)) {
        (Some(median), Some(p99)) => format!(
            "median {:.2} s, p99 {:.2} s, of {}",
            median.as_secs_f64(),
            p99.as_secs_f64(),
            times.len()
        ),
        _ => "never".into(),
    }
}

fn figures(times: &[Duration]) -> Value {
    let figure = |percent| percentile(times, percent).map(|time| time.as_secs_f64());
    json!({ "count": times.len(), "median": figure(50), "p99": figure(99) })
}

/// The smallest time that at least so many percent do not exceed.
fn percentile(times: &[Duration], percent: usize) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: Wish = Wish { seed: 7, length: Duration::from_secs(60), kills: 3, cameras: 2 };

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_secs).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_secs(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_secs(198)));
        assert_eq!(percentile(&times[..1], 99), Some(Duration::from_secs(1)));
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn what_broke_and_the_seed_that_broke_it_end_the_table() {
        let verdict = Verdict { doubled: vec!["k was stored 2 times".into()], ..Verdict::default() };
        let report = Report::new(&WISH, WISH.length, Tally::default(), verdict);
        assert!(report.is_broken());
        let table = report.table();
        assert!(table.ends_with("promises that broke with seed 7: 1\n  k was stored 2 times\n"), "{table}");
        assert_eq!((&report.json()["uploaded_twice"], &report.json()["seed"]), (&1.into(), &7.into()));
        let well = Report::new(&WISH, WISH.length, Tally::default(), Verdict::default());
        assert!(!well.is_broken() && well.table().ends_with("every promise held\n"));
    }
}
