//! Encoded frames → fragmented MP4: one init segment a run, one fragment (`moof` + `mdat`) a frame. Pure.
//!
//! Called by the hub. One frame is held back, because only its follower tells how long it lasts and whether a
//! part or a segment ends with it. GStreamer's mp4mux holds two back, and its 32-bit times wrap after 33 days.

use std::time::Duration;

use bytes::Bytes;
use mp4_atom::{
    Atom, Avc1, Avcc, Codec, Dinf, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Hvc1, Hvcc, Mdhd, Mdia, Mfhd,
    Minf, Moof, Moov, Mvex, Mvhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url,
    Visual, Vmhd,
};

use crate::error::{Context, Kind, Result};

/// Ticks a second: the usual clock of video, and fine enough for every frame rate.
const TIMESCALE: u32 = 90_000;
const TRACK: u32 = 1;
/// ISO 14496-12, 8.8.3.1: depends on no other sample.
const KEY_FLAGS: u32 = 0x0200_0000;
/// Depends on others, and is no sync sample.
const DELTA_FLAGS: u32 = 0x0101_0000;
/// A step of the frames' clock beyond this is a break of the clock, not a pause between two frames.
const BREAK_NS: u64 = 10_000_000_000;
/// Until two frames have told it: 15 frames a second.
const FIRST_DURATION: u64 = 6_000;

/// What the frames of a run are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub coding: Coding,
    /// The `avcC` or `hvcC` record, as GStreamer's caps carry it.
    pub codec_data: Vec<u8>,
    pub width: u16,
    pub height: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    H264,
    H265,
}

/// One encoded picture, its NAL units prefixed by their lengths. Times in nanoseconds of any one clock.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub data: &'a [u8],
    pub pts_ns: u64,
    pub dts_ns: u64,
    pub is_key: bool,
}

/// One frame as a player takes it.
#[derive(Clone, Debug)]
pub struct Fragment {
    pub bytes: Bytes,
    pub duration: Duration,
    pub is_key: bool,
    /// A keyframe follows: a GOP ends with this frame.
    pub ends_gop: bool,
}

/// The init segment, and how a browser wants its codec called (RFC 6381).
pub fn init(format: &Format) -> Result<(Bytes, String)> {
    let wrong = || "read the camera's codec data; look at its codec settings";
    let mut record = &format.codec_data[..];
    let visual =
        Visual { data_reference_index: 1, width: format.width, height: format.height, ..Visual::default() };
    let (codec, name) = match format.coding {
        Coding::H264 => {
            let avcc = Avcc::decode_body(&mut record).context(Kind::Pipeline, wrong)?;
            let name = avc_name(&avcc);
            let avc1 = Avc1 {
                visual,
                avcc,
                btrt: None,
                colr: None,
                pasp: None,
                taic: None,
                fiel: None,
                spatial: None,
            };
            (Codec::from(avc1), name)
        }
        Coding::H265 => {
            let hvcc = Hvcc::decode_body(&mut record).context(Kind::Pipeline, wrong)?;
            let name = hevc_name(&hvcc);
            (Codec::from(Hvc1 { visual, hvcc, ..Hvc1::default() }), name)
        }
    };
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: [b"iso6", b"cmfc", b"mp42"].map(FourCC::new).to_vec(),
    };
    let mut bytes = Vec::with_capacity(1024);
    let encoded = ftyp.encode(&mut bytes).and_then(|()| moov(format, codec).encode(&mut bytes));
    encoded.context(Kind::Internal, || "write an init segment")?;
    Ok((bytes.into(), name))
}

fn moov(format: &Format, codec: Codec) -> Moov {
    let stbl = Stbl { stsd: Stsd { codecs: vec![codec] }, stco: Some(Stco::default()), ..Stbl::default() };
    let dinf = Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } };
    let mdia = Mdia {
        mdhd: Mdhd { timescale: TIMESCALE, language: "und".into(), ..Mdhd::default() },
        hdlr: Hdlr { handler: FourCC::new(b"vide"), name: "live".into() },
        minf: Minf { vmhd: Some(Vmhd::default()), dinf, stbl, ..Minf::default() },
    };
    let tkhd = Tkhd {
        track_id: TRACK,
        enabled: true,
        in_movie: true,
        width: format.width.into(),
        height: format.height.into(),
        ..Tkhd::default()
    };
    let trex = Trex { track_id: TRACK, default_sample_description_index: 1, ..Trex::default() };
    Moov {
        mvhd: Mvhd { timescale: TIMESCALE, rate: 1.into(), next_track_id: TRACK + 1, ..Mvhd::default() },
        mvex: Some(Mvex { mehd: None, trex: vec![trex] }),
        trak: vec![Trak { tkhd, mdia, ..Trak::default() }],
        ..Moov::default()
    }
}

fn avc_name(avcc: &Avcc) -> String {
    let (profile, flags, level) =
        (avcc.avc_profile_indication, avcc.profile_compatibility, avcc.avc_level_indication);
    format!("avc1.{profile:02x}{flags:02x}{level:02x}")
}

/// ISO 14496-15, annex E.3.
fn hevc_name(hvcc: &Hvcc) -> String {
    let space = ["", "A", "B", "C"][usize::from(hvcc.general_profile_space & 3)];
    let compatible = u32::from_be_bytes(hvcc.general_profile_compatibility_flags).reverse_bits();
    let tier = if hvcc.general_tier_flag { 'H' } else { 'L' };
    let (profile, level) = (hvcc.general_profile_idc, hvcc.general_level_idc);
    let mut name = format!("hvc1.{space}{profile}.{compatible:X}.{tier}{level}");
    let constraints = &hvcc.general_constraint_indicator_flags;
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        name.push_str(&format!(".{byte:X}"));
    }
    name
}

/// Frames in, fragments out, one frame later. Time begins at 0 and goes on over runs, so that a viewer of an
/// endless stream sees a pause where there was one, and never goes back.
#[derive(Debug, Default)]
pub struct Muxer {
    sequence: u32,
    held: Option<Held>,
    /// When the next run begins.
    resume_at: u64,
    /// A frame's clock, and the ticks that it stands for. Times are measured from here: steps that are rounded one
    /// by one drift apart from the clock.
    anchor: (u64, u64),
    /// Ticks of the last frame that left.
    duration: u64,
}

#[derive(Debug)]
struct Held {
    data: Vec<u8>,
    /// When it is decoded, in ticks since the first frame.
    at: u64,
    dts_ns: u64,
    /// From decoding to showing, in ticks.
    delay: i64,
    is_key: bool,
}

impl Muxer {
    /// Takes a frame and gives the one before it. Frames before the first keyframe are let go.
    pub fn push(&mut self, frame: Frame<'_>) -> Option<Fragment> {
        if self.held.is_none() && !frame.is_key {
            return None;
        }
        let last = self.held.as_ref().map(|held| (held.at, held.dts_ns));
        let at = match last {
            None => self.anchored(frame.dts_ns, self.resume_at),
            Some((last, before_ns)) => self.at(last, before_ns, frame.dts_ns),
        };
        let delay = ticks(frame.pts_ns.saturating_sub(frame.dts_ns)).cast_signed()
            - ticks(frame.dts_ns.saturating_sub(frame.pts_ns)).cast_signed();
        let next = Held { data: frame.data.to_vec(), at, dts_ns: frame.dts_ns, delay, is_key: frame.is_key };
        let held = self.held.replace(next)?;
        self.duration = at - held.at;
        Some(self.fragment(held, frame.is_key))
    }

    /// The last frame, which lasts as long as the one before it.
    pub fn finish(&mut self) -> Option<Fragment> {
        let held = self.held.take()?;
        self.duration = self.usual();
        self.resume_at = held.at + self.duration;
        Some(self.fragment(held, true))
    }

    /// A new run follows, this long after the last frame; its frames have another clock.
    pub fn resume(&mut self, pause: Duration) {
        self.resume_at += ticks(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX / 9));
        self.duration = 0;
    }

    fn usual(&self) -> u64 {
        if self.duration == 0 { FIRST_DURATION } else { self.duration }
    }

    fn anchored(&mut self, ns: u64, at: u64) -> u64 {
        self.anchor = (ns, at);
        at
    }

    /// When a frame is decoded that follows the one at `last`. Where the clock broke, time goes on as if it had not.
    fn at(&mut self, last: u64, before_ns: u64, now_ns: u64) -> u64 {
        match now_ns.checked_sub(before_ns) {
            Some(step) if step > 0 && step < BREAK_NS => {
                (self.anchor.1 + ticks(now_ns.saturating_sub(self.anchor.0))).max(last + 1)
            }
            _ => self.anchored(now_ns, last + self.usual()),
        }
    }

    fn fragment(&mut self, held: Held, ends_gop: bool) -> Fragment {
        self.sequence = self.sequence.wrapping_add(1);
        let ticks = u32::try_from(self.duration).unwrap_or(u32::MAX);
        Fragment {
            bytes: write(self.sequence, &held, ticks),
            duration: Duration::from_nanos(self.duration * 1_000_000_000 / u64::from(TIMESCALE)),
            is_key: held.is_key,
            ends_gop,
        }
    }
}

fn ticks(ns: u64) -> u64 {
    // to the nearest; no wrap before a pipeline has run for 65 years
    (ns * 9 + 50_000) / 100_000
}

fn write(sequence: u32, held: &Held, duration: u32) -> Bytes {
    let size = u32::try_from(held.data.len()).unwrap_or(u32::MAX);
    let moof = |data_offset| Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: held.at }),
            trun: vec![Trun {
                data_offset: Some(data_offset),
                samples: vec![TrunEntry {
                    duration: Some(duration),
                    size: Some(size),
                    flags: Some(if held.is_key { KEY_FLAGS } else { DELTA_FLAGS }),
                    cts: Some(held.delay),
                }]
                .into(),
            }],
            ..Traf::default()
        }],
    };
    let mut bytes = Vec::with_capacity(held.data.len() + 160);
    // the offset to the data is the length of what is being written: once to measure, once to keep
    for _ in 0..2 {
        let header = i32::try_from(bytes.len() + 8).unwrap_or(i32::MAX);
        bytes.clear();
        // writing into memory cannot fail, and every field fits its box
        let _ = moof(header).encode(&mut bytes);
    }
    bytes.extend_from_slice(&size.saturating_add(8).to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    bytes.extend_from_slice(&held.data);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use mp4_atom::Decode;

    use super::*;

    const FRAME_NS: u64 = 40_000_000;

    fn frame(number: u64, is_key: bool) -> Frame<'static> {
        let at = 3_600_000_000_000 + number * FRAME_NS;
        Frame { data: b"\0\0\0\x02\x65\x88", pts_ns: at, dts_ns: at, is_key }
    }

    fn parsed(fragment: &Fragment) -> (Moof, Vec<u8>) {
        let mut rest = &fragment.bytes[..];
        let moof = Moof::decode(&mut rest).unwrap();
        let offset = moof.traf[0].trun[0].data_offset.unwrap();
        let data = &fragment.bytes[usize::try_from(offset).unwrap()..];
        assert_eq!(&rest[4..8], b"mdat");
        assert_eq!(rest.len() - 8, data.len());
        (moof, data.to_vec())
    }

    #[test]
    fn a_fragment_comes_with_the_next_frame_and_knows_its_length() {
        let mut muxer = Muxer::default();
        assert!(muxer.push(frame(0, true)).is_none());
        let first = muxer.push(frame(1, false)).unwrap();
        assert_eq!(first.duration, Duration::from_nanos(FRAME_NS));
        assert!(first.is_key && !first.ends_gop);
        let second = muxer.push(frame(3, true)).unwrap();
        assert_eq!(second.duration, Duration::from_nanos(2 * FRAME_NS));
        assert!(!second.is_key && second.ends_gop);
        let last = muxer.finish().unwrap();
        assert_eq!(last.duration, second.duration);
        assert!(muxer.finish().is_none());
        let (moof, data) = parsed(&second);
        assert_eq!(data, frame(0, true).data);
        let traf = &moof.traf[0];
        assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, 3600);
        assert_eq!(traf.trun[0].samples.get(0).unwrap().duration, Some(7200));
        assert_eq!(traf.trun[0].samples.get(0).unwrap().flags, Some(DELTA_FLAGS));
        assert_eq!(moof.mfhd.sequence_number, 2);
    }

    #[test]
    fn a_run_begins_with_a_keyframe_at_zero() {
        let mut muxer = Muxer::default();
        for number in 0..3 {
            assert!(muxer.push(frame(number, false)).is_none());
        }
        assert!(muxer.push(frame(3, true)).is_none());
        let (moof, _) = parsed(&muxer.push(frame(4, false)).unwrap());
        assert_eq!(moof.traf[0].tfdt.as_ref().unwrap().base_media_decode_time, 0);
    }

    #[test]
    fn time_goes_on_over_runs() {
        let mut muxer = Muxer::default();
        muxer.push(frame(0, true));
        muxer.push(frame(1, false));
        muxer.finish();
        muxer.resume(Duration::from_secs(5));
        assert!(muxer.push(frame(0, false)).is_none(), "a new run waits for its keyframe");
        muxer.push(frame(0, true));
        let (moof, _) = parsed(&muxer.push(frame(1, false)).unwrap());
        assert_eq!(moof.traf[0].tfdt.as_ref().unwrap().base_media_decode_time, 2 * 3600 + 5 * 90_000);
    }

    #[test]
    fn a_broken_clock_does_not_break_the_time_of_the_stream() {
        for jump in [0, 1_000, 1_000_000_000] {
            let mut muxer = Muxer::default();
            let mut last = 0;
            for number in [0, 1, 2, jump, jump + 1, jump + 2] {
                let Some(fragment) = muxer.push(frame(number, number == 0)) else { continue };
                let at = parsed(&fragment).0.traf[0].tfdt.as_ref().unwrap().base_media_decode_time;
                assert!(at == 0 || at == last + 3600, "{at} after {last}, jump {jump}");
                last = at;
            }
        }
    }

    #[test]
    fn pictures_that_are_shown_later_than_decoded_keep_their_delay() {
        let mut muxer = Muxer::default();
        let mut late = frame(0, true);
        late.pts_ns += FRAME_NS;
        muxer.push(late);
        let mut early = frame(1, false);
        early.pts_ns -= FRAME_NS;
        let first = parsed(&muxer.push(early).unwrap()).0;
        assert_eq!(first.traf[0].trun[0].samples.get(0).unwrap().cts, Some(3600));
        let second = parsed(&muxer.finish().unwrap()).0;
        assert_eq!(second.traf[0].trun[0].samples.get(0).unwrap().cts, Some(-3600));
    }

    #[test]
    fn codecs_are_called_as_browsers_want_it() {
        let avcc = Avcc::new(&[0x67, 0x64, 0x00, 0x1f], &[0x68]).unwrap();
        assert_eq!(avc_name(&avcc), "avc1.64001f");
        let hvcc = Hvcc {
            general_profile_idc: 1,
            general_profile_compatibility_flags: [0x60, 0, 0, 0],
            general_constraint_indicator_flags: [0x90, 0, 0, 0, 0, 0],
            general_level_idc: 93,
            ..Hvcc::default()
        };
        assert_eq!(hevc_name(&hvcc), "hvc1.1.6.L93.90");
    }

    #[test]
    fn codec_data_that_is_none_is_an_error() {
        let format = Format { coding: Coding::H264, codec_data: vec![9, 9], width: 320, height: 180 };
        assert!(init(&format).unwrap_err().to_string().starts_with("read the camera's codec data"));
    }
}
