//! Frames of one video stream → packets of a transport stream (ISO 13818-1).

use std::io::Write;

use mpeg2ts::Result;
use mpeg2ts::es::{StreamId, StreamType};
use mpeg2ts::pes::PesHeader;
use mpeg2ts::time::{ClockReference, Timestamp};
use mpeg2ts::ts::payload::{Bytes, Pat, Pes, Pmt};
use mpeg2ts::ts::{
    AdaptationField, ContinuityCounter, EsInfo, Pid, ProgramAssociation, TransportScramblingControl,
    TsHeader, TsPacket, TsPacketWriter, TsPayload, VersionNumber, WriteTsPacket,
};

use super::super::codec::Codec;

/// The numbers that GStreamer's muxer has, too.
const PMT: u16 = 0x20;
const VIDEO: u16 = 0x41;
const PROGRAM: u16 = 1;
/// Times begin an hour in: those of decoding may lie before zero.
const BASE: i64 = 3_600 * 90_000;
/// How long bytes have been there when they are decoded, in 1/90,000 s: an eighth of a second, as with GStreamer's muxer.
const BUFFERED: i64 = 90_000 / 8;
/// What an adaptation field with a clock takes.
const CLOCK_BYTES: usize = 8;
/// Where between both parts of that clock six bits are.
const CLOCK_RESERVED: usize = 10;
/// The header of a frame: without times, and each time.
const HEADER_BYTES: usize = 9;
const TIME_BYTES: usize = 5;

/// When a frame is shown and decoded, in ns of running time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    pub pts: Option<i64>,
    pub dts: Option<i64>,
}

/// What continues from packet to packet, over all segments of a run.
pub struct Packets {
    codec: Codec,
    tables: Counter,
    programs: Counter,
    video: Counter,
    clock: i64,
}

/// What stands before a frame's first bytes, and how many of them fit into its packet.
struct Begin {
    field: AdaptationField,
    header: PesHeader,
    room: usize,
}

/// Of one stream's packets.
#[derive(Default)]
struct Counter(ContinuityCounter);

impl Counter {
    fn header(&mut self, pid: u16) -> Result<TsHeader> {
        let continuity_counter = self.0;
        self.0.increment();
        Ok(TsHeader {
            transport_error_indicator: false,
            transport_priority: false,
            pid: Pid::new(pid)?,
            transport_scrambling_control: TransportScramblingControl::NotScrambled,
            continuity_counter,
        })
    }
}

impl Packets {
    pub fn new(codec: Codec) -> Packets {
        let [tables, programs, video] = Default::default();
        Packets { codec, tables, programs, video, clock: i64::MIN }
    }

    /// Writes a frame that lies in these pieces; before a keyframe the tables, so that a player can begin there.
    ///
    /// # Errors
    /// Those of `out` alone.
    pub fn write<P: AsRef<[u8]>>(
        &mut self,
        times: Times,
        is_key: bool,
        pieces: impl IntoIterator<Item = P>,
        mut out: impl Write,
    ) -> Result<()> {
        if is_key {
            self.write_tables(&mut out)?;
        }
        let pts = times.pts.or(times.dts).map(ticks);
        // a player would wait for what is decoded after it is shown
        let dts = times.dts.map(ticks).filter(|dts| pts.is_some_and(|pts| *dts < pts));
        let begin = self.begin(pts, dts, is_key)?;
        let (mut payload, mut filled, mut room) = ([0; Bytes::MAX_SIZE], 0, begin.room);
        let mut begin = Some(begin);
        for piece in pieces {
            let mut rest = piece.as_ref();
            while !rest.is_empty() {
                if filled == room {
                    self.write_packet(begin.take(), &payload[..filled], &mut out)?;
                    (filled, room) = (0, payload.len());
                }
                let (now, later) = rest.split_at(rest.len().min(room - filled));
                payload[filled..filled + now.len()].copy_from_slice(now);
                filled += now.len();
                rest = later;
            }
        }
        self.write_packet(begin, &payload[..filled], &mut out)
    }

    fn write_tables(&mut self, out: &mut impl Write) -> Result<()> {
        let programs = Pat {
            transport_stream_id: PROGRAM,
            version_number: VersionNumber::new(),
            table: vec![ProgramAssociation { program_num: PROGRAM, program_map_pid: Pid::new(PMT)? }],
        };
        let stream_type = match self.codec {
            Codec::H264 => StreamType::H264,
            Codec::H265 => StreamType::H265,
        };
        let streams = Pmt {
            program_num: PROGRAM,
            pcr_pid: Some(Pid::new(VIDEO)?),
            version_number: VersionNumber::new(),
            program_info: Vec::new(),
            es_info: vec![EsInfo { stream_type, elementary_pid: Pid::new(VIDEO)?, descriptors: Vec::new() }],
        };
        for (header, payload) in [
            (self.tables.header(Pid::PAT)?, TsPayload::Pat(programs)),
            (self.programs.header(PMT)?, TsPayload::Pmt(streams)),
        ] {
            out.write_all(&bytes(&TsPacket { header, adaptation_field: None, payload: Some(payload) })?)?;
        }
        Ok(())
    }

    fn begin(&mut self, pts: Option<i64>, dts: Option<i64>, is_key: bool) -> Result<Begin> {
        // frames that are shown in another order than they come make the time of showing go back, but never a clock
        self.clock = dts.or(pts).map_or(self.clock, |at| self.clock.max(at - BUFFERED));
        let pcr = ClockReference::new(wrapped(self.clock) * 300)?;
        let field = AdaptationField {
            discontinuity_indicator: false,
            random_access_indicator: is_key,
            es_priority_indicator: false,
            pcr: Some(pcr),
            opcr: None,
            splice_countdown: None,
            transport_private_data: Vec::new(),
            extension: None,
        };
        let stamp = |ticks: Option<i64>| ticks.map(|ticks| Timestamp::new(wrapped(ticks))).transpose();
        let header = PesHeader {
            stream_id: StreamId::new_video(StreamId::VIDEO_MIN)?,
            priority: false,
            data_alignment_indicator: true,
            copyright: false,
            original_or_copy: false,
            pts: stamp(pts)?,
            dts: stamp(dts)?,
            escr: None,
        };
        let times = usize::from(pts.is_some()) + usize::from(dts.is_some());
        let room = Bytes::MAX_SIZE - CLOCK_BYTES - HEADER_BYTES - TIME_BYTES * times;
        Ok(Begin { field, header, room })
    }

    fn write_packet(&mut self, begin: Option<Begin>, payload: &[u8], out: &mut impl Write) -> Result<()> {
        let has_clock = begin.is_some();
        let data = Bytes::new(payload)?;
        let (adaptation_field, payload) = match begin {
            // 0: as long as it is, which only video may say
            Some(Begin { field, header, .. }) => {
                (Some(field), TsPayload::PesStart(Pes { header, pes_packet_len: 0, data }))
            }
            None => (None, TsPayload::PesContinuation(data)),
        };
        let header = self.video.header(VIDEO)?;
        let mut packet = bytes(&TsPacket { header, adaptation_field, payload: Some(payload) })?;
        if has_clock {
            // reserved, hence ones, which the library leaves out
            packet[CLOCK_RESERVED] |= 0x7e;
        }
        Ok(out.write_all(&packet)?)
    }
}

/// Whole, so that a file never ends within one.
fn bytes(packet: &TsPacket) -> Result<[u8; TsPacket::SIZE]> {
    let mut bytes = [0; TsPacket::SIZE];
    TsPacketWriter::new(&mut bytes[..]).write_ts_packet(packet)?;
    Ok(bytes)
}

fn ticks(ns: i64) -> i64 {
    BASE + ns / 100_000 * 9 + ns % 100_000 * 9 / 100_000
}

/// Times in a transport stream have 33 bits and begin anew after 26 hours.
fn wrapped(ticks: i64) -> u64 {
    ticks.cast_unsigned() & Timestamp::MAX
}

#[cfg(test)]
mod tests {
    use mpeg2ts::pes::{PesPacket, PesPacketReader, ReadPesPacket};
    use mpeg2ts::ts::{ReadTsPacket, TsPacketReader};
    use proptest::prelude::*;

    use super::*;

    const FRAME: i64 = 66_666_667;

    fn at(pts: i64, dts: i64) -> Times {
        Times { pts: Some(pts), dts: Some(dts) }
    }

    fn packets(stream: &[u8]) -> Vec<TsPacket> {
        assert_eq!(stream.len() % TsPacket::SIZE, 0);
        let mut reader = TsPacketReader::new(stream);
        std::iter::from_fn(|| reader.read_ts_packet().unwrap()).collect()
    }

    fn frames(stream: &[u8]) -> Vec<PesPacket<Vec<u8>>> {
        let mut reader = PesPacketReader::new(TsPacketReader::new(stream));
        std::iter::from_fn(|| reader.read_pes_packet().unwrap()).collect()
    }

    #[test]
    fn a_keyframe_has_the_tables_before_it_and_says_that_one_can_begin_there() {
        for (codec, stream_type) in [(Codec::H264, StreamType::H264), (Codec::H265, StreamType::H265)] {
            let (mut muxer, mut stream) = (Packets::new(codec), Vec::new());
            muxer.write(at(0, 0), true, [[1; 400]], &mut stream).unwrap();
            muxer.write(at(FRAME, FRAME), false, [[2; 10]], &mut stream).unwrap();
            let packets = packets(&stream);
            let Some(TsPayload::Pat(pat)) = &packets[0].payload else { panic!("{packets:?}") };
            let Some(TsPayload::Pmt(pmt)) = &packets[1].payload else { panic!("{packets:?}") };
            assert_eq!(pat.table[0].program_map_pid, packets[1].header.pid);
            assert_eq!(pmt.es_info[0].stream_type, stream_type);
            assert_eq!(pmt.es_info[0].elementary_pid, packets[2].header.pid);
            let begins: Vec<bool> = packets[2..]
                .iter()
                .filter(|packet| matches!(packet.payload, Some(TsPayload::PesStart(_))))
                .map(|packet| {
                    packet.adaptation_field.as_ref().is_some_and(|field| field.random_access_indicator)
                })
                .collect();
            assert_eq!(begins, [true, false]);
            let reserved = stream[2 * TsPacket::SIZE + CLOCK_RESERVED] & 0x7e;
            assert_eq!(reserved, 0x7e, "reserved bits are ones (ISO 13818-1, 2.1)");
        }
    }

    #[test]
    fn clocks_go_on_where_frames_come_in_another_order_than_they_are_shown() {
        let (mut muxer, mut stream) = (Packets::new(Codec::H264), Vec::new());
        for shown in [0, 3, 1, 2, 4] {
            let times = Times { pts: Some(shown * FRAME), dts: None };
            muxer.write(times, shown == 0, [[0; 50]], &mut stream).unwrap();
        }
        let clocks: Vec<u64> = packets(&stream)
            .iter()
            .filter_map(|packet| packet.adaptation_field.as_ref()?.pcr.map(|pcr| pcr.as_u64() / 300))
            .collect();
        let first = u64::try_from(BASE - BUFFERED).unwrap();
        assert_eq!(clocks, [0, 18_000, 18_000, 18_000, 24_000].map(|ticks| first + ticks));
    }

    #[test]
    fn times_are_those_of_the_frame_and_begin_anew_after_26_hours() {
        let (mut muxer, mut stream) = (Packets::new(Codec::H264), Vec::new());
        let hours = |hours: i64| hours * 3_600_000_000_000;
        let base = u64::try_from(BASE).unwrap();
        for (times, pts, dts) in [
            (at(FRAME, -FRAME), base + 6_000, Some(base - 6_000)),
            (at(FRAME, FRAME), base + 6_000, None),
            (at(FRAME, 2 * FRAME), base + 6_000, None),
            (Times { pts: None, dts: Some(FRAME) }, base + 6_000, None),
            (at(hours(26), hours(26)), 27 * 3_600 * 90_000 - (1 << 33), None),
        ] {
            stream.clear();
            muxer.write(times, true, [[0; 50]], &mut stream).unwrap();
            let header = &frames(&stream)[0].header;
            assert_eq!(header.pts.map(|pts| pts.as_u64()), Some(pts), "{times:?}");
            assert_eq!(header.dts.map(|dts| dts.as_u64()), dts, "{times:?}");
        }
        stream.clear();
        muxer.write(Times::default(), true, [[7; 50]], &mut stream).unwrap();
        assert_eq!((frames(&stream)[0].header.pts, &frames(&stream)[0].data[..]), (None, &[7; 50][..]));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            sizes in prop::collection::vec(prop::collection::vec(0_usize..800, 0..4), 1..8),
            with_dts in any::<bool>(),
        ) {
            let (mut muxer, mut stream, mut sent) = (Packets::new(Codec::H264), Vec::new(), Vec::new());
            for (n, pieces) in (1..).zip(&sizes) {
                let pieces: Vec<Vec<u8>> =
                    pieces.iter().map(|size| (0..*size).map(|byte| (byte * 31 + n) as u8).collect()).collect();
                let dts = if with_dts { n as i64 - 1 } else { n as i64 } * FRAME;
                muxer.write(at(n as i64 * FRAME, dts), n % 3 == 1, &pieces, &mut stream).unwrap();
                sent.push(pieces.concat());
            }
            let got: Vec<Vec<u8>> = frames(&stream).into_iter().map(|frame| frame.data).collect();
            prop_assert_eq!(got, sent);
            for pid in [Pid::PAT, PMT, VIDEO] {
                let counters: Vec<u8> = packets(&stream)
                    .iter()
                    .filter(|packet| packet.header.pid.as_u16() == pid)
                    .map(|packet| packet.header.continuity_counter.as_u8())
                    .collect();
                prop_assert!(counters.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 16), "{counters:?}");
            }
        }
    }
}
