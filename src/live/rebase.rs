//! Fragments whose time counts from a viewer's own first frame.
//!
//! Used for the endless MP4: VLC waits for the time before the first fragment, which was hours ago on an open stream.
//! MediaSource and HLS players take any time, and share the hub's bytes as they are.

use bytes::{Bytes, BytesMut};

/// The time of a fragment lies within its first bytes: moof, mfhd, traf and tfhd come before it (`fmp4.rs`).
const HEAD: usize = 160;

/// One viewer's beginning.
#[derive(Debug, Default)]
pub struct Rebase {
    /// Time of the first fragment, in ticks of the track.
    began: Option<u64>,
}

impl Rebase {
    /// The fragment as this viewer counts it; one without a time is left as it is.
    pub fn apply(&mut self, fragment: &Bytes) -> Bytes {
        let head = &fragment[..fragment.len().min(HEAD)];
        // name, version 1, flags, then 64 bits (ISO 14496-12, 8.8.12)
        let name = head.windows(8).position(|bytes| bytes == b"tfdt\x01\0\0\0");
        let Some(at) = name.map(|name| name + 8).filter(|at| at + 8 <= fragment.len()) else {
            return fragment.clone();
        };
        let mut ticks = [0; 8];
        ticks.copy_from_slice(&fragment[at..at + 8]);
        let ticks = u64::from_be_bytes(ticks);
        let began = *self.began.get_or_insert(ticks);
        let mut own = BytesMut::from(&fragment[..]);
        own[at..at + 8].copy_from_slice(&ticks.saturating_sub(began).to_be_bytes());
        own.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fmp4::{Frame, Muxer};
    use super::*;

    fn ticks(fragment: &[u8]) -> u64 {
        let at = fragment.windows(4).position(|bytes| bytes == b"tfdt").unwrap() + 8;
        u64::from_be_bytes(fragment[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn a_late_viewer_begins_at_zero_and_everything_else_stays() {
        let mut muxer = Muxer::default();
        let push = |number: u64| {
            let at = number * 66_666_667;
            let is_key = number.is_multiple_of(3);
            muxer.push(Frame { data: b"\0\0\0\x02\x65\x88", pts_ns: at, dts_ns: at, is_key })
        };
        let all: Vec<Bytes> = (0..9).filter_map(push).map(|fragment| fragment.bytes).collect();
        let mut rebase = Rebase::default();
        let (begin, late) = (ticks(&all[3]), &all[3..]);
        assert!(begin > 0);
        for fragment in late {
            let own = rebase.apply(fragment);
            assert_eq!(ticks(&own), ticks(fragment) - begin);
            let differing = own.iter().zip(fragment).filter(|(own, old)| own != old).count();
            assert!(own.len() == fragment.len() && differing <= 8, "{differing} bytes differ");
        }
        let strange = Bytes::from_static(b"no fragment");
        assert_eq!(rebase.apply(&strange), strange);
    }
}
