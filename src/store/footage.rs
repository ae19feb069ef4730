//! How much of each camera's time is footage, of all time, from totals that triggers keep. For `/metrics`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sql::{SqlContext, camera, unsigned};
use super::{Footage, Recent, Store};
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, Cause, Timestamp};

impl Store {
    /// By name; a camera that never recorded is not there.
    pub fn footage(&self) -> Result<Vec<Footage>> {
        let what = || "read totals of footage";
        self.read(|connection| {
            let tx = connection.unchecked_transaction().sql(what)?;
            let mut cameras: BTreeMap<CameraName, Footage> = BTreeMap::new();
            let mut statement =
                tx.prepare_cached("SELECT camera, end_ms - start_ms FROM coverage").sql(what)?;
            let rows = statement.query_map([], |row| Ok((camera(row, 0)?, unsigned(row, 1)?))).sql(what)?;
            for row in rows {
                let (camera, ms) = row.sql(what)?;
                let covered = Duration::from_millis(ms);
                cameras.insert(camera.clone(), Footage { camera, covered, gaps: Vec::new() });
            }
            let mut statement = tx.prepare_cached("SELECT camera, cause, ms FROM gap_totals").sql(what)?;
            let rows = statement
                .query_map([], |row| Ok((camera(row, 0)?, row.get::<_, String>(1)?, unsigned(row, 2)?)))
                .sql(what)?;
            for row in rows {
                let (camera, text, ms) = row.sql(what)?;
                let cause = Cause::parse(&text)
                    .ok_or_else(|| Error::new(Kind::Data, format!("{}: {text:?} is no cause", what())))?;
                if let Some(footage) = cameras.get_mut(&camera) {
                    footage.gaps.push((cause, Duration::from_millis(ms)));
                }
            }
            Ok(cameras.into_values().collect())
        })
    }

    /// What was closed from a time on, of all cameras.
    pub fn recent(&self, from: Timestamp) -> Result<Recent> {
        let what = || "add up the newest segments";
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*), coalesce(sum(bytes), 0), min(start_ms), max(start_ms + duration_us / 1000) \
                     FROM segments WHERE state IN ('created', 'uploading', 'retry', 'uploaded', 'failed', 'cleaned') \
                     AND start_ms >= ?1",
                )
                .and_then(|mut statement| {
                    statement.query_row([from.as_millis()], |row| {
                        let (first, last): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
                        let span = last.unwrap_or_default() - first.unwrap_or_default();
                        let span = Duration::from_millis(u64::try_from(span).unwrap_or_default());
                        Ok(Recent { segments: unsigned(row, 0)?, bytes: unsigned(row, 1)?, span })
                    })
                })
                .sql(what)
        })
    }

    /// The database with its log, in bytes.
    pub fn database_bytes(&self) -> u64 {
        let database = &self.inner.database;
        let mut log = database.clone().into_os_string();
        log.push("-wal");
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |found| found.len());
        size(database) + size(std::path::Path::new(&log))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, bench, cam};
    use super::*;

    #[test]
    fn the_totals_follow_every_change_of_the_gaps() {
        let bench = bench();
        let run = bench.run("cam");
        bench.segment("cam", run, HOUR);
        bench.segment("cam", run, HOUR + 14);
        let now = || {
            let footage = bench.store.footage().unwrap();
            let gaps = footage[0].gaps.iter().map(|(cause, gap)| (*cause, gap.as_secs()));
            (footage[0].camera.clone(), footage[0].covered.as_secs(), gaps.collect::<Vec<_>>())
        };
        assert_eq!(now(), (cam("cam"), 24, vec![(Cause::Clock, 4)]));
        bench.sql("UPDATE gaps SET end_ms = end_ms - 1000, cause = 'disk'");
        assert_eq!(now().2, [(Cause::Clock, 0), (Cause::Disk, 3)]);
        bench.sql(
            "INSERT INTO gaps (camera, start_ms, end_ms, cause, reason) VALUES ('cam', 1, 2001, 'disk', '')",
        );
        assert_eq!(now().2, [(Cause::Clock, 0), (Cause::Disk, 5)]);
        bench.sql("DELETE FROM gaps");
        assert_eq!(now().2, [(Cause::Clock, 0), (Cause::Disk, 0)]);
        assert!(bench.store.database_bytes() > 10_000);
    }
}
