//! One segment file: GStreamer's streaming thread writes, the camera's thread closes.
//!
//! Writing never reports an error to GStreamer, which would kill the whole run at the wrong moment: the first error
//! is kept, later bytes are let go, and [`SegmentFile::close`] tells the camera's thread.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use md5::Md5;
use sha2::{Digest, Sha256};

/// Packets come a frame at a time; the disk gets them in pieces of this size.
const BUFFER_BYTES: usize = 128 * 1024;
/// The most footage that waits in memory for a piece to be full: what a kill of the program costs.
const LATEST: Duration = Duration::from_secs(1);
/// One packet of a transport stream.
const PACKET_BYTES: usize = 188;

/// The end that GStreamer holds.
pub struct SegmentWriter(Arc<Mutex<Open>>);

/// The end that the camera's thread holds.
pub struct SegmentFile {
    open: Arc<Mutex<Open>>,
    path: PathBuf,
}

/// What [`SegmentFile::close`] leaves on disk.
#[derive(Debug)]
pub struct ClosedFile {
    pub bytes: u64,
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
    /// The file ends before the footage did: the disk took no more.
    pub write_error: Option<io::Error>,
}

struct Open {
    /// `None` once closed; what comes then is let go.
    file: Option<File>,
    buffer: Vec<u8>,
    /// When the buffer went to disk.
    flushed: Instant,
    bytes: u64,
    md5: Md5,
    sha256: Sha256,
    error: Option<io::Error>,
}

/// Creates the file, which must not exist, and both its ends.
pub fn create(path: &Path) -> io::Result<(SegmentWriter, SegmentFile)> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let open = Open {
        file: Some(file),
        buffer: Vec::with_capacity(BUFFER_BYTES),
        flushed: Instant::now(),
        bytes: 0,
        md5: Md5::new(),
        sha256: Sha256::new(),
        error: None,
    };
    let open = Arc::new(Mutex::new(open));
    Ok((SegmentWriter(open.clone()), SegmentFile { open, path: path.into() }))
}

impl SegmentWriter {
    /// For packets that belong together.
    pub fn batch(&self) -> Batch<'_> {
        Batch(lock(&self.0))
    }

    /// Nothing more will come.
    pub fn finish(self) {
        lock(&self.0).flush_buffer();
    }
}

/// Packets of one frame. They go to disk when the buffer is full, and at least once a second.
pub struct Batch<'a>(MutexGuard<'a, Open>);

impl Batch<'_> {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.0.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.0.flush_buffer();
        }
        self.0.buffer.extend_from_slice(bytes);
    }

    /// The last frame is not whole, and nothing is written any more: the segment ends before it.
    pub fn fail(&mut self, error: io::Error) {
        self.0.flush_buffer();
        self.0.error.get_or_insert(error);
    }
}

impl Write for Batch<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.0.flushed.elapsed() >= LATEST {
            self.0.flush_buffer();
        }
    }
}

impl SegmentFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first error of writing, while the file is still open.
    pub fn write_error(&self) -> Option<String> {
        lock(&self.open).error.as_ref().map(io::Error::to_string)
    }

    /// Writes what is buffered, syncs file and folder. An error here means that nothing certain is on disk; a
    /// write error from earlier comes back in [`ClosedFile::write_error`] with the file cut to its whole frames.
    pub fn close(self) -> io::Result<ClosedFile> {
        let mut open = lock(&self.open);
        open.flush_buffer();
        let Some(file) = open.file.take() else {
            return Err(io::Error::other("the file was closed before"));
        };
        let write_error = open.error.take();
        let (mut md5, mut sha256) = (std::mem::take(&mut open.md5), std::mem::take(&mut open.sha256));
        if write_error.is_some() {
            let whole = whole_frames(&std::fs::read(&self.path)?).to_vec();
            open.bytes = whole.len() as u64;
            file.set_len(open.bytes)?;
            (md5, sha256) = (Md5::new_with_prefix(&whole), Sha256::new_with_prefix(&whole));
        }
        file.sync_all()?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(ClosedFile {
            bytes: open.bytes,
            md5: md5.finalize().into(),
            sha256: sha256.finalize().into(),
            write_error,
        })
    }
}

/// What of a cut-off stream plays to its end: up to the beginning of its last frame, of which a part may be missing.
fn whole_frames(stream: &[u8]) -> &[u8] {
    let packets = stream.chunks_exact(PACKET_BYTES);
    let last = packets.rev().position(begins_frame).map_or(0, |after| {
        let packets = stream.len() / PACKET_BYTES;
        (packets - 1 - after) * PACKET_BYTES
    });
    &stream[..last]
}

/// Whether a packet of the transport stream (ISO 13818-1, 2.4.3.2) carries the start of a PES packet. Tables have the
/// same flag, but no start code.
fn begins_frame(packet: &[u8]) -> bool {
    let starts_unit = packet[1] & 0x40 != 0;
    let payload = match packet[3] >> 4 & 0b11 {
        0b01 => 4,
        0b11 => 5 + usize::from(packet[4]),
        _ => return false,
    };
    starts_unit && packet.get(payload..).is_some_and(|payload| payload.starts_with(&[0, 0, 1]))
}

impl Open {
    fn flush_buffer(&mut self) {
        if let (Some(file), None) = (&mut self.file, &self.error) {
            match file.write_all(&self.buffer) {
                Ok(()) => {
                    self.bytes += self.buffer.len() as u64;
                    self.md5.update(&self.buffer);
                    self.sha256.update(&self.buffer);
                }
                Err(error) => self.error = Some(error),
            }
        }
        self.buffer.clear();
        self.flushed = Instant::now();
    }
}

fn lock(open: &Arc<Mutex<Open>>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_size_are_those_of_the_file_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment_1.ts");
        let (writer, file) = create(&path).unwrap();
        for n in 0..5_000u32 {
            writer.batch().push(&[n as u8; 188]);
        }
        let closed = file.close().unwrap();
        let disk = std::fs::read(&path).unwrap();
        assert_eq!(closed.bytes, disk.len() as u64);
        assert_eq!(closed.bytes, 5_000 * 188);
        assert_eq!(closed.md5, <[u8; 16]>::from(Md5::digest(&disk)));
        assert_eq!(closed.sha256, <[u8; 32]>::from(Sha256::digest(&disk)));
        assert!(closed.write_error.is_none());
    }

    #[test]
    fn what_was_written_is_on_disk_within_a_second_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment_1.ts");
        let (writer, _file) = create(&path).unwrap();
        let on_disk = || std::fs::metadata(&path).unwrap().len();
        writer.batch().push(&[1; 188]);
        assert_eq!(on_disk(), 0);
        lock(&writer.0).flushed = Instant::now().checked_sub(LATEST).unwrap();
        writer.batch().push(&[2; 188]);
        assert_eq!(on_disk(), 2 * 188);
        writer.batch().push(&[3; 188]);
        assert_eq!(on_disk(), 2 * 188);
        writer.finish();
        assert_eq!(on_disk(), 3 * 188);
    }

    #[test]
    fn an_existing_file_is_never_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment_1.ts");
        std::fs::write(&path, b"footage").unwrap();
        let error = create(&path).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"footage");
    }

    #[test]
    fn what_comes_after_the_close_is_let_go_without_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment_1.ts");
        let (writer, file) = create(&path).unwrap();
        writer.batch().push(b"abc");
        file.close().unwrap();
        writer.batch().push(&vec![0; 2 * BUFFER_BYTES]);
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    }

    #[test]
    fn a_full_disk_is_kept_for_the_close_and_not_told_to_the_pipeline() {
        // /dev/full takes the open and refuses every write, like a disk without a free block
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let open = Open {
            file: Some(file),
            buffer: Vec::new(),
            flushed: Instant::now(),
            bytes: 0,
            md5: Md5::new(),
            sha256: Sha256::new(),
            error: None,
        };
        let open = Arc::new(Mutex::new(open));
        let writer = SegmentWriter(open.clone());
        let file = SegmentFile { open, path: "/dev/full".into() };
        for _ in 0..3 {
            writer.batch().push(&vec![0; BUFFER_BYTES]);
        }
        assert!(file.write_error().is_some_and(|error| error.contains("No space left")));
    }

    /// A packet of video (or of a table) that begins a unit, or goes on with one.
    fn packet(begins: bool, start_code: bool, stuffing: u8) -> Vec<u8> {
        let mut packet = vec![0xaa; PACKET_BYTES];
        packet[..4].copy_from_slice(&[0x47, if begins { 0x40 } else { 0 }, 0x41, 0x10]);
        let mut payload = 4;
        if stuffing > 0 {
            packet[3] = 0x30;
            packet[4] = stuffing;
            payload = 5 + usize::from(stuffing);
        }
        if start_code && payload + 3 <= PACKET_BYTES {
            packet[payload..payload + 3].copy_from_slice(&[0, 0, 1]);
        }
        packet
    }

    #[test]
    fn a_cut_off_stream_ends_where_its_last_frame_begins() {
        let (table, frame) = (packet(true, false, 0), packet(true, true, 7));
        let more = packet(false, false, 0);
        for (stream, whole) in [
            (vec![&table, &frame, &more, &more, &frame, &more], 4),
            (vec![&table, &frame, &more, &table], 1),
            (vec![&table, &frame], 1),
            (vec![&table, &table], 0),
            (vec![], 0),
        ] {
            let mut bytes: Vec<u8> = stream.into_iter().flatten().copied().collect();
            // half a packet of the last write is there, too
            bytes.extend_from_slice(&frame[..100]);
            assert_eq!(whole_frames(&bytes).len(), whole * PACKET_BYTES);
        }
        // an adaptation field that fills the packet leaves no payload
        assert!(!begins_frame(&packet(true, true, 255)));
    }

    #[test]
    fn a_frame_that_could_not_be_written_whole_is_the_only_one_that_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment_1.ts");
        let (writer, file) = create(&path).unwrap();
        let (frame, more) = (packet(true, true, 0), packet(false, false, 0));
        {
            let mut batch = writer.batch();
            [&frame, &more, &frame].into_iter().for_each(|packet| batch.push(packet));
            batch.fail(io::ErrorKind::InvalidData.into());
            batch.push(&frame);
        }
        let closed = file.close().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [frame, more].concat());
        assert_eq!((closed.bytes, closed.write_error.is_some()), (2 * PACKET_BYTES as u64, true));
    }

    #[test]
    fn a_file_that_the_disk_cut_off_is_what_its_hashes_say() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment_1.ts");
        let (writer, file) = create(&path).unwrap();
        let (frame, more) = (packet(true, true, 0), packet(false, false, 0));
        [&frame, &more, &frame, &more].into_iter().for_each(|packet| writer.batch().push(packet));
        {
            let mut open = lock(&file.open);
            open.flush_buffer();
            // the disk took half of a packet more, and then none
            let mut raw = File::options().append(true).open(&path).unwrap();
            raw.write_all(&more[..100]).unwrap();
            open.error = Some(io::ErrorKind::StorageFull.into());
        }
        writer.batch().push(&frame);
        let closed = file.close().unwrap();
        let disk = std::fs::read(&path).unwrap();
        assert_eq!(disk.len(), 2 * PACKET_BYTES);
        assert_eq!(closed.bytes, disk.len() as u64);
        assert_eq!(closed.md5, <[u8; 16]>::from(Md5::digest(&disk)));
        assert_eq!(closed.sha256, <[u8; 32]>::from(Sha256::digest(&disk)));
        assert!(closed.write_error.is_some());
    }
}
