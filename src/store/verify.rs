//! `check store`: tries to catch rows and files in a lie, like fsck. Reads everything, changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;

use super::rows::segments;
use super::sql::{COLUMNS, HAS_FILE, SqlContext, camera, segment};
use super::{Role, Store, files, lock, tiling};
use crate::error::Result;
use crate::segment::{CameraName, Segment, State};

/// A segment that was just closed is hashed and synced before it has its row, while the next one is open already.
const CLOSING: Duration = Duration::from_secs(2);

impl Store {
    /// Every broken invariant as a line; empty when all hold. Hashes every file.
    ///
    /// May run beside the other processes: what moved while it looked is looked at again, and the newest file of
    /// each camera may be without a row while somebody captures.
    pub fn verify(&self) -> Result<Vec<String>> {
        self.require_marker()?;
        let capturing = lock::is_held(&self.inner.database, Role::Capture)?;
        let mut broken = Vec::new();
        self.read(|connection| {
            verify_database(connection, &mut broken)?;
            verify_numbers(connection, &mut broken)
        })?;
        let mut cameras = files::cameras(&self.inner.segments_dir)?;
        cameras.extend(self.read(cameras_of_rows)?);
        cameras.sort();
        cameras.dedup();
        for camera in cameras {
            self.read(|connection| tiling::verify_time(connection, &camera, &mut broken))?;
            self.verify_files(&camera, capturing, &mut broken)?;
        }
        Ok(broken)
    }

    fn verify_files(&self, camera: &CameraName, capturing: bool, broken: &mut Vec<String>) -> Result<()> {
        let on_disk = files::segment_files(&self.inner.segments_dir, camera)?;
        let newest = on_disk.last().map(|(file, _)| *file);
        let mut orphans = Vec::new();
        for (file, _) in &on_disk {
            let state = self.find(camera, *file)?.map(|row| row.state);
            let open = capturing && Some(*file) == newest;
            match state {
                None if !open => orphans.push(*file),
                Some(state @ (State::Cleaned | State::Dropped))
                    if files::exists(&self.file_path(camera, *file))? =>
                {
                    broken.push(format!(
                        "{file} of {camera} is {} but still on disk; the next start removes it",
                        state.as_str()
                    ));
                }
                _ => {}
            }
        }
        if capturing && !orphans.is_empty() {
            std::thread::sleep(CLOSING);
        }
        for file in orphans {
            if self.find(camera, file)?.is_none() && files::exists(&self.file_path(camera, file))? {
                broken.push(format!("{file} of {camera} has no row; the next start adopts it"));
            }
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_files WHERE camera = ?1 AND {HAS_FILE} \
             ORDER BY sequence"
        );
        let rows = self.read(|connection| segments(connection, &sql, [camera.as_str()], "list files"))?;
        for row in rows {
            if let Some(lie) = self.verify_file(&row)
                && self.find(camera, row.file)?.is_some_and(|now| now.state.has_file())
            {
                broken.push(lie);
            }
        }
        Ok(())
    }

    fn verify_file(&self, row: &Segment) -> Option<String> {
        let name = format!("{} of {} ({})", row.file, row.camera, row.state.as_str());
        match files::hash(&self.path(row)) {
            Err(error) => Some(format!("{name} cannot be read: {error}")),
            Ok(found) if found.bytes != row.bytes => {
                Some(format!("{name} has {} bytes, its row says {}", found.bytes, row.bytes))
            }
            Ok(found) if found.md5 != row.md5 || found.sha256 != row.sha256 => {
                Some(format!("{name} no longer matches its hash: its bytes changed on disk"))
            }
            Ok(_) => None,
        }
    }
}

fn verify_database(connection: &Connection, broken: &mut Vec<String>) -> Result<()> {
    let what = || "check the database";
    let mut statement = connection.prepare("PRAGMA integrity_check(20)").sql(what)?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).sql(what)?;
    for line in lines {
        let line = line.sql(what)?;
        if line != "ok" {
            broken.push(format!("database: {}", line.replace('\n', " ")));
        }
    }
    let counts = [
        (
            "segments and bytes by state",
            "SELECT count(*) FROM (SELECT camera, state, count(*), sum(bytes) FROM segments GROUP BY 1, 2 \
             EXCEPT SELECT camera, state, segments, bytes FROM totals)",
        ),
        (
            "newest segments",
            "SELECT count(*) FROM (SELECT camera, max(id) FROM segments GROUP BY 1 EXCEPT SELECT camera, segment FROM ends)",
        ),
        (
            "pending segments by hour",
            "SELECT count(*) FROM (SELECT camera, file_epoch / 3600 * 3600000, \
             sum(state IN ('created', 'uploading', 'retry')) FROM segments GROUP BY 1, 2 \
             EXCEPT SELECT camera, hour, pending FROM manifests)",
        ),
        ("segments of unknown runs", "SELECT count(*) FROM pragma_foreign_key_check"),
    ];
    for (name, sql) in counts {
        let wrong: i64 = connection.query_row(sql, [], |row| row.get(0)).sql(what)?;
        if wrong > 0 {
            broken.push(format!("database: {name}: {wrong} entries are wrong"));
        }
    }
    Ok(())
}

/// Sequences rise, breaks fall on changes of the run, and names agree with each other.
fn verify_numbers(connection: &Connection, broken: &mut Vec<String>) -> Result<()> {
    let what = || "read all rows";
    let sql = format!("SELECT {COLUMNS} FROM segments ORDER BY id");
    let mut statement = connection.prepare(&sql).sql(what)?;
    let rows = statement.query_map([], segment).sql(what)?;
    let mut last: BTreeMap<CameraName, Segment> = BTreeMap::new();
    for row in rows {
        let row = row.sql(what)?;
        let name = format!("{} of {} (sequence {})", row.file, row.camera, row.sequence);
        if !row.key.ends_with(&format!("/{}", row.file)) || !row.key.contains(row.camera.as_str()) {
            broken.push(format!("{name} has the key {}, which is another segment's", row.key));
        }
        if let Some(last) = last.get(&row.camera) {
            if row.sequence <= last.sequence {
                broken.push(format!("{name} comes after sequence {}", last.sequence));
            }
            let step = row.discontinuity.checked_sub(last.discontinuity);
            if step != Some(u64::from(row.run != last.run)) {
                broken.push(format!(
                    "{name} has discontinuity {} after {}, in run {} after {}",
                    row.discontinuity, last.discontinuity, row.run.0, last.run.0
                ));
            }
        }
        last.insert(row.camera.clone(), row);
    }
    Ok(())
}

fn cameras_of_rows(connection: &Connection) -> Result<Vec<CameraName>> {
    let what = || "list cameras";
    let mut statement = connection.prepare("SELECT DISTINCT camera FROM totals").sql(what)?;
    let rows = statement.query_map([], |row| camera(row, 0)).sql(what)?;
    rows.collect::<rusqlite::Result<_>>().sql(what)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, at, bench, stopped};
    use super::*;

    #[test]
    fn every_lie_is_a_line_that_names_its_segment() {
        let bench = bench();
        let run = bench.run("a");
        let segments: Vec<_> = (0..6).map(|n| bench.segment("a", run, HOUR + n * 10)).collect();
        assert_eq!(bench.store.verify().unwrap(), [""; 0]);
        let path = |n: usize| bench.store.path(&segments[n]);
        std::fs::remove_file(path(0)).unwrap();
        std::fs::write(path(1), "longer than it was, by far").unwrap();
        let mut bytes = std::fs::read(path(2)).unwrap();
        bytes[0] ^= 1;
        std::fs::write(path(2), bytes).unwrap();
        bench.sql(&format!("UPDATE segments SET discontinuity = 7 WHERE id = {}", segments[5].id.0));
        bench.sql(&format!(
            "UPDATE segments SET named_key = 'x/segment_1.ts' WHERE id = {}",
            segments[4].id.0
        ));
        bench.sql("UPDATE totals SET bytes = bytes + 1");
        bench.sql("UPDATE manifests SET pending = 0");
        bench.orphan("a", HOUR + 60, b"no row");

        let first = segments[0].sequence;
        let lines = bench.store.verify().unwrap();
        let numbers = [
            format!("segment_1763902840.ts of a (sequence {}) has the key x/segment_1.ts", first + 4),
            format!(
                "segment_1763902850.ts of a (sequence {}) has discontinuity 7 after {}",
                first + 5,
                segments[0].discontinuity
            ),
        ];
        for wanted in numbers.iter().map(String::as_str).chain([
            "segment_1763902800.ts of a (created) cannot be read",
            "segment_1763902810.ts of a (created) has 26 bytes, its row says 12",
            "segment_1763902820.ts of a (created) no longer matches its hash",
            "segment_1763902860.ts of a has no row",
            "database: segments and bytes by state: 1 entries",
            "database: pending segments by hour: 1 entries",
        ]) {
            assert!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted} in {lines:#?}");
        }
        assert_eq!(lines.len(), 8, "{lines:#?}");
    }

    #[test]
    fn the_open_segment_of_a_running_camera_is_no_lie() {
        let bench = bench();
        let run = bench.run("a");
        bench.segment("a", run, HOUR);
        bench.orphan("a", HOUR + 10, b"being written");
        assert_eq!(bench.store.verify().unwrap().len(), 1);
        let capturing = bench.store.lock(Role::Capture).unwrap();
        assert_eq!(bench.store.verify().unwrap(), [""; 0]);
        bench.orphan("a", HOUR + 20, b"being written");
        assert_eq!(bench.store.verify().unwrap().len(), 1, "only the newest can be open");
        drop(capturing);
        assert_eq!(bench.store.verify().unwrap().len(), 2);
    }

    #[test]
    fn a_segment_that_is_being_closed_is_no_lie() {
        let bench = bench();
        let _capturing = bench.store.lock(Role::Capture).unwrap();
        let run = bench.run("a");
        bench.orphan("a", HOUR, b"a 1763902800");
        bench.orphan("a", HOUR + 10, b"being written");
        std::thread::scope(|scope| {
            let lines = scope.spawn(|| bench.store.verify().unwrap());
            std::thread::sleep(CLOSING / 4);
            bench.segment("a", run, HOUR);
            assert_eq!(lines.join().unwrap(), [""; 0]);
        });
    }

    #[test]
    fn a_whole_life_leaves_nothing_to_complain_about() {
        let bench = bench();
        for round in 0..3 {
            let run = bench.run("a");
            for n in 0..5 {
                bench.uploaded("a", run, HOUR + round * 4000 + n * 10);
            }
            bench.store.end_run(run, at(HOUR + round * 4000 + 50), &stopped("stopped")).unwrap();
            bench.store.retain(at(HOUR + round * 4000 + 1000)).unwrap();
        }
        assert_eq!(bench.store.verify().unwrap(), [""; 0]);
    }
}
