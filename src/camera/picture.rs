//! The kind of picture that a run records: its codec and size, which must stay the same within a segment.
//!
//! Fed by `pipeline` on GStreamer's streaming thread, read by `run`. Players set their decoder up once a segment: a
//! picture that becomes another in the middle of one is a broken file for most of them. A camera that changes its codec
//! without a word sends what the old codec's parser takes for frames: they hold no slice of a picture.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the first caps said, and how later ones differ from them.
#[derive(Debug, Default)]
pub struct Picture {
    kinds: Mutex<(Option<Kind>, Option<String>)>,
    /// Read for every frame.
    has_changed: AtomicBool,
    /// How frames are laid out; read for every frame.
    layout: AtomicU8,
}

/// Whole frames of these codecs between start codes can be looked into; 0 for anything else.
const H264: u8 = 1;
const H265: u8 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    media: String,
    width: i32,
    height: i32,
}

impl Picture {
    /// Notes caps that are about to go into the sink. Other things in them may change freely: frame rate, level.
    pub fn note(&self, caps: &gst::CapsRef) {
        self.layout.store(layout(caps), Ordering::Relaxed);
        let Some(kind) = Kind::of(caps) else { return };
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, change) = &mut *kinds;
        match first {
            None => *first = Some(kind),
            Some(first) if *first != kind && change.is_none() => {
                *change = Some(format!("from {first} to {kind}"));
                self.has_changed.store(true, Ordering::Relaxed);
            }
            Some(_) => {}
        }
    }

    pub fn has_changed(&self) -> bool {
        self.has_changed.load(Ordering::Relaxed)
    }

    /// Whether a picture is in what shall be a frame; true where that cannot be told.
    pub fn is_in(&self, frame: &gst::BufferRef) -> bool {
        let layout = self.layout.load(Ordering::Relaxed);
        if layout == 0 {
            return true;
        }
        // piece by piece: mapping all of it at once would copy it
        frame.iter_memories().any(|piece| piece.map_readable().is_ok_and(|bytes| has_slice(&bytes, layout)))
    }

    /// The first change, in words.
    pub fn changed(&self) -> Option<String> {
        self.has_changed().then(|| self.kinds.lock().unwrap_or_else(PoisonError::into_inner).1.clone())?
    }
}

fn layout(caps: &gst::CapsRef) -> u8 {
    let is = |stream: &gst::StructureRef, field: &str, value: &str| stream.get::<&str>(field) == Ok(value);
    match caps.structure(0) {
        Some(stream) if is(stream, "stream-format", "byte-stream") && is(stream, "alignment", "au") => {
            match stream.name().as_str() {
                "video/x-h264" => H264,
                "video/x-h265" => H265,
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// Whether a NAL unit of these holds a part of a picture. Ends at the first that does, which stands near the front.
fn has_slice(mut bytes: &[u8], layout: u8) -> bool {
    while let Some(at) = bytes.windows(3).position(|code| code == [0, 0, 1]) {
        let Some(header) = bytes.get(at + 3) else { return false };
        let is_slice = match (layout, bytes.get(at + 4)) {
            // coded slices, of an IDR picture or not; no camera uses data partitions, 2 to 4
            (H264, _) => matches!(header & 0x9f, 1 | 5),
            (_, Some(second)) => is_slice_of_h265(*header, *second),
            _ => false,
        };
        if is_slice {
            return true;
        }
        bytes = &bytes[at + 3..];
    }
    false
}

/// The base layer only. H.264's SEI looks like a picture of a temporal sublayer, which it would be a rare one of.
fn is_slice_of_h265(first: u8, second: u8) -> bool {
    let (layer, sublayer) = (second >> 3, second & 7);
    if first & 0x81 != 0 || layer != 0 {
        return false;
    }
    match first >> 1 {
        2..=5 => (2..=3).contains(&sublayer),
        0 | 1 | 6..=9 | 16..=21 => sublayer > 0,
        _ => false,
    }
}

impl Kind {
    /// `None` for caps that do not tell a size: they cannot be compared.
    fn of(caps: &gst::CapsRef) -> Option<Self> {
        let stream = caps.structure(0)?;
        let (width, height) = (stream.get("width").ok()?, stream.get("height").ok()?);
        Some(Self { media: stream.name().to_string(), width, height })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = self.media.strip_prefix("video/x-").unwrap_or(&self.media);
        write!(f, "{codec} {}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(media: &str, width: i32, level: &str) -> gst::Caps {
        let caps = gst::Caps::builder(media).field("width", width).field("height", 180).field("level", level);
        caps.build()
    }

    #[test]
    fn a_frame_of_the_other_codec_holds_no_slice() {
        let unit = |header: u8| vec![0, 0, 0, 1, header, 1, 0x80, 0x11];
        let h264 = [0x09, 0x67, 0x68, 0x06, 0x65];
        let h265 = [0x46, 0x40, 0x42, 0x44, 0x4e, 0x26];
        for (headers, layout, other) in [(&h264[..], H264, H265), (&h265, H265, H264)] {
            let frame: Vec<u8> = headers.iter().copied().flat_map(unit).collect();
            assert!(has_slice(&frame, layout));
            assert!(!has_slice(&frame, other), "{headers:x?}");
            assert!(
                !has_slice(&frame[..frame.len() - unit(0).len()], layout),
                "only what comes before the slice"
            );
        }
        assert!(has_slice(&unit(0x41), H264) && has_slice(&unit(0x02), H265));
        assert!(!has_slice(&unit(0x41), H265) && !has_slice(&unit(0x02), H264));
        assert!(!has_slice(&[0, 0, 1], H264) && !has_slice(&[], H265));
    }

    #[test]
    fn h265_pictures_of_sublayers_are_pictures_and_h264_beside_them_is_not() {
        for (first, second, is_slice) in [
            (0x02, 0x01, true),
            (0x26, 0x01, true),
            (0x06, 0x02, true),
            (0x04, 0x03, true),
            // H.264: SEI with user data, PPS and SPS of low priority, a slice
            (0x06, 0x05, false),
            (0x28, 0xee, false),
            (0x27, 0x42, false),
            (0x41, 0x9a, false),
        ] {
            assert_eq!(is_slice_of_h265(first, second), is_slice, "{first:x} {second:x}");
        }
    }

    #[test]
    fn another_size_or_codec_is_a_change_and_anything_else_is_not() {
        gst::init().unwrap();
        let picture = Picture::default();
        picture.note(&caps("video/x-h264", 320, "3"));
        picture.note(&caps("video/x-h264", 320, "4"));
        picture.note(&gst::Caps::builder("video/x-h264").build());
        assert_eq!(picture.changed(), None);
        picture.note(&caps("video/x-h264", 640, "4"));
        picture.note(&caps("video/x-h264", 320, "4"));
        assert_eq!(picture.changed().as_deref(), Some("from h264 320x180 to h264 640x180"));
        let picture = Picture::default();
        picture.note(&caps("video/x-h264", 320, "3"));
        picture.note(&caps("video/x-h265", 320, "3"));
        assert!(picture.has_changed());
    }
}
