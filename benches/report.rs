//! The figures as a table for people and as JSON for the next comparison.

use std::fmt::Write as _;
use std::path::PathBuf;

use cctv_s3_pipeline::error::{Context, Kind, Result};
use serde_json::{Value, json};

use super::backlog::{Backlog, Rates};
use super::contest::{Mode, Recorder, Sample};
use super::endurance::Endurance;
use super::fleet::Fleet;
use super::objects::Objects;
use super::rows::Rows;
use super::shares::{self, Share};
use super::start::Start;
use super::upload::Upload;

pub struct Report {
    machine: Value,
    seconds: u64,
    rounds: usize,
    /// What the cameras send.
    pub input: String,
    pub upload_input: String,
    /// With the round, from 1.
    pub samples: Vec<(usize, Sample)>,
    pub uploads: Vec<Upload>,
    /// One after the other, by a plain client.
    pub put_alone_ms: f64,
    pub backlog_input: String,
    pub backlog: Option<Backlog>,
    pub shares: Vec<Share>,
    pub fleet: Option<Fleet>,
    pub endurance: Option<Endurance>,
    pub objects: Option<Objects>,
    pub rows: Option<Rows>,
    pub start: Option<Start>,
}

/// A figure of a sample.
type Figure = fn(&Sample) -> f64;

/// A part of an upload's time.
type Span = fn(&Upload) -> f64;

const CPU: Figure = |sample| sample.cpu;
const PEAK: Figure = |sample| sample.peak_rss_mib;
const MEMORY: Figure = |sample| sample.rss_mib;

impl Report {
    pub fn new(machine: Value, seconds: u64, rounds: usize) -> Self {
        Self {
            machine,
            seconds,
            rounds,
            input: String::new(),
            upload_input: String::new(),
            samples: Vec::new(),
            uploads: Vec::new(),
            put_alone_ms: 0.0,
            backlog_input: String::new(),
            backlog: None,
            shares: Vec::new(),
            fleet: None,
            endurance: None,
            objects: None,
            rows: None,
            start: None,
        }
    }

    pub fn machine(&self) -> String {
        let text = |name: &str| match &self.machine[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!(
            "machine: {}, {} cores, {} MiB; {}, Linux {}, files on {}\n\
             versions: cctv-s3-pipeline {} ({}), GStreamer {}, ffmpeg {}",
            text("cpu"),
            text("cores"),
            text("memory_mib"),
            text("system"),
            text("kernel"),
            text("file_system"),
            text("program"),
            text("profile"),
            text("gstreamer"),
            text("ffmpeg")
        )
    }

    pub fn table(&self) -> String {
        let mut text = String::new();
        for mode in [Mode::Transcode, Mode::Passthrough] {
            if self.samples.iter().any(|(_, sample)| sample.mode == mode) {
                self.contest(mode, &mut text);
            }
        }
        if !self.uploads.is_empty() {
            self.upload_times(&mut text);
        }
        if let Some(backlog) = &self.backlog {
            drain(backlog, &mut text);
        }
        if !self.shares.is_empty() {
            text += &shares::table(&self.shares);
        }
        let lines = [
            self.fleet.as_ref().map(ToString::to_string),
            self.endurance.as_ref().map(ToString::to_string),
            self.objects.as_ref().map(ToString::to_string),
            self.rows.as_ref().map(ToString::to_string),
            self.start.as_ref().map(ToString::to_string),
        ];
        for line in lines.into_iter().flatten() {
            // writing to a string cannot fail
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// Writes `target/recorder-bench.json` and returns its path.
    pub fn save(&self) -> Result<PathBuf> {
        // cargo's folder for benches is target/tmp
        let mut path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        path.set_file_name("recorder-bench.json");
        let samples: Vec<Value> =
            self.samples.iter().map(|(round, sample)| json!({ "round": round, "sample": sample })).collect();
        let report = json!({
            "machine": self.machine,
            "input": self.input,
            "upload_input": self.upload_input,
            "window_seconds": self.seconds,
            "rounds": self.rounds,
            "transcode_cpu_ratio": self.ratio(Mode::Transcode, Recorder::Ffmpeg, CPU),
            "transcode_cpu_ratio_to_graph": self.ratio(Mode::Transcode, Recorder::Graph, CPU),
            "passthrough_cpu_ratio": self.ratio(Mode::Passthrough, Recorder::Ffmpeg, CPU),
            "passthrough_cpu_ratio_to_graph": self.ratio(Mode::Passthrough, Recorder::Graph, CPU),
            "shares": self.shares,
            "fleet": self.fleet,
            "endurance": self.endurance,
            "objects": self.objects,
            "rows": self.rows,
            "start": self.start,
            "samples": samples,
            "uploads": self.uploads,
            "put_alone_ms": self.put_alone_ms,
            "backlog_input": self.backlog_input,
            "backlog_drain_ratio": self.backlog.as_ref().map(|backlog| drain_ratio(&backlog.distant)),
            "backlog": self.backlog,
        });
        std::fs::write(&path, format!("{report:#}\n"))
            .context(Kind::Disk, || format!("write {}", path.display()))?;
        Ok(path)
    }

    fn contest(&self, mode: Mode, text: &mut String) {
        let mut row = |name: &str, cells: [String; 4]| {
            let [cpu, peak, memory, rest] = cells;
            // writing to a string cannot fail
            let _ = writeln!(text, "{name:<17} {cpu:<24} {peak:>9} {memory:>9}  {rest}");
        };
        let titles = ["CPU-s per stream-s", "peak MiB", "end MiB", "others' cores"];
        row(&format!("{mode:?}").to_lowercase(), titles.map(str::to_owned));
        for recorder in Recorder::ALL {
            let [cpu, peak, memory, others] = [CPU, PEAK, MEMORY, |sample| sample.others_cores]
                .map(|figure| self.figures(mode, recorder, figure));
            let cells = [
                format!("{:.4} ({:.4}–{:.4})", median(&cpu), least(&cpu), most(&cpu)),
                format!("{:.0}", median(&peak)),
                format!("{:.0}", median(&memory)),
                format!("{:.2}", median(&others)),
            ];
            row(&format!("  {}", format!("{recorder:?}").to_lowercase()), cells);
        }
        for (name, rival) in [("  ours ÷ graph", Recorder::Graph), ("  ours ÷ ffmpeg", Recorder::Ffmpeg)] {
            let [cpu, peak, memory] =
                [CPU, PEAK, MEMORY].map(|figure| match self.ratio(mode, rival, figure) {
                    Some(ratio) => format!("{ratio:.2}"),
                    None => "–".into(),
                });
            let pairs = format!("median of {} pairs, windows of {} s", self.rounds, self.seconds);
            row(name, [cpu, peak, memory, pairs]);
        }
        text.push('\n');
    }

    fn upload_times(&self, text: &mut String) {
        let bytes: Vec<f64> = self.uploads.iter().map(|upload| upload.bytes as f64 / 1e6).collect();
        let title = format!("{} uploads, {:.2} MB", self.uploads.len(), median(&bytes));
        let _ = writeln!(text, "{title:<28} {:>9} {:>9} {:>9}", "median ms", "p99 ms", "most ms");
        let parts: [(&str, Span); 3] = [
            ("  last byte to row", |upload| upload.closing_ms),
            ("  row to uploaded", |upload| upload.uploading_ms),
            ("  last byte to uploaded", Upload::total_ms),
        ];
        for (name, figure) in parts {
            let ms: Vec<f64> = self.uploads.iter().map(figure).collect();
            let (median, p99, most) = (median(&ms), quantile(&ms, 0.99), most(&ms));
            let _ = writeln!(text, "{name:<28} {median:>9.1} {p99:>9.1} {most:>9.1}");
        }
        let _ = writeln!(text, "{:<28} {:>9.1}", "  a PUT of it alone", self.put_alone_ms);
    }

    fn figures(&self, mode: Mode, recorder: Recorder, figure: Figure) -> Vec<f64> {
        let ours = self.samples.iter().filter(|(_, one)| one.mode == mode && one.recorder == recorder);
        ours.map(|(_, sample)| figure(sample)).collect()
    }

    /// The median of the rounds' ratios: what slowed one round down slowed both.
    fn ratio(&self, mode: Mode, rival: Recorder, figure: Figure) -> Option<f64> {
        let [ours, theirs] = [Recorder::Ours, rival].map(|recorder| self.figures(mode, recorder, figure));
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        Some(median(&ratios)).filter(|ratio| ratio.is_finite() && !ratios.is_empty())
    }
}

/// The median of the pairs' ratios.
fn drain_ratio(rates: &Rates) -> f64 {
    let pairs = rates.drain_per_second.iter().zip(&rates.raw_per_second);
    median(&pairs.map(|(drain, raw)| drain / raw).collect::<Vec<_>>())
}

fn drain(backlog: &Backlog, text: &mut String) {
    let Backlog { segments, empty_start_ms, start_ms, .. } = backlog;
    let memory = [backlog.waiting_rss_mib, backlog.begun_rss_mib, backlog.drained_rss_mib];
    // writing to a string cannot fail
    let _ = writeln!(text, "backlog of {segments} segments");
    let _ = writeln!(text, "  start to ready: {start_ms:.0} ms, without a backlog {empty_start_ms:.0} ms");
    let _ = writeln!(
        text,
        "  memory: {:.0} MiB while it waits, {:.0} when the drain begins, {:.0} later",
        memory[0], memory[1], memory[2]
    );
    for (store, rates) in [("that takes 20 ms", &backlog.distant), ("on this machine", &backlog.local)] {
        let _ = writeln!(
            text,
            "  into a store {store}: {:.0} segments a second, plain PUTs {:.0}; {:.2}, the median of {} pairs; {:.2} ms \
             of CPU a segment",
            median(&rates.drain_per_second),
            median(&rates.raw_per_second),
            drain_ratio(rates),
            rates.raw_per_second.len(),
            median(&rates.cpu_ms_per_segment)
        );
    }
    for pick in &backlog.picks {
        let (oldest, newest) = (pick.oldest_first_us, pick.newest_first_us);
        let _ = writeln!(
            text,
            "  pick among {:>7} rows: {oldest:.0} µs oldest first, {newest:.0} µs newest first",
            pick.rows
        );
    }
}

pub fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// Between the two nearest figures where none stands exactly there.
fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = part * sorted.len().saturating_sub(1) as f64;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
    at(place.floor()) + (at(place.ceil()) - at(place.floor())) * place.fract()
}

pub fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

pub fn most(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
