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

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, HOUR, at, bench, cam};
    use super::*;
    use crate::segment::State;

    fn only(bench: &Bench) -> OpenManifest {
        let open = bench.store.open_manifests().unwrap();
        assert_eq!(open.len(), 1, "{open:?}");
        open.into_iter().next().unwrap()
    }

    #[test]
    fn an_hour_opens_with_its_first_upload_and_counts_what_may_still_come() {
        let bench = bench();
        let run = bench.run("a");
        bench.segment("a", run, HOUR);
        assert_eq!(bench.store.open_manifests().unwrap(), []);
        bench.uploaded("a", run, HOUR + 10);
        let open = only(&bench);
        assert_eq!((open.hour, open.changes, open.written_changes), (at(HOUR), 1, 0));
        assert_eq!((open.pending, open.written_at), (1, None));
    }

    #[test]
    fn uploaded_lost_and_dropped_are_changes_the_other_moves_are_not() {
        let bench = bench();
        let run = bench.run("a");
        let segment = bench.uploaded("a", run, HOUR);
        let second = bench.segment("a", run, HOUR + 10);
        bench.store.begin_upload(second.id).unwrap();
        bench.store.finish_failed(second.id, "refused").unwrap();
        assert_eq!((only(&bench).changes, only(&bench).pending), (1, 0), "failed waits for nobody");
        bench.store.retry_failed(None).unwrap();
        assert_eq!((only(&bench).changes, only(&bench).pending), (1, 1));
        bench.store.finish_lost(second.id, "gone").unwrap();
        assert_eq!((only(&bench).changes, only(&bench).pending), (2, 0));
        bench.store.retain(at(HOUR + 9000)).unwrap();
        assert_eq!(bench.state(&segment), State::Cleaned);
        assert_eq!(only(&bench).changes, 2, "its object is still in S3");
    }

    #[test]
    fn a_change_that_came_in_while_the_manifest_was_written_is_not_lost() {
        let bench = bench();
        let run = bench.run("a");
        bench.uploaded("a", run, HOUR);
        let seen = only(&bench);
        bench.uploaded("a", run, HOUR + 10);
        bench.store.manifest_written(&seen, at(HOUR + 3700), true).unwrap();
        let open = only(&bench);
        assert_eq!((open.changes, open.written_changes), (2, 1));
        assert_eq!(open.written_at, Some(at(HOUR + 3700)));
        bench.store.manifest_written(&open, at(HOUR + 3800), true).unwrap();
        assert_eq!(bench.store.open_manifests().unwrap(), []);
    }

    #[test]
    fn a_final_manifest_opens_again_when_a_late_segment_arrives() {
        let bench = bench();
        let run = bench.run("a");
        bench.uploaded("a", run, HOUR);
        bench.store.manifest_written(&only(&bench), at(HOUR + 3700), true).unwrap();
        let late = bench.segment("a", run, HOUR + 20);
        assert_eq!(bench.store.open_manifests().unwrap(), [], "nothing new to show yet");
        bench.store.begin_upload(late.id).unwrap();
        bench.store.finish_uploaded(late.id, at(HOUR + 4000)).unwrap();
        assert_eq!((only(&bench).changes, only(&bench).written_changes), (2, 1));
    }

    #[test]
    fn hours_are_told_apart_by_the_second_in_the_file_name() {
        let bench = bench();
        let run = bench.run("a");
        let last = bench.uploaded("a", run, HOUR + 3599);
        let first = bench.uploaded("a", run, HOUR + 3600);
        let open = bench.store.open_manifests().unwrap();
        let hours: Vec<_> = open.iter().map(|manifest| manifest.hour).collect();
        assert_eq!(hours, [at(HOUR), at(HOUR + 3600)]);
        assert_eq!(bench.store.hour(&cam("a"), at(HOUR)).unwrap(), [last]);
        assert_eq!(bench.store.hour(&cam("a"), at(HOUR + 3600)).unwrap(), [first]);
        assert_eq!(bench.store.hour(&cam("b"), at(HOUR)).unwrap(), []);
    }
}
