//! A backlog as an outage leaves it: small files and their rows, written through the store as the recorder writes them.
//!
//! The one file of the kit that uses the program's own code: 26,000 segments cannot be waited for.

use std::time::Duration;

use cctv_s3_pipeline::config::StorageConfig;
use cctv_s3_pipeline::error::{Context, Kind, Result};
use cctv_s3_pipeline::segment::{
    CameraName, Cause, FileName, NewSegment, Prefix, Segment, TimeSource, Timestamp, Why,
};
use cctv_s3_pipeline::store::Store;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::Workspace;

pub const SEGMENT: Duration = Duration::from_secs(10);

/// The store of a workspace that has the settings' usual places.
pub fn open(workspace: &Workspace) -> Result<Store> {
    let config = StorageConfig {
        local_buffer: Duration::from_secs(1800),
        segments_dir: workspace.path().join("data/segments"),
        database: workspace.path().join("data/segments.db"),
        max_size_bytes: None,
        min_free_bytes: 0,
    };
    Store::open(&config, &Prefix::new(Prefix::DEFAULT)?)
}

/// Writes `count` segments of `bytes` each, one after the other, the first at `first`. Each has other bytes.
pub fn seed(
    store: &Store,
    camera: &str,
    first: Timestamp,
    count: usize,
    bytes: usize,
) -> Result<Vec<Segment>> {
    let camera = CameraName::new(camera)?;
    let folder = store.camera_dir(&camera)?;
    let run = store.begin_run(&camera, first)?;
    let mut start = first;
    let mut segments = Vec::with_capacity(count);
    for _ in 0..count {
        let file = FileName::new(start.epoch_seconds());
        let content = content(&camera, file, bytes);
        let path = folder.join(file.to_string());
        std::fs::write(&path, &content).context(Kind::Disk, || format!("write {}", path.display()))?;
        segments.push(store.insert(&NewSegment {
            camera: camera.clone(),
            run,
            start,
            time_source: TimeSource::Arrival,
            duration: SEGMENT,
            bytes: content.len() as u64,
            md5: Md5::digest(&content).into(),
            sha256: Sha256::digest(&content).into(),
            file,
        })?);
        start = start.plus(SEGMENT);
    }
    store.end_run(run, start, &Why::new(Cause::ProgramDown, "stopped"))?;
    Ok(segments)
}

fn content(camera: &CameraName, file: FileName, bytes: usize) -> Vec<u8> {
    format!("{camera} {file} ").into_bytes().into_iter().cycle().take(bytes).collect()
}
