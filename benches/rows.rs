//! A month of sixteen cameras in the database: what is asked of it all day long, the start, and its size.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use cctv_s3_pipeline::config::UploadOrder;
use cctv_s3_pipeline::error::{Context, Kind, Result};
use cctv_s3_pipeline::segment::{CameraName, FileName, Timestamp};
use cctv_s3_pipeline::store::Store;
use serde::Serialize;

use super::support::backlog::open;
use super::support::{Program, S3Options, S3Server, Settings, Workspace};

const CAMERAS: usize = 16;
const DAYS: i64 = 30;
const SEGMENT_S: i64 = 10;
const PER_CAMERA: i64 = DAYS * 86_400 / SEGMENT_S;
/// With files: half an hour. The newest of them wait for S3.
const WITH_FILE: i64 = 180;
const WAITING: i64 = 6;
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, Serialize)]
pub struct Rows {
    pub rows: i64,
    pub bytes_per_row: f64,
    /// Medians.
    pub next_upload_ms: f64,
    pub live_window_ms: f64,
    pub day_report_ms: f64,
    /// From the start of the process to its word that it is ready; recovery looks at every row that has a file.
    pub start_ms: f64,
}

pub fn measure() -> Result<Rows> {
    let bucket = tempfile::tempdir().context(Kind::Disk, || "make a folder for the bucket")?;
    let mut s3 = S3Server::start(bucket.path(), S3Options::default())?;
    let mut settings = Settings::new(&s3);
    settings.set("logging.level", "info");
    for number in 1..=CAMERAS {
        settings.camera_at(&name(number), "rtsp://127.0.0.1:1/", None);
    }
    let workspace = Workspace::new(&settings, &s3);
    // rows wait while they are looked at
    s3.stop();
    let now = Timestamp::now();
    let database = workspace.path().join("data/segments.db");
    let store = open(&workspace)?;
    fill(&database, &workspace, now)?;
    let camera = CameraName::new(&name(1))?;
    let day = now.minus(Duration::from_secs(7 * 86_400));
    let rows = PER_CAMERA * CAMERAS as i64;
    let mut measured = Rows {
        rows,
        bytes_per_row: 0.0,
        next_upload_ms: median_ms(100, || {
            store.next_uploads(now, UploadOrder::OldestFirst, 2).map(|found| found.len())
        })?,
        live_window_ms: median_ms(100, || store.newest(&camera, 6).map(|found| found.len()))?,
        day_report_ms: median_ms(20, || {
            store.coverage(&camera, day, day.plus(Duration::from_secs(86_400)), now).map(|tiles| tiles.len())
        })?,
        start_ms: 0.0,
    };
    drop::<Store>(store);
    let began = Instant::now();
    let mut program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "ready:");
    measured.start_ms = began.elapsed().as_secs_f64() * 1e3;
    program.sigterm();
    program.wait_exit(LIMIT);
    let file = database.metadata().context(Kind::Disk, || "look at the database")?;
    measured.bytes_per_row = file.len() as f64 / rows as f64;
    Ok(measured)
}

fn name(number: usize) -> String {
    format!("cam-{number:02}")
}

/// Rows as the recorder leaves them, and the files of those that have one.
fn fill(database: &Path, workspace: &Workspace, now: Timestamp) -> Result<()> {
    let end = now.epoch_seconds() / SEGMENT_S * SEGMENT_S;
    let first = end - PER_CAMERA * SEGMENT_S;
    let what = || "write a month of rows";
    let mut connection = rusqlite::Connection::open(database).context(Kind::Data, what)?;
    let tx = connection.transaction().context(Kind::Data, what)?;
    for number in 1..=CAMERAS {
        let camera = name(number);
        let begin = format!(
            "INSERT INTO runs (camera, started_at, ended_at, cause, reason)
                 VALUES ('{camera}', {first}000, {end}000, 'program_down', 'stopped');
             INSERT INTO coverage (camera, start_ms, end_ms, end_run)
                 VALUES ('{camera}', {first}000, {end}000, last_insert_rowid());"
        );
        tx.execute_batch(&begin).context(Kind::Data, what)?;
        let folder = workspace.path().join("data/segments").join(&camera);
        std::fs::create_dir_all(&folder).context(Kind::Disk, what)?;
        for i in PER_CAMERA - WITH_FILE..PER_CAMERA {
            let path = folder.join(FileName::new(first + i * SEGMENT_S).to_string());
            let file = std::fs::File::create(&path).context(Kind::Disk, what)?;
            file.set_len(2_500_000 + (i % 1000) as u64).context(Kind::Disk, what)?;
        }
    }
    // as they come: one of each camera, then the next of each
    let insert = format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {PER_CAMERA} - 1)
         INSERT INTO segments (camera, run, sequence, discontinuity, start_ms, duration_us, bytes, sha256,
             file_epoch, state, created_at, uploaded_at)
         SELECT camera, end_run, 200000000 + i, 50000,
             ({first} + i * 10) * 1000, 10000000, 2500000 + i % 1000, randomblob(32),
             {first} + i * 10,
             CASE WHEN i >= {PER_CAMERA} - {WAITING} THEN 'created'
                 WHEN i >= {PER_CAMERA} - {WITH_FILE} THEN 'uploaded' ELSE 'cleaned' END,
             ({first} + i * 10) * 1000 + 11234,
             CASE WHEN i < {PER_CAMERA} - {WAITING} THEN ({first} + i * 10) * 1000 + 11345 END
         FROM n CROSS JOIN coverage;
         INSERT INTO md5s (segment, md5) SELECT id, randomblob(16) FROM segments WHERE state IN ('created', 'uploaded')"
    );
    tx.execute_batch(&insert).context(Kind::Data, what)?;
    tx.commit().context(Kind::Data, what)
}

fn median_ms(times: usize, mut ask: impl FnMut() -> Result<usize>) -> Result<f64> {
    let mut all = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        assert!(ask()? > 0, "there is something to find");
        all.push(began.elapsed().as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    Ok(all[times / 2])
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows: {:.0} bytes each; next upload {:.3} ms, live window {:.3} ms, day report {:.1} ms, start to ready {:.0} ms",
            self.rows,
            self.bytes_per_row,
            self.next_upload_ms,
            self.live_window_ms,
            self.day_report_ms,
            self.start_ms
        )
    }
}
