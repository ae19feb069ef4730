//! `check store`, the part about time: segments and gaps of a camera leave no hole and no gap hides footage.

use rusqlite::Connection;

use super::gaps::covered;
use super::sql::SqlContext;
use crate::error::Result;
use crate::segment::gap::TOLERANCE;
use crate::segment::{CameraName, Timestamp};

/// Adds a line for each hole without a gap, each gap over footage, and a `coverage` row that says otherwise.
pub(super) fn verify_time(
    connection: &Connection,
    camera: &CameraName,
    broken: &mut Vec<String>,
) -> Result<()> {
    let what = || "read a camera's time";
    let tx = connection.unchecked_transaction().sql(what)?;
    let mut statement = tx
        .prepare(
            "SELECT start_ms, start_ms + duration_us / 1000 AS end_ms, 0 AS gap FROM segments WHERE camera = ?1 \
             UNION ALL SELECT start_ms, end_ms, 1 FROM gaps WHERE camera = ?1 ORDER BY start_ms, gap",
        )
        .sql(what)?;
    let mut rows = statement.query([camera.as_str()]).sql(what)?;
    let (mut first, mut footage, mut gaps) = (None, None, None);
    while let Some(row) = rows.next().sql(what)? {
        let read = || -> rusqlite::Result<(i64, i64, bool)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let (start, end, is_gap) = read().sql(what)?;
        let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
        first = first.or(Some(start));
        let tiled: Option<Timestamp> = footage.max(gaps);
        if let Some(tiled) = tiled.filter(|tiled| start > tiled.plus(TOLERANCE)) {
            broken.push(format!("{camera} has neither footage nor a gap from {tiled} to {start}"));
        }
        let other = if is_gap { footage } else { gaps };
        if other.is_some_and(|other| start < other) {
            broken.push(format!("{camera} has a gap over footage at {start}"));
        }
        let of_kind = if is_gap { &mut gaps } else { &mut footage };
        *of_kind = Some(end).max(*of_kind);
    }
    let agrees = match (covered(&tx, camera)?, first.zip(footage)) {
        // the first gap may have become shorter by a rounding
        (Some(noted), Some((first, end))) => {
            noted.start <= first && first.since(noted.start) <= TOLERANCE && noted.end == end
        }
        (noted, found) => noted.is_none() && found.is_none(),
    };
    if !agrees {
        broken.push(format!("database: coverage of {camera} is not what its segments and gaps tile"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {

    use super::super::testing::{HOUR, at, bench, cam, stopped};

    #[test]
    fn a_hole_a_gap_over_footage_and_wrong_ends_are_lines() {
        let bench = bench();
        let first = bench.run("a");
        bench.segment("a", first, HOUR);
        bench.store.end_run(first, at(HOUR + 10), &stopped("stopped")).unwrap();
        let second = bench.store.begin_run(&cam("a"), at(HOUR + 40)).unwrap();
        bench.segment("a", second, HOUR + 40);
        assert_eq!(bench.store.verify().unwrap(), [""; 0]);
        for (lie, line) in [
            (
                "UPDATE gaps SET end_ms = end_ms - 101",
                "neither footage nor a gap from 2025-11-23T13:00:39.899Z",
            ),
            ("UPDATE gaps SET start_ms = start_ms - 1", "a gap over footage at 2025-11-23T13:00:09.999Z"),
            ("UPDATE gaps SET end_ms = end_ms + 1", "a gap over footage at 2025-11-23T13:00:40.000Z"),
            ("DELETE FROM gaps", "from 2025-11-23T13:00:10.000Z to 2025-11-23T13:00:40.000Z"),
            ("UPDATE coverage SET end_ms = end_ms + 1", "coverage of a is not what"),
            ("UPDATE coverage SET start_ms = start_ms - 101", "coverage of a is not what"),
        ] {
            bench.sql(&format!("SAVEPOINT lie; {lie}"));
            bench.sql("RELEASE lie");
            let lines = bench.store.verify().unwrap();
            assert!(lines.len() == 1 && lines[0].contains(line), "{lie}: {lines:#?}");
            bench.sql("DELETE FROM gaps; DELETE FROM coverage");
            bench.sql(&format!(
                "INSERT INTO gaps (camera, start_ms, end_ms, cause, reason) \
                 VALUES ('a', {0}, {1}, 'unknown', ''); \
                 INSERT INTO coverage VALUES ('a', {2}, {3}, {4})",
                (HOUR + 10) * 1000,
                (HOUR + 40) * 1000,
                HOUR * 1000,
                (HOUR + 50) * 1000,
                second.0
            ));
        }
    }
}
