//! Where the S3 server keeps its objects while uploads are timed.

use std::path::Path;

use cctv_s3_pipeline::error::{Context, Kind, Result};
use tempfile::TempDir;

const MEMORY: &str = "/dev/shm";
/// More than any bench stores.
const ROOM_BYTES: u64 = 4 << 30;

/// In memory where there is room: S3 is another machine, and must not wait for the recorder's own disk to sync.
pub fn folder() -> Result<TempDir> {
    let in_memory = if has_room(Path::new(MEMORY)) { tempfile::tempdir_in(MEMORY).ok() } else { None };
    in_memory.map_or_else(tempfile::tempdir, Ok).context(Kind::Disk, || "make a folder for the bucket")
}

fn has_room(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_bavail * found.f_frsize >= ROOM_BYTES)
}
