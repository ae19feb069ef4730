//! Thumbnails beside the segments: where they are, and that none outlives its segment.
//!
//! They are no footage: no row knows them, nothing is lost with them, and `check store` does not ask for them. They lie
//! in a folder of their own, one level deeper than a camera's segments, so that a camera may be called like it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{Store, files};
use crate::error::Result;
use crate::segment::{CameraName, FileName};

const FOLDER: &str = "thumbs";

impl Store {
    /// Where the thumbnail of a segment is, if it has one.
    pub fn thumb_path(&self, camera: &CameraName, file: FileName) -> PathBuf {
        self.inner.segments_dir.join(FOLDER).join(camera.as_str()).join(file.thumb())
    }

    /// With the segment goes its thumbnail. One that cannot be removed is tried again at the next start.
    pub(super) fn remove_thumb(&self, camera: &CameraName, file: FileName) {
        if let Err(error) = files::remove(&self.thumb_path(camera, file)) {
            log::debug!("[store] {error}");
        }
    }

    /// What a crash left: thumbnails whose segment is gone, and half of one. `wanted` are the files of rows.
    pub(super) fn sweep_thumbs(&self, camera: &CameraName) -> Result<()> {
        let folder = self.inner.segments_dir.join(FOLDER).join(camera.as_str());
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
        let wanted: BTreeSet<FileName> = self.expected_files(camera)?.into_keys().collect();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_ours = name.starts_with("segment_") && (name.ends_with(".jpg") || name.ends_with(".part"));
            let is_wanted = FileName::parse_thumb(&name).is_some_and(|file| wanted.contains(&file));
            if is_ours && !is_wanted {
                files::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::StorageConfig;
    use crate::segment::{NewSegment, Prefix, TimeSource, Timestamp};
    use crate::store::Inspected;

    #[test]
    fn a_thumbnail_goes_with_its_segment_and_a_start_sweeps_what_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let storage = StorageConfig {
            local_buffer: Duration::ZERO,
            min_free_bytes: 0,
            segments_dir: folder.path().join("segments"),
            database: folder.path().join("segments.db"),
            ..StorageConfig::default()
        };
        let store = Store::open(&storage, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
        // the worst name for a camera
        let camera = CameraName::new("thumbs").unwrap();
        let start = |epoch| Timestamp::from_seconds(epoch);
        let run = store.begin_run(&camera, start(100)).unwrap();
        let thumb = |epoch| {
            let path = store.thumb_path(&camera, FileName::new(epoch));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"jpeg").unwrap();
            path
        };
        let mut rows = Vec::new();
        for epoch in [100, 110] {
            let file = FileName::new(epoch);
            fs::write(store.camera_dir(&camera).unwrap().join(file.to_string()), b"x").unwrap();
            let duration = Duration::from_secs(10);
            let (camera, time_source) = (camera.clone(), TimeSource::Arrival);
            let new = NewSegment {
                camera,
                run,
                start: start(epoch),
                time_source,
                duration,
                bytes: 1,
                md5: [0; 16],
                sha256: [0; 32],
                file,
            };
            rows.push(store.insert(&new).unwrap());
        }
        let (first, second, stray) = (thumb(100), thumb(110), thumb(50));
        let half = first.with_extension("part");
        fs::write(&half, b"jp").unwrap();
        store.begin_upload(rows[0].id).unwrap();
        store.finish_uploaded(rows[0].id, start(111)).unwrap();
        assert_eq!(store.retain(start(5000)).unwrap().cleaned, 1);
        assert!(!first.exists() && second.exists());

        let inspect = |_: &std::path::Path| -> Result<Inspected> { panic!("a thumbnail is no segment") };
        let recovered = store.recover_files(start(5000), &inspect).unwrap();
        assert_eq!(recovered, Default::default());
        assert!(second.exists() && !stray.exists() && !half.exists());
    }
}
