//! The marker in the segment folder: tells "the disk is not mounted" from "the files are gone".
//!
//! Without it, one start with the disk unplugged would note every segment as lost for ever.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use super::sql::{HAS_FILE, SqlContext};
use super::{Store, files};
use crate::error::{Context, Error, Kind, Result};

pub(super) const MARKER: &str = ".cctv-s3-pipeline";

const TEXT: &str = "This folder holds the segments that the database knows. The file tells the program that the \
right disk is mounted; leave it here.\n";

impl Store {
    /// Marks a new folder; refuses one without a mark while rows say that files must be there.
    pub(super) fn check_marker(&self) -> Result<()> {
        if self.marked()? {
            return Ok(());
        }
        let sql =
            format!("SELECT EXISTS (SELECT 1 FROM segments INDEXED BY segments_files WHERE {HAS_FILE})");
        let expected: bool = self.read(|connection| {
            connection.query_row(&sql, [], |row| row.get(0)).sql(|| "look for segments")
        })?;
        if expected { self.require_marker() } else { self.mark() }
    }

    /// For everything that believes a missing file: asks whether the folder itself is there.
    pub fn require_marker(&self) -> Result<()> {
        if self.marked()? {
            return Ok(());
        }
        let folder = self.inner.segments_dir.display();
        Err(Error::new(
            Kind::Disk,
            format!(
                "use folder {folder}: {MARKER} is missing in it, so it is not the one that the database knows; \
                 mount its disk or correct storage.segments_dir (if the footage is gone for good: \
                 touch {folder}/{MARKER})"
            ),
        ))
    }

    fn marked(&self) -> Result<bool> {
        files::exists(&self.inner.segments_dir.join(MARKER))
    }

    fn mark(&self) -> Result<()> {
        let path = self.inner.segments_dir.join(MARKER);
        let what =
            || format!("create {} (free space on its disk, or give this user write access)", path.display());
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(TEXT.as_bytes()).context(Kind::Disk, what)?;
                file.sync_all().context(Kind::Disk, what)?;
                files::sync(&self.inner.segments_dir)
            }
            // another process that opens the same store was faster
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Error::with_source(Kind::Disk, what(), error)),
        }
    }
}
