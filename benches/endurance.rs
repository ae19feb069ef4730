//! Hours of many cameras, after a week of them: whether memory, threads and open files stay what they are.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use cctv_s3_pipeline::error::{Context, Kind, Result};
use cctv_s3_pipeline::segment::Timestamp;
use procfs::process::Process;
use serde::Serialize;

use super::history::{History, name};
use super::process;
use super::report::{least, most};
use super::support::{Camera, Program, S3Options, S3Server, Settings, Workspace, eventually};

const CAMERAS: usize = 20;
/// A database of 170 MB, larger than all its caches: those that fill up would look like a leak.
const WEEK: History = History { cameras: CAMERAS, days: 7, with_file: 0, waiting: 0 };
const START: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(60);
const SAMPLE_EVERY: Duration = Duration::from_secs(30);
/// Long after the store has proven an object; an hour of twenty cameras would be 36 GB.
const OBJECTS_STAY: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    pub hours: f64,
    pub rss_mib: f64,
    pub threads: f64,
    /// Files, sockets and pipes that are open.
    pub files: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Endurance {
    pub cameras: usize,
    pub cores: f64,
    pub samples: Vec<Sample>,
    pub segments: u64,
    /// Begun after the first, by cameras that were interrupted.
    pub runs: u64,
    pub gaps: u64,
    /// Not in S3 at the end.
    pub waiting: u64,
}

pub fn measure(camera: &Camera, minutes: u64) -> Result<Endurance> {
    let bucket = tempfile::tempdir().context(Kind::Disk, || "make a folder for the bucket")?;
    let s3 = S3Server::start(bucket.path(), S3Options::default())?;
    let mut settings = Settings::new(&s3);
    settings
        .set("capture.mode", "passthrough")
        .set("capture.segment_duration", 10)
        .set("storage.local_buffer_minutes", 1)
        .set("logging.level", "info");
    for number in 1..=CAMERAS {
        settings.camera(&name(number), camera);
    }
    let workspace = Workspace::new(&settings, &s3);
    WEEK.write(&workspace, Timestamp::now())?;
    let mut program = Program::start(&workspace);
    let uploaded = "SELECT DISTINCT camera FROM segments WHERE state = 'uploaded'";
    eventually(START, "a segment of every camera", || workspace.rows(uploaded).len() == CAMERAS);
    let before = counts(&workspace);
    let (started, cpu) = (Instant::now(), process::cpu_seconds(program.id())?);
    let mut samples = vec![sample(program.id(), started)?];
    while started.elapsed() < Duration::from_secs(60 * minutes) {
        std::thread::sleep(SAMPLE_EVERY);
        samples.push(sample(program.id(), started)?);
        forget_old(bucket.path())?;
    }
    let cores = (process::cpu_seconds(program.id())? - cpu) / started.elapsed().as_secs_f64();
    let counted = counts(&workspace);
    program.sigterm();
    program.wait_exit(END);
    let waiting = count(&workspace, "segments WHERE state NOT IN ('uploaded', 'cleaned')");
    let [segments, runs, gaps] = std::array::from_fn(|i| counted[i].saturating_sub(before[i]));
    Ok(Endurance { cameras: CAMERAS, cores, samples, segments, runs, gaps, waiting })
}

/// Segments, runs and gaps.
fn counts(workspace: &Workspace) -> [u64; 3] {
    ["segments", "runs", "gaps"].map(|table| count(workspace, table))
}

fn count(workspace: &Workspace, rows: &str) -> u64 {
    let found = workspace.rows(&format!("SELECT count(*) AS n FROM {rows}"));
    found.first().and_then(|row| row["n"].as_u64()).unwrap_or_default()
}

fn sample(id: u32, started: Instant) -> Result<Sample> {
    let what = || format!("look at process {id}: has it ended? see its log");
    let process = Process::new(i32::try_from(id).unwrap_or_default()).context(Kind::Internal, what)?;
    Ok(Sample {
        hours: started.elapsed().as_secs_f64() / 3600.0,
        rss_mib: process::rss_mib(id)?,
        threads: process.stat().context(Kind::Internal, what)?.num_threads as f64,
        files: process.fd_count().context(Kind::Internal, what)? as f64,
    })
}

/// Takes objects away that are long verified.
fn forget_old(folder: &Path) -> Result<()> {
    let what = || format!("clean {}", folder.display());
    for entry in folder.read_dir().context(Kind::Disk, what)? {
        let entry = entry.context(Kind::Disk, what)?;
        if entry.file_type().context(Kind::Disk, what)?.is_dir() {
            forget_old(&entry.path())?;
            continue;
        }
        // the store's own files beside them come and go
        if entry.path().extension().is_none_or(|extension| extension != "ts") {
            continue;
        }
        let written = entry.metadata().and_then(|file| file.modified()).context(Kind::Disk, what)?;
        if SystemTime::now().duration_since(written).unwrap_or_default() > OBJECTS_STAY {
            std::fs::remove_file(entry.path()).context(Kind::Disk, what)?;
        }
    }
    Ok(())
}

type Figure = fn(&Sample) -> f64;

/// Per hour, over the second half: the least squares' line.
fn slope(samples: &[Sample], figure: Figure) -> f64 {
    let half = &samples[samples.len() / 2..];
    let mean = |of: Figure| half.iter().map(of).sum::<f64>() / half.len() as f64;
    let (x, y) = (mean(|sample| sample.hours), mean(figure));
    let spread: f64 = half.iter().map(|sample| (sample.hours - x).powi(2)).sum();
    half.iter().map(|sample| (sample.hours - x) * (figure(sample) - y)).sum::<f64>() / spread
}

impl fmt::Display for Endurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.samples.last().map_or(0.0, |sample| sample.hours);
        writeln!(
            f,
            "{} cameras for {hours:.2} h: {:.3} cores; {} segments, {} runs begun, {} gaps; {} not uploaded at the end",
            self.cameras, self.cores, self.segments, self.runs, self.gaps, self.waiting
        )?;
        let figures: [(&str, Figure); 3] =
            [("MiB", |one| one.rss_mib), ("threads", |one| one.threads), ("open files", |one| one.files)];
        for (name, figure) in figures {
            let all: Vec<f64> = self.samples.iter().map(figure).collect();
            let (first, last) = (all.first().copied(), all.last().copied());
            writeln!(
                f,
                "  {name:<10} {:.1} at first, {:.1} at the end, {:.1}–{:.1}; {:+.1} an hour in the second half",
                first.unwrap_or(f64::NAN),
                last.unwrap_or(f64::NAN),
                least(&all),
                most(&all),
                slope(&self.samples, figure)
            )?;
        }
        Ok(())
    }
}
