//! A playlist as it goes over the wire. Made by the hub once per change, and by HTTP from rows.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A playlist, rendered once for all viewers.
#[derive(Debug)]
pub struct Rendered {
    pub text: Bytes,
    pub gzip: Bytes,
}

impl Rendered {
    pub fn new(text: String) -> Rendered {
        Rendered { gzip: gzip(text.as_bytes()), text: text.into() }
    }
}

fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(1024), Compression::fast());
    // writing into memory cannot fail
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}
