//! From a segment's close to `uploaded`, in the running program: a camera whose every second is a segment of 2.5 MB.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use cctv_s3_pipeline::error::{Context, Kind, Result};
use serde::Serialize;
use serde_json::{Map, Value};

use super::bucket;
use super::raw::Raw;
use super::support::{Camera, Program, S3Options, S3Server, Settings, Workspace, eventually};

/// The first pay for the connection and the probe of the store; in a recorder's life they do not count.
const WARM_UP: usize = 3;
const MARGIN: Duration = Duration::from_secs(60);
const ALONE: Duration = Duration::from_secs(5);

/// One segment on its way.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Upload {
    pub bytes: u64,
    /// From the last byte on disk to the row: both syncs and the transaction's start.
    pub closing_ms: f64,
    /// From the row to S3's word that it has these bytes.
    pub uploading_ms: f64,
}

impl Upload {
    pub fn total_ms(&self) -> f64 {
        self.closing_ms + self.uploading_ms
    }
}

/// Records until so many segments are uploaded. Then what a PUT of such a body takes the store alone, in ms.
pub fn time(camera: &Camera, count: usize) -> Result<(Vec<Upload>, f64)> {
    let bucket = bucket::folder()?;
    let s3 = S3Server::start(bucket.path(), S3Options::for_timing())?;
    let mut settings = Settings::new(&s3);
    settings
        .set("capture.mode", "passthrough")
        .set("capture.segment_duration", 1)
        .set("logging.level", "info")
        .camera("bench", camera);
    let workspace = Workspace::new(&settings, &s3);
    let mut program = Program::start(&workspace);
    let wanted = count + WARM_UP;
    // no look at the database meanwhile: it would be in the program's way
    std::thread::sleep(Duration::from_secs(wanted as u64));
    let sql = "SELECT file_epoch, bytes, created_at, uploaded_at FROM segments \
               WHERE uploaded_at IS NOT NULL ORDER BY sequence";
    let rows = eventually(Duration::from_secs(wanted as u64) + MARGIN, "enough uploads", || {
        let rows = workspace.rows(sql);
        if rows.len() >= wanted { Ok(rows) } else { Err(format!("{} of {wanted}", rows.len())) }
    });
    let folder = workspace.path().join("data/segments/bench");
    let uploads = rows[WARM_UP..wanted].iter().map(|row| upload(&folder, row)).collect::<Result<_>>();
    program.sigterm();
    program.wait_exit(MARGIN);
    let bytes = rows.last().and_then(|row| row["bytes"].as_u64()).unwrap_or_default();
    let rate = Raw::new(&s3, usize::try_from(bytes).unwrap_or_default())?.rate(1, ALONE)?;
    Ok((uploads?, 1e3 / rate))
}

fn upload(folder: &Path, row: &Map<String, Value>) -> Result<Upload> {
    let number = |name: &str| row[name].as_i64().unwrap_or_default();
    let file = folder.join(format!("segment_{}.ts", number("file_epoch")));
    let metadata = file.metadata().context(Kind::Disk, || format!("look at {}", file.display()))?;
    let written = metadata.modified().context(Kind::Disk, || format!("look at {}", file.display()))?;
    let written_ms = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3;
    let (created_at, uploaded_at) = (number("created_at"), number("uploaded_at"));
    Ok(Upload {
        bytes: metadata.len(),
        // the row knows whole milliseconds only
        closing_ms: (created_at as f64 - written_ms).max(0.0),
        uploading_ms: (uploaded_at - created_at) as f64,
    })
}
