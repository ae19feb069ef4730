//! The store's few dealings with files: sync, hash, list, move aside.
//!
//! Never overwrites a file; removes one only where the caller's row allowed it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Kind, Result};
use crate::segment::{CameraName, FileName};

/// Folder under `segments_dir` for files that hold no video. A camera may have this name, too: what was moved
/// here lies one level deeper than a camera's own files.
const UNPLAYABLE: &str = "unplayable";

/// No segment's name: nobody ever adopts it.
const PROBE: &str = ".probe";
const PROBE_BYTES: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hashes {
    pub bytes: u64,
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
}

pub(super) fn exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::with_source(Kind::Disk, format!("look at {}", path.display()), error)),
    }
}

/// Creates a folder under an existing one; a power cut cannot take it away again.
pub(super) fn create_synced(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).context(Kind::Disk, || {
        format!("create folder {} (give this user write access)", folder.display())
    })?;
    folder.parent().map_or(Ok(()), sync)
}

/// Whether a new file can be begun in this folder: a small one is really written, and removed again. No figure of
/// free space tells as much of rights, inodes, quotas and disks that turned read-only.
pub(super) fn prove_writable(folder: &Path) -> Result<()> {
    let path = folder.join(PROBE);
    let written = fs::write(&path, [0; PROBE_BYTES]);
    let removed = fs::remove_file(&path);
    let what = || format!("write in {}", folder.display());
    written.context(Kind::Disk, what)?;
    removed.context(Kind::Disk, what)
}

/// Makes a file's bytes, or a folder's names, outlive a power cut.
pub(super) fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .context(Kind::Disk, || format!("sync {}", path.display()))
}

/// Size and both hashes, as read from the disk.
pub(super) fn hash(path: &Path) -> Result<Hashes> {
    let what = || format!("read {}", path.display());
    let mut file = File::open(path).context(Kind::Disk, what)?;
    let (mut md5, mut sha256, mut bytes) = (Md5::new(), Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer).context(Kind::Disk, what)?;
        if n == 0 {
            return Ok(Hashes { bytes, md5: md5.finalize().into(), sha256: sha256.finalize().into() });
        }
        md5.update(&buffer[..n]);
        sha256.update(&buffer[..n]);
        bytes += n as u64;
    }
}

/// Cuts what a crash left behind the last whole packet of a transport stream: part of a packet, or blocks of zeros
/// that the file was given before its bytes. A file that is no transport stream stays as it is.
pub(super) fn cut_broken_tail(path: &Path) -> Result<()> {
    const PACKET: u64 = 188;
    const SYNC: u8 = 0x47;
    let what = || format!("cut the broken end of {}", path.display());
    let file = OpenOptions::new().read(true).write(true).open(path).context(Kind::Disk, what)?;
    let begins_a_packet = |at: u64| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).map(|()| byte[0] == SYNC)
    };
    let bytes = file.metadata().context(Kind::Disk, what)?.len();
    if bytes < PACKET || !begins_a_packet(0).context(Kind::Disk, what)? {
        return Ok(());
    }
    let mut whole = bytes - bytes % PACKET;
    while !begins_a_packet(whole - PACKET).context(Kind::Disk, what)? {
        whole -= PACKET;
    }
    if whole < bytes {
        file.set_len(whole).context(Kind::Disk, what)?;
    }
    Ok(())
}

/// Removes a file; that it is gone already is fine. Returns whether it was there.
pub(super) fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::with_source(Kind::Disk, format!("remove {}", path.display()), error)),
    }
}

/// The camera folders that exist, whether or not the camera is still configured.
pub(super) fn cameras(segments_dir: &Path) -> Result<Vec<CameraName>> {
    let mut cameras: Vec<_> = list(segments_dir)?
        .into_iter()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| CameraName::new(entry.file_name().to_str()?).ok())
        .collect();
    cameras.sort();
    Ok(cameras)
}

/// One camera's segment files with their sizes, oldest name first; other files are not ours.
pub(super) fn segment_files(segments_dir: &Path, camera: &CameraName) -> Result<Vec<(FileName, u64)>> {
    let mut found = Vec::new();
    for entry in list(&segments_dir.join(camera.as_str()))? {
        let Some(file) = entry.file_name().to_str().and_then(FileName::parse) else { continue };
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => found.push((file, metadata.len())),
            Ok(_) => {}
            // retention of another process was faster
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let what = format!("look at {}", entry.path().display());
                return Err(Error::with_source(Kind::Disk, what, error));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn list(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder).and_then(Iterator::collect) {
        Ok(entries) => Ok(entries),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::with_source(Kind::Disk, format!("list {}", folder.display()), error)),
    }
}

/// Moves a file out of the camera's folder, never onto another file. Returns where it is now.
pub(super) fn move_aside(segments_dir: &Path, camera: &CameraName, file: FileName) -> Result<PathBuf> {
    let folder = segments_dir.join(UNPLAYABLE).join(camera.as_str());
    create_synced(&folder)?;
    let from = segments_dir.join(camera.as_str()).join(file.to_string());
    let mut to = folder.join(file.to_string());
    let mut copies = 0;
    while exists(&to)? {
        copies += 1;
        to = folder.join(format!("{file}.{copies}"));
    }
    fs::rename(&from, &to).context(Kind::Disk, || format!("move {} to {}", from.display(), to.display()))?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_tail_is_cut_to_whole_packets_and_what_is_no_stream_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment_1.ts");
        let packet = || std::iter::once(0x47).chain([1; 187]);
        let two: Vec<u8> = packet().chain(packet()).collect();
        let cut = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            cut_broken_tail(&path).unwrap();
            fs::read(&path).unwrap()
        };
        assert_eq!(cut(&two), two);
        assert_eq!(cut(&[&two[..], &[0x47, 1, 2]].concat()), two, "part of a packet");
        assert_eq!(cut(&[&two[..], &[0; 4096]].concat()), two, "blocks that were never written");
        for other in [&b"no stream"[..], &[0; 500], &b"Gone"[..], b""] {
            assert_eq!(cut(other), other);
        }
    }
}
