//! An outage of three days and its end: start with the backlog, memory, picks, and how fast it drains while recording.
//!
//! The rate is a ratio: slices in which the program drains take turns with slices in which it is stopped and a plain
//! loop PUTs files of the same size into the same server, as many at once. So what else the machine does meets both.

use std::path::Path;
use std::time::{Duration, Instant};

use cctv_s3_pipeline::config::{StorageConfig, UploadOrder};
use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use cctv_s3_pipeline::segment::{Prefix, Timestamp};
use cctv_s3_pipeline::store::Store;
use rustix::process::Signal;
use serde::Serialize;

use super::raw::Raw;
use super::support::backlog::{SEGMENT, open, seed};
use super::support::s3::Plan;
use super::support::{Camera, Fault, Program, S3Options, S3Server, Settings, Workspace, eventually};
use super::{bucket, process};

const LIMIT: Duration = Duration::from_secs(180);
const SLICE: Duration = Duration::from_secs(2);
const SLICES: usize = 8;
const FILE_BYTES: usize = 4096;
const CONCURRENCY: usize = 2;
const PICKS: usize = 200;
/// Bytes a second of one upload: each takes 20 ms, as to a store in the same part of the world.
const DISTANT: u32 = FILE_BYTES as u32 * 50;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Backlog {
    pub segments: usize,
    pub empty_start_ms: f64,
    pub start_ms: f64,
    /// While S3 is away, when the drain has begun, and after the measured part of it.
    pub waiting_rss_mib: f64,
    pub begun_rss_mib: f64,
    pub drained_rss_mib: f64,
    /// With a store that answers as a good line lets it, and one that answers as fast as this machine can.
    pub distant: Rates,
    pub local: Rates,
    pub picks: Vec<Pick>,
}

/// For each pair of slices.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rates {
    pub raw_per_second: Vec<f64>,
    pub drain_per_second: Vec<f64>,
    /// Of the program, its recording included.
    pub cpu_ms_per_segment: Vec<f64>,
}

/// Median time to find the next segments.
#[derive(Clone, Debug, Serialize)]
pub struct Pick {
    pub rows: usize,
    pub oldest_first_us: f64,
    pub newest_first_us: f64,
}

pub fn measure(camera: &Camera, segments: usize) -> Result<Backlog> {
    let bucket = bucket::folder()?;
    let mut s3 = S3Server::start(bucket.path(), S3Options::default())?;
    let mut settings = Settings::new(&s3);
    settings
        .set("capture.mode", "passthrough")
        .set("capture.segment_duration", 10)
        .set("s3.concurrency", i64::try_from(CONCURRENCY).unwrap_or(i64::MAX))
        .set("logging.level", "info")
        .camera("bench", camera);
    let workspace = Workspace::new(&settings, &s3);
    s3.stop();
    let mut backlog = Backlog { segments, ..Backlog::default() };
    backlog.empty_start_ms = start_and_stop(&workspace);
    let first = Timestamp::now().minus(SEGMENT * u32::try_from(segments + 6).unwrap_or(u32::MAX));
    seed(&open(&workspace)?, "bench", first, segments, FILE_BYTES)?;
    backlog.start_ms = start_and_stop(&workspace);

    let mut program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "ready:");
    program.wait_for_log(LIMIT, "segments wait on disk");
    backlog.waiting_rss_mib = process::rss_mib(program.id())?;
    s3.start_again()?;
    let stored = || s3.requests().len();
    eventually(LIMIT, "the drain to begin", || stored() > 200);
    backlog.begun_rss_mib = process::rss_mib(program.id())?;
    let raw = Raw::new(&s3, FILE_BYTES)?;
    s3.set_faults(Plan::always(Fault::Slow(DISTANT)));
    backlog.distant = take_turns(&program, &s3, &raw, segments)?;
    s3.heal();
    backlog.local = take_turns(&program, &s3, &raw, segments)?;
    backlog.drained_rss_mib = process::rss_mib(program.id())?;
    program.sigterm();
    program.wait_exit(LIMIT);
    backlog.picks = [100, segments, 1_000_000].into_iter().map(pick).collect::<Result<_>>()?;
    Ok(backlog)
}

/// From the start of the process to its word that it is ready.
fn start_and_stop(workspace: &Workspace) -> f64 {
    let started = Instant::now();
    let mut program = Program::start(workspace);
    program.wait_for_log(LIMIT, "ready:");
    let ready = started.elapsed();
    program.sigterm();
    program.wait_exit(LIMIT);
    ready.as_secs_f64() * 1e3
}

fn take_turns(program: &Program<'_>, s3: &S3Server, raw: &Raw, segments: usize) -> Result<Rates> {
    let mut rates = Rates::default();
    for _ in 0..SLICES {
        // a queue that runs dry says nothing about the rate
        if segments_stored(s3) * 10 > segments * 8 {
            break;
        }
        let (before, began, cpu) = (segments_stored(s3), Instant::now(), process::cpu_seconds(program.id())?);
        std::thread::sleep(SLICE);
        let stored = (segments_stored(s3) - before) as f64;
        rates.drain_per_second.push(stored / began.elapsed().as_secs_f64());
        let cpu = process::cpu_seconds(program.id())? - cpu;
        rates.cpu_ms_per_segment.push(cpu * 1e3 / stored.max(1.0));
        program.signal(Signal::STOP);
        let raw_rate = raw.rate(CONCURRENCY, SLICE);
        program.signal(Signal::CONT);
        rates.raw_per_second.push(raw_rate?);
    }
    Ok(rates)
}

fn segments_stored(s3: &S3Server) -> usize {
    s3.all_commits().keys().filter(|key| key.ends_with(".ts")).count()
}

/// Rows without files, in one transaction: a million closed one by one would take an hour.
fn store_of(folder: &Path, rows: usize) -> Result<Store> {
    let config = StorageConfig {
        segments_dir: folder.join("segments"),
        database: folder.join("segments.db"),
        ..StorageConfig::default()
    };
    let store = Store::open(&config, &Prefix::new(Prefix::DEFAULT)?)?;
    let insert = format!(
        "BEGIN IMMEDIATE; INSERT INTO runs (camera, started_at) VALUES ('bench', 0);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO segments (camera, run, sequence, discontinuity, start_ms, duration_us, bytes, sha256,
         file_epoch, state, created_at) SELECT 'bench', 1, i, 0, i * 10000, 10000000, 1,
         zeroblob(32), i * 10, 'created', 0 FROM n; COMMIT"
    );
    rusqlite::Connection::open(&config.database)
        .and_then(|connection| connection.execute_batch(&insert))
        .context(Kind::Data, || format!("write {rows} rows"))?;
    Ok(store)
}

/// How long a pick takes among so many waiting rows.
fn pick(rows: usize) -> Result<Pick> {
    let folder = tempfile::tempdir().context(Kind::Disk, || "make a folder for the rows")?;
    let store = store_of(folder.path(), rows)?;
    let median = |order| -> Result<f64> {
        let mut times = Vec::with_capacity(PICKS);
        for _ in 0..PICKS {
            let began = Instant::now();
            let found = store.next_uploads(Timestamp::now(), order, CONCURRENCY)?;
            times.push(began.elapsed().as_secs_f64() * 1e6);
            if found.len() != CONCURRENCY {
                return Err(Error::new(Kind::Data, format!("pick among {rows} rows: {} found", found.len())));
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times[PICKS / 2])
    };
    Ok(Pick {
        rows,
        oldest_first_us: median(UploadOrder::OldestFirst)?,
        newest_first_us: median(UploadOrder::NewestFirst)?,
    })
}
