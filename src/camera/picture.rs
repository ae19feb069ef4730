//! The kind of picture that a run records: its codec and size, which must stay the same within a segment.
//!
//! Fed by `pipeline` on GStreamer's streaming thread, read by `run`. Players set their decoder up once a segment: a
//! picture that becomes another in the middle of one is a broken file for most of them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the first caps said, and how later ones differ from them.
#[derive(Debug, Default)]
pub struct Picture {
    kinds: Mutex<(Option<Kind>, Option<String>)>,
    /// Read for every frame.
    has_changed: AtomicBool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    media: String,
    width: i32,
    height: i32,
}

impl Picture {
    /// Notes caps that are about to go into the sink. Other things in them may change freely: frame rate, level.
    pub fn note(&self, caps: &gst::CapsRef) {
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

    /// The first change, in words.
    pub fn changed(&self) -> Option<String> {
        self.has_changed().then(|| self.kinds.lock().unwrap_or_else(PoisonError::into_inner).1.clone())?
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
