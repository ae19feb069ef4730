//! Which hour manifests must be written, kept by triggers on `segments` (see `migrations/0001.sql`).
//!
//! Knows nothing of what a manifest looks like.

use rusqlite::params;

use super::rows::segments;
use super::sql::{COLUMNS, SqlContext, camera, signed, unsigned};
use super::{OpenManifest, Store};
use crate::error::Result;
use crate::segment::{CameraName, Segment, Timestamp};

impl Store {
    /// Every hour whose manifest in S3 is not final yet, oldest first. An hour in which nothing was uploaded, lost
    /// or dropped so far has nothing to show, and is left out.
    pub fn open_manifests(&self) -> Result<Vec<OpenManifest>> {
        self.read(|connection| {
            let what = || "list open manifests";
            let mut statement = connection
                .prepare_cached(
                    "SELECT camera, hour, changes, written_changes, written_at, pending \
                     FROM manifests INDEXED BY manifests_open WHERE ended = 0 AND changes > 0 \
                     ORDER BY hour, camera",
                )
                .sql(what)?;
            let rows = statement
                .query_map([], |row| {
                    let written_at: Option<i64> = row.get(4)?;
                    Ok(OpenManifest {
                        camera: camera(row, 0)?,
                        hour: Timestamp::from_millis(row.get(1)?),
                        changes: unsigned(row, 2)?,
                        written_changes: unsigned(row, 3)?,
                        written_at: written_at.map(Timestamp::from_millis),
                        pending: unsigned(row, 5)?,
                    })
                })
                .sql(what)?;
            rows.collect::<rusqlite::Result<_>>().sql(what)
        })
    }

    /// Notes that the manifest of `hour` went to S3 showing everything up to `changes`; `ended` makes it final,
    /// unless a change came in meanwhile.
    pub fn manifest_written(&self, manifest: &OpenManifest, now: Timestamp, ended: bool) -> Result<()> {
        self.write("note manifest", |tx| {
            tx.prepare_cached(
                "UPDATE manifests SET written_changes = max(written_changes, ?3), written_at = ?4, \
                 ended = ?5 AND changes = ?3 WHERE camera = ?1 AND hour = ?2",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    manifest.camera.as_str(),
                    manifest.hour.as_millis(),
                    signed(manifest.changes),
                    now.as_millis(),
                    ended,
                ])
            })
            .sql(|| format!("note manifest of {} {}", manifest.camera, manifest.hour))?;
            Ok(())
        })
    }

    /// All rows whose file name's second lies in the hour, in sequence order, any state.
    pub fn hour(&self, camera: &CameraName, hour: Timestamp) -> Result<Vec<Segment>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM segments WHERE camera = ?1 AND file_epoch >= ?2 \
             AND file_epoch < ?2 + 3600 ORDER BY sequence"
        );
        let from = hour.hour().epoch_seconds();
        self.read(|connection| {
            segments(connection, &sql, params![camera.as_str(), from], "list an hour's segments")
        })
    }
}
