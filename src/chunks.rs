//! A part of a file → its bytes, chunk by chunk, for a body that is sent.
//!
//! Used by `http` and `upload`. Reads off the async threads, and into the memory of the chunk before where
//! that is sent by then.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, try_unfold};

/// The bytes of `part` in chunks of `size`; an error where the file ends before.
pub fn read(file: File, part: Range<u64>, size: u64) -> impl Stream<Item = io::Result<Bytes>> {
    let (file, end) = (Arc::new(file), part.end);
    try_unfold((part.start, BytesMut::new()), move |(start, mut buffer)| {
        let file = file.clone();
        async move {
            let length = size.min(end.saturating_sub(start));
            if length == 0 {
                return Ok(None);
            }
            let read = move || {
                buffer.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
                file.read_exact_at(&mut buffer, start)?;
                Ok::<_, io::Error>((buffer.split().freeze(), buffer))
            };
            let (chunk, buffer) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
            Ok(Some((chunk, (start + length, buffer))))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt as _;
    use std::io::Write as _;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[tokio::test]
    async fn a_part_comes_whole_in_chunks_of_the_size() {
        let bytes: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
        for (part, size) in [(0..1000, 1000), (0..1000, 300), (17..523, 100), (999..1000, 64), (500..500, 64)]
        {
            let chunks: Vec<Bytes> = read(file_of(&bytes), part.clone(), size).try_collect().await.unwrap();
            assert!(chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() as u64 <= size));
            assert_eq!(chunks.concat(), bytes[part.start as usize..part.end as usize], "{part:?} by {size}");
        }
    }

    #[tokio::test]
    async fn a_file_that_ends_early_is_an_error() {
        let end = read(file_of(&[7; 100]), 0..150, 64).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }
}
