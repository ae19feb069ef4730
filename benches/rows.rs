//! A month of sixteen cameras in the database: what is asked of it all day long, the start, and its size.

use std::fmt;
use std::time::{Duration, Instant};

use cctv_s3_pipeline::config::UploadOrder;
use cctv_s3_pipeline::error::{Context, Kind, Result};
use cctv_s3_pipeline::segment::{CameraName, Timestamp};
use cctv_s3_pipeline::store::Store;
use serde::Serialize;

use super::history::{History, name};
use super::support::backlog::open;
use super::support::{Program, S3Options, S3Server, Settings, Workspace};

/// Half an hour with files, whose newest wait for S3.
const MONTH: History = History { cameras: 16, days: 30, with_file: 180, waiting: 6 };
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
    for number in 1..=MONTH.cameras {
        settings.camera_at(&name(number), "rtsp://127.0.0.1:1/", None);
    }
    let workspace = Workspace::new(&settings, &s3);
    // rows wait while they are looked at
    s3.stop();
    let now = Timestamp::now();
    let database = workspace.path().join("data/segments.db");
    MONTH.write(&workspace, now)?;
    let store = open(&workspace)?;
    let camera = CameraName::new(&name(1))?;
    let day = now.minus(Duration::from_secs(7 * 86_400));
    let rows = MONTH.rows();
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
