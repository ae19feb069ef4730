//! What the receivers of alerts were told and not yet told the end of, so that a restart tells nothing twice.
//!
//! The names in it are the alerts' own: nothing here knows what they mean.

use std::collections::BTreeMap;

use rusqlite::params;

use super::Store;
use super::sql::SqlContext;
use crate::error::Result;
use crate::segment::Timestamp;

/// One alert that is on, as its receiver knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToldAlert {
    /// The name of its `[[alert]]`.
    pub target: String,
    pub kind: String,
    /// Empty for what is not of a camera.
    pub camera: String,
}

impl Store {
    pub fn told_alerts(&self) -> Result<BTreeMap<ToldAlert, Timestamp>> {
        let what = || "read alerts";
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT target, kind, camera, began_ms FROM alerts").sql(what)?;
            let rows = statement.query_map([], |row| {
                let told = ToldAlert { target: row.get(0)?, kind: row.get(1)?, camera: row.get(2)? };
                Ok((told, Timestamp::from_millis(row.get(3)?)))
            });
            rows.and_then(Iterator::collect).sql(what)
        })
    }

    /// Notes that the receiver knows of it.
    pub fn tell_alert(&self, told: &ToldAlert, began_at: Timestamp) -> Result<()> {
        self.write("note alert", |tx| {
            tx.prepare_cached(
                "INSERT INTO alerts (target, kind, camera, began_ms) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET began_ms = ?4",
            )
            .and_then(|mut statement| {
                statement.execute(params![told.target, told.kind, told.camera, began_at.as_millis()])
            })
            .sql(|| "note alert")?;
            Ok(())
        })
    }

    /// Notes that the receiver knows that it is over.
    pub fn forget_alert(&self, told: &ToldAlert) -> Result<()> {
        self.write("forget alert", |tx| {
            tx.prepare_cached("DELETE FROM alerts WHERE target = ?1 AND kind = ?2 AND camera = ?3")
                .and_then(|mut statement| statement.execute(params![told.target, told.kind, told.camera]))
                .sql(|| "forget alert")?;
            Ok(())
        })
    }

    /// How many segments were lost when alerts looked last; `None` if they never did.
    pub fn losses_seen(&self) -> Result<Option<u64>> {
        let seen: Option<i64> = self.read(|connection| {
            connection
                .query_row("SELECT max(segments) FROM alert_losses", [], |row| row.get(0))
                .sql(|| "read losses")
        })?;
        Ok(seen.and_then(|seen| u64::try_from(seen).ok()))
    }

    pub fn see_losses(&self, segments: u64) -> Result<()> {
        let segments = i64::try_from(segments).unwrap_or(i64::MAX);
        self.write("note losses", |tx| {
            tx.execute(
                "INSERT INTO alert_losses (id, segments) VALUES (1, ?1) ON CONFLICT DO UPDATE SET segments = ?1",
                [segments],
            )
            .sql(|| "note losses")?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, at, bench};
    use super::*;

    #[test]
    fn what_was_told_is_known_after_a_restart_until_its_end_was_told() {
        let bench = bench();
        let told = |camera: &str| ToldAlert {
            target: "hook".into(),
            kind: "camera-down".into(),
            camera: camera.into(),
        };
        bench.store.tell_alert(&told("gate"), at(HOUR)).unwrap();
        bench.store.tell_alert(&told("gate"), at(HOUR + 1)).unwrap();
        bench.store.tell_alert(&told(""), at(HOUR)).unwrap();
        let known = bench.reopen().told_alerts().unwrap();
        assert_eq!(known, BTreeMap::from([(told("gate"), at(HOUR + 1)), (told(""), at(HOUR))]));
        bench.store.forget_alert(&told("gate")).unwrap();
        assert_eq!(bench.store.told_alerts().unwrap().into_keys().collect::<Vec<_>>(), [told("")]);
    }

    #[test]
    fn losses_are_seen_once() {
        let bench = bench();
        assert_eq!(bench.store.losses_seen().unwrap(), None);
        for segments in [3, 5, 0] {
            bench.store.see_losses(segments).unwrap();
            assert_eq!(bench.reopen().losses_seen().unwrap(), Some(segments));
        }
    }
}
