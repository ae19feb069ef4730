//! The body of a PUT, held back where `s3.max_upload_kbps` says so.
//!
//! Its length is always known before it is sent: S3 refuses chunked bodies.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};

use super::super::throttle::Throttle;
use crate::chunks;

const READ_CHUNK_BYTES: usize = 256 * 1024;

/// The bytes to send.
pub enum Body {
    Bytes(Bytes),
    /// The first `bytes` of the file, streamed.
    File {
        file: std::fs::File,
        bytes: u64,
    },
}

impl Body {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    pub(super) fn into_reqwest(self, throttle: Option<Arc<Throttle>>) -> reqwest::Body {
        let piece = throttle.as_ref().map_or(READ_CHUNK_BYTES, |throttle| throttle.piece_bytes());
        match (self, throttle) {
            (Self::Bytes(bytes), None) => bytes.into(),
            (Self::Bytes(bytes), Some(throttle)) => {
                reqwest::Body::wrap_stream(held_back(stream::iter(pieces(bytes, piece)), throttle))
            }
            (Self::File { file, bytes }, throttle) => {
                let read = chunks::read(file, 0..bytes, piece as u64);
                match throttle {
                    None => reqwest::Body::wrap_stream(read),
                    Some(throttle) => reqwest::Body::wrap_stream(held_back(read, throttle)),
                }
            }
        }
    }
}

fn held_back(
    body: impl Stream<Item = io::Result<Bytes>>,
    throttle: Arc<Throttle>,
) -> impl Stream<Item = io::Result<Bytes>> {
    body.then(move |piece| {
        let throttle = throttle.clone();
        async move {
            if let Ok(piece) = &piece {
                throttle.pass(piece.len()).await;
            }
            piece
        }
    })
}

/// Shares the memory of `bytes`.
fn pieces(bytes: Bytes, size: usize) -> impl Iterator<Item = io::Result<Bytes>> {
    let starts = (0..bytes.len()).step_by(size.max(1));
    starts.map(move |start| Ok(bytes.slice(start..bytes.len().min(start + size))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_again() {
        let bytes = Bytes::from((0..=255u8).collect::<Vec<_>>());
        for size in [1, 7, 255, 256, 300] {
            let cut: Vec<Bytes> = pieces(bytes.clone(), size).map(|piece| piece.unwrap()).collect();
            assert!(cut.iter().all(|piece| piece.len() <= size));
            assert_eq!(cut.concat(), bytes[..], "pieces of {size}");
        }
        assert_eq!(pieces(Bytes::new(), 5).count(), 0);
    }
}
