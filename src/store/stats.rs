//! Counts for `status` and `/health`, from the totals that triggers keep.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::sql::{HAS_FILE, NEWEST, SqlContext, camera, state, unsigned};
use super::{CameraStats, Store};
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, State, Timestamp};
use crate::status::CameraState;

impl Store {
    /// Counts per camera, by name; also cameras that have nothing but a state.
    pub fn stats(&self) -> Result<Vec<CameraStats>> {
        self.read(|connection| {
            // one snapshot: the numbers belong to the same moment
            let tx = connection.unchecked_transaction().sql(|| "read statistics")?;
            let mut cameras: BTreeMap<CameraName, CameraStats> = BTreeMap::new();
            add_totals(&tx, &mut cameras)?;
            add_states(&tx, &mut cameras)?;
            for stats in cameras.values_mut() {
                stats.by_state.sort_by_key(|(state, ..)| *state);
                stats.newest_end = newest_end(&tx, &stats.camera)?;
                if stats.by_state.iter().any(|(state, ..)| state.is_pending()) {
                    stats.oldest_pending = oldest_pending(&tx, &stats.camera)?;
                }
            }
            Ok(cameras.into_values().collect())
        })
    }
}

fn entry(cameras: &mut BTreeMap<CameraName, CameraStats>, camera: CameraName) -> &mut CameraStats {
    cameras.entry(camera.clone()).or_insert_with(|| CameraStats {
        camera,
        by_state: Vec::new(),
        newest_end: None,
        oldest_pending: None,
        last_state: None,
    })
}

fn add_totals(connection: &Connection, cameras: &mut BTreeMap<CameraName, CameraStats>) -> Result<()> {
    let what = || "read totals";
    let mut statement = connection
        .prepare_cached("SELECT camera, state, segments, bytes FROM totals WHERE segments > 0")
        .sql(what)?;
    let rows = statement
        .query_map([], |row| Ok((camera(row, 0)?, state(row, 1)?, unsigned(row, 2)?, unsigned(row, 3)?)))
        .sql(what)?;
    for row in rows {
        let (camera, state, segments, bytes) = row.sql(what)?;
        entry(cameras, camera).by_state.push((state, segments, bytes));
    }
    Ok(())
}

fn add_states(connection: &Connection, cameras: &mut BTreeMap<CameraName, CameraStats>) -> Result<()> {
    let what = || "read camera states";
    let mut statement =
        connection.prepare_cached("SELECT name, state, reason, since FROM cameras").sql(what)?;
    let rows = statement
        .query_map([], |row| {
            let (state, reason): (String, Option<String>) = (row.get(1)?, row.get(2)?);
            Ok((camera(row, 0)?, state, reason, Timestamp::from_millis(row.get(3)?)))
        })
        .sql(what)?;
    for row in rows {
        let (camera, text, reason, since) = row.sql(what)?;
        let state = CameraState::parse(&text)
            .ok_or_else(|| Error::new(Kind::Data, format!("{}: {text:?} is no state of a camera", what())))?;
        entry(cameras, camera).last_state = Some((state, reason, since));
    }
    Ok(())
}

fn newest_end(connection: &Connection, camera: &CameraName) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached(&format!("SELECT start_ms + duration_us / 1000 FROM segments WHERE {NEWEST}"))
        .and_then(|mut statement| statement.query_row([camera.as_str()], |row| row.get(0)).optional())
        .map(|end| end.map(Timestamp::from_millis))
        .sql(|| "find newest segment")
}

/// The queue is in order of start over all cameras: the camera's first entry is near its head.
fn oldest_pending(connection: &Connection, camera: &CameraName) -> Result<Option<Timestamp>> {
    let queued = "SELECT start_ms FROM segments INDEXED BY segments_queue \
         WHERE state IN ('created', 'retry') AND camera = ?1 ORDER BY start_ms LIMIT 1";
    let uploading = format!(
        "SELECT start_ms FROM segments INDEXED BY segments_by_state \
         WHERE {HAS_FILE} AND state = '{}' AND camera = ?1 ORDER BY start_ms LIMIT 1",
        State::Uploading.as_str()
    );
    let mut oldest: Option<i64> = None;
    for sql in [queued, &uploading] {
        let found: Option<i64> = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([camera.as_str()], |row| row.get(0)).optional())
            .sql(|| "find oldest pending segment")?;
        oldest = [oldest, found].into_iter().flatten().min();
    }
    Ok(oldest.map(Timestamp::from_millis))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, at, bench, cam};
    use super::*;

    #[test]
    fn counts_follow_every_move() {
        let bench = bench();
        let run = bench.run("a");
        let size = bench.uploaded("a", run, HOUR).bytes;
        bench.segment("a", run, HOUR + 20);
        bench.segment("a", run, HOUR + 10);
        let uploading = bench.segment("a", run, HOUR + 5);
        bench.store.begin_upload(uploading.id).unwrap();
        let stats = bench.store.stats().unwrap();
        assert_eq!(stats.len(), 1);
        let expected =
            [(State::Created, 2, 2 * size), (State::Uploading, 1, size), (State::Uploaded, 1, size)];
        assert_eq!(stats[0].by_state, expected);
        assert_eq!(stats[0].oldest_pending, Some(at(HOUR + 5)));
        assert_eq!(stats[0].newest_end, Some(at(HOUR + 15)), "the end of the last one recorded");
        bench.store.finish_uploaded(uploading.id, at(HOUR)).unwrap();
        assert_eq!(bench.store.stats().unwrap()[0].oldest_pending, Some(at(HOUR + 10)));
    }

    #[test]
    fn a_camera_that_only_has_a_state_is_there_and_since_moves_on_changes_only() {
        let bench = bench();
        let set = |state, reason: Option<&str>, now| {
            bench.store.set_camera_state(&cam("b"), state, reason, at(now)).unwrap();
            bench.store.stats().unwrap()[0].last_state.clone().unwrap()
        };
        assert_eq!(set(CameraState::Recording, None, 1), (CameraState::Recording, None, at(1)));
        assert_eq!(set(CameraState::Recording, None, 2).2, at(1));
        let waiting = (CameraState::Waiting, Some("refused".to_owned()), at(3));
        assert_eq!(set(CameraState::Waiting, Some("refused"), 3), waiting);
        assert_eq!(set(CameraState::Waiting, Some("refused"), 4), waiting);
        assert_eq!(bench.store.stats().unwrap()[0].by_state, []);
    }
}
