//! Several moves of the uploader in one transaction: one sync of the disk for all of them, and all or none.
//!
//! A backlog is worked off as fast as the store takes it only if rows are not written one sync at a time. What each
//! move may do is the same as in `queue`.

use rusqlite::{OptionalExtension, Transaction, params};

use super::Store;
use super::queue::next_uploads;
use super::sql::{SqlContext, state};
use crate::config::UploadOrder;
use crate::error::Result;
use crate::segment::{Segment, SegmentId, State, Timestamp};

/// The moves that may go together.
pub struct Moves<'t> {
    tx: &'t Transaction<'t>,
}

impl Store {
    /// Does `work` in one transaction.
    pub fn together<T>(&self, what: &str, mut work: impl FnMut(&Moves<'_>) -> Result<T>) -> Result<T> {
        self.write(what, |tx| work(&Moves { tx }))
    }
}

impl Moves<'_> {
    /// `uploading` → `uploaded`, as [`Store::finish_uploaded`]; a row that moved on meanwhile holds the others up as
    /// little as it can, so it is only told.
    pub fn finish_uploaded(&self, id: SegmentId, at: Timestamp) -> Result<()> {
        let sql = "UPDATE segments SET state = 'uploaded', doubtful = 0, uploaded_at = ?2, next_attempt_at = 0, \
                   last_error = NULL WHERE id = ?1 AND state = 'uploading'";
        let moved = self
            .tx
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![id.0, at.as_millis()]))
            .sql(|| "note upload")?;
        match self.state_unless(moved == 1, id)? {
            // a commit that failed may have happened all the same
            None | Some(State::Uploaded) => {}
            Some(state) => {
                log::warn!("[store] note upload of row {}: it became {} meanwhile", id.0, state.as_str());
            }
        }
        Ok(())
    }

    /// `uploading` → what the row was before [`Moves::claim`] took it: nothing was sent.
    pub fn give_back(&self, segment: &Segment) -> Result<()> {
        self.tx
            .prepare_cached(
                "UPDATE segments SET state = ?2, doubtful = ?3 WHERE id = ?1 AND state = 'uploading'",
            )
            .and_then(|mut statement| {
                statement.execute(params![segment.id.0, segment.state.as_str(), segment.doubtful])
            })
            .sql(|| "give a segment back")?;
        Ok(())
    }

    /// Of the first `limit` rows that are due, those that `choose` leaves → `uploading`, and `doubtful` from here on.
    /// Returns them as they were before.
    pub fn claim(
        &self,
        now: Timestamp,
        order: UploadOrder,
        limit: usize,
        choose: impl FnOnce(&mut Vec<Segment>),
    ) -> Result<Vec<Segment>> {
        let mut due = next_uploads(self.tx, now, order, limit)?;
        choose(&mut due);
        let mut begin = self
            .tx
            .prepare_cached("UPDATE segments SET state = 'uploading', doubtful = 1 WHERE id = ?1")
            .sql(|| "begin uploads")?;
        for segment in &due {
            begin.execute([segment.id.0]).sql(|| "begin uploads")?;
        }
        Ok(due)
    }

    fn state_unless(&self, moved: bool, id: SegmentId) -> Result<Option<State>> {
        if moved {
            return Ok(None);
        }
        self.tx
            .prepare_cached("SELECT state FROM segments WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id.0], |row| state(row, 0)).optional())
            .sql(|| "look at a row")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, at, bench};
    use super::*;
    use crate::error::{Error, Kind};

    #[test]
    fn claimed_rows_are_uploading_and_in_doubt_and_nobody_else_gets_them() {
        let bench = bench();
        let run = bench.run("a");
        let rows: Vec<_> = (0..4).map(|n| bench.segment("a", run, HOUR + n * 10)).collect();
        let claim = |limit| {
            let claim = |moves: &Moves<'_>| moves.claim(at(HOUR), UploadOrder::OldestFirst, limit, |_| {});
            bench.store.together("claim", claim).unwrap()
        };
        assert_eq!(claim(3), rows[..3], "as they were before");
        assert_eq!(claim(3), rows[3..]);
        assert_eq!(claim(3), []);
        for row in &rows {
            assert_eq!((bench.state(row), bench.again(row).doubtful), (State::Uploading, true));
        }
    }

    #[test]
    fn what_was_claimed_and_not_sent_goes_back_as_it_was() {
        let bench = bench();
        let run = bench.run("a");
        let fresh = bench.segment("a", run, HOUR);
        let doubtful = bench.segment("a", run, HOUR + 10);
        bench.store.begin_upload(doubtful.id).unwrap();
        bench.store.finish_retry(doubtful.id, at(0), true, true, "timeout").unwrap();
        let before = [bench.again(&fresh), bench.again(&doubtful)];
        let claimed = bench
            .store
            .together("claim", |moves| moves.claim(at(HOUR), UploadOrder::NewestFirst, 9, |_| {}))
            .unwrap();
        assert_eq!(claimed.len(), 2);
        bench.store.together("back", |moves| claimed.iter().try_for_each(|s| moves.give_back(s))).unwrap();
        assert_eq!([bench.again(&fresh), bench.again(&doubtful)], before);
    }

    #[test]
    fn a_row_that_was_given_up_meanwhile_does_not_hold_the_others_up() {
        let bench = bench();
        let run = bench.run("a");
        let rows: Vec<_> = (0..3).map(|n| bench.segment("a", run, HOUR + n * 10)).collect();
        rows.iter().for_each(|row| bench.store.begin_upload(row.id).unwrap());
        bench.sql(&format!("UPDATE segments SET state = 'dropped' WHERE id = {}", rows[1].id.0));
        let finish =
            |moves: &Moves<'_>| rows.iter().try_for_each(|row| moves.finish_uploaded(row.id, at(HOUR)));
        bench.store.together("finish", finish).unwrap();
        bench.store.together("finish once more", finish).unwrap();
        let states: Vec<_> = rows.iter().map(|row| bench.state(row)).collect();
        assert_eq!(states, [State::Uploaded, State::Dropped, State::Uploaded]);
    }

    #[test]
    fn moves_that_fail_together_change_nothing() {
        let bench = bench();
        let run = bench.run("a");
        let row = bench.segment("a", run, HOUR);
        let failed = bench.store.together("claim", |moves| {
            moves.claim(at(HOUR), UploadOrder::OldestFirst, 1, |_| {})?;
            Err::<(), _>(Error::new(Kind::Disk, "full"))
        });
        assert!(failed.is_err());
        assert_eq!(bench.state(&row), State::Created);
    }
}
