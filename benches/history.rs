//! Rows of a recorder that has run for long, written beside the store: a month cannot be waited for.

use std::path::Path;

use cctv_s3_pipeline::error::{Context, Kind, Result};
use cctv_s3_pipeline::segment::{FileName, Timestamp};

use super::support::Workspace;
use super::support::backlog::open;

const SEGMENT_S: i64 = 10;
const DAY_S: i64 = 86_400;

#[derive(Clone, Copy, Debug)]
pub struct History {
    pub cameras: usize,
    pub days: i64,
    /// The newest of each camera that still have a file.
    pub with_file: i64,
    /// The newest of those that wait for S3.
    pub waiting: i64,
}

impl History {
    pub fn rows(self) -> i64 {
        self.per_camera() * self.cameras as i64
    }

    fn per_camera(self) -> i64 {
        self.days * DAY_S / SEGMENT_S
    }

    /// Rows as the recorder leaves them at `now`, and the files of those that have one.
    pub fn write(self, workspace: &Workspace, now: Timestamp) -> Result<()> {
        let database = workspace.path().join("data/segments.db");
        drop(open(workspace)?);
        let end = now.epoch_seconds() / SEGMENT_S * SEGMENT_S;
        let first = end - self.per_camera() * SEGMENT_S;
        let what = || "write rows of long ago";
        let mut connection = rusqlite::Connection::open(database).context(Kind::Data, what)?;
        let tx = connection.transaction().context(Kind::Data, what)?;
        for number in 1..=self.cameras {
            let camera = name(number);
            let begin = format!(
                "INSERT INTO runs (camera, started_at, ended_at, cause, reason)
                     VALUES ('{camera}', {first}000, {end}000, 'program_down', 'stopped');
                 INSERT INTO coverage (camera, start_ms, end_ms, end_run)
                     VALUES ('{camera}', {first}000, {end}000, last_insert_rowid());"
            );
            tx.execute_batch(&begin).context(Kind::Data, what)?;
            self.write_files(&workspace.path().join("data/segments").join(&camera), first)?;
        }
        tx.execute_batch(&self.insert(first)).context(Kind::Data, what)?;
        tx.commit().context(Kind::Data, what)
    }

    /// One row of each camera, then the next of each, as they come.
    fn insert(self, first: i64) -> String {
        let per_camera = self.per_camera();
        let (with_file, waiting) = (per_camera - self.with_file, per_camera - self.waiting);
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {per_camera} - 1)
             INSERT INTO segments (camera, run, sequence, discontinuity, start_ms, duration_us, bytes, sha256,
                 file_epoch, state, created_at, uploaded_at)
             SELECT camera, end_run, 200000000 + i, 50000,
                 ({first} + i * 10) * 1000, 10000000, 2500000 + i % 1000, randomblob(32),
                 {first} + i * 10,
                 CASE WHEN i >= {waiting} THEN 'created' WHEN i >= {with_file} THEN 'uploaded' ELSE 'cleaned' END,
                 ({first} + i * 10) * 1000 + 11234,
                 CASE WHEN i < {waiting} THEN ({first} + i * 10) * 1000 + 11345 END
             FROM n CROSS JOIN coverage;
             INSERT INTO md5s (segment, md5) SELECT id, randomblob(16) FROM segments WHERE state IN ('created', 'uploaded')"
        )
    }

    fn write_files(self, folder: &Path, first: i64) -> Result<()> {
        let what = || format!("write files in {}", folder.display());
        std::fs::create_dir_all(folder).context(Kind::Disk, what)?;
        for i in self.per_camera() - self.with_file..self.per_camera() {
            let path = folder.join(FileName::new(first + i * SEGMENT_S).to_string());
            let file = std::fs::File::create(&path).context(Kind::Disk, what)?;
            file.set_len(2_500_000 + (i % 1000) as u64).context(Kind::Disk, what)?;
        }
        Ok(())
    }
}

pub fn name(number: usize) -> String {
    format!("cam-{number:02}")
}
