//! The packets of one connection, and what each fault makes of them.

use super::Fault;
use crate::support::rtsp::{Piece, VIDEO};

/// Length of an RTP header without extensions.
const HEADER: usize = 12;
/// In the second byte: the last packet of a picture.
const MARKER: u8 = 0x80;
const SENDER_REPORT: u8 = 200;
const BYE: u8 = 203;
/// One frame at 15 frames/s, in ticks of 90 kHz.
const FRAME_TICKS: u32 = 6_000;

/// What went through so far.
#[derive(Default)]
pub struct Stream {
    packets: u32,
    first: Option<u32>,
    last: Option<Stamp>,
    /// Added to sequence numbers and stamps of another camera, so that they go on from the first one's.
    shift: Option<Stamp>,
    /// The next packet is the first of another camera.
    is_other: bool,
    /// Taken off the stamps so far.
    back: u32,
    /// At so many packets.
    back_at: u32,
    /// The packet before was the last of its picture.
    is_between: bool,
    has_gone: bool,
}

#[derive(Clone, Copy)]
struct Stamp {
    ssrc: u32,
    sequence: u16,
    ticks: u32,
}

impl Stream {
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Packets of another camera follow, which go on as if it were this one.
    pub fn begin_other(&mut self) {
        self.is_other = true;
    }

    /// What goes on the line instead of this frame.
    pub fn change(&mut self, mut frame: Vec<u8>, fault: &Fault) -> Vec<Piece> {
        if self.has_gone {
            return Vec::new();
        }
        if frame[1] != VIDEO {
            return self.report(frame, fault);
        }
        if frame.len() < 4 + HEADER {
            return vec![Piece::Frame(frame)];
        }
        self.packets += 1;
        let stamp = self.follow(Stamp::read(&frame[4..]));
        self.last = Some(stamp);
        // the packets of one picture have one stamp, whatever the camera counts
        if let Fault::Backwards { every, ticks } | Fault::Split { every, ticks } = fault
            && self.is_between == matches!(fault, Fault::Backwards { .. })
            && self.packets >= self.back_at + every
        {
            self.back_at = self.packets;
            self.back = self.back.wrapping_add(*ticks);
        }
        self.is_between = frame[4 + 1] & MARKER != 0;
        let ticks = self.distort(stamp.ticks, fault);
        Stamp { ticks, ..stamp }.write(&mut frame[4..]);
        match fault {
            Fault::Goodbye => {
                self.has_gone = true;
                vec![Piece::Frame(frame), goodbye(stamp.ssrc)]
            }
            Fault::Rubbish => self.with_rubbish(frame),
            _ => vec![Piece::Frame(frame)],
        }
    }

    /// Sequence number and stamp as the first camera would have gone on.
    fn follow(&mut self, own: Stamp) -> Stamp {
        if std::mem::take(&mut self.is_other)
            && let Some(last) = self.last
        {
            self.shift = Some(Stamp {
                ssrc: last.ssrc,
                sequence: last.sequence.wrapping_add(1).wrapping_sub(own.sequence),
                ticks: last.ticks.wrapping_add(FRAME_TICKS).wrapping_sub(own.ticks),
            });
        }
        self.shift.map_or(own, |shift| Stamp {
            ssrc: shift.ssrc,
            sequence: own.sequence.wrapping_add(shift.sequence),
            ticks: own.ticks.wrapping_add(shift.ticks),
        })
    }

    fn distort(&mut self, ticks: u32, fault: &Fault) -> u32 {
        let ticks = ticks.wrapping_sub(self.back);
        match fault {
            Fault::Drift(factor) => {
                let first = *self.first.get_or_insert(ticks);
                first.wrapping_add((f64::from(ticks.wrapping_sub(first)) * factor) as u32)
            }
            _ => ticks,
        }
    }

    /// RTCP of the camera: its times are those of the packets, and another camera's mean nothing here.
    fn report(&mut self, mut frame: Vec<u8>, fault: &Fault) -> Vec<Piece> {
        if self.shift.is_some() || self.is_other {
            return Vec::new();
        }
        if frame.len() >= 4 + 20 && frame[5] == SENDER_REPORT && self.last.is_some() {
            let ticks = u32::from_be_bytes([frame[20], frame[21], frame[22], frame[23]]);
            let ticks = self.distort(ticks, fault);
            frame[20..24].copy_from_slice(&ticks.to_be_bytes());
        }
        vec![Piece::Frame(frame)]
    }

    fn with_rubbish(&self, mut frame: Vec<u8>) -> Vec<Piece> {
        let mut random = fastrand::Rng::with_seed(u64::from(self.packets));
        let mut noise = |length: usize| (0..length).map(|_| random.u8(..)).collect::<Vec<u8>>();
        // a packet that is noise, one that is too short, one of another track, one that pretends to be RTP
        let mut lie = noise(40);
        lie[0] = 0x80;
        let mut pieces = vec![
            Piece::frame(VIDEO, &noise(200)),
            Piece::frame(VIDEO, &noise(5)),
            Piece::frame(7, &noise(100)),
            Piece::frame(VIDEO, &lie),
            Piece::frame(VIDEO + 1, &noise(60)),
        ];
        if self.packets % 40 == 39 {
            let content = noise(frame.len() - 4 - HEADER);
            frame[4 + HEADER..].copy_from_slice(&content);
        }
        pieces.push(Piece::Frame(frame));
        pieces
    }
}

impl Stamp {
    fn read(rtp: &[u8]) -> Self {
        Self {
            sequence: u16::from_be_bytes([rtp[2], rtp[3]]),
            ticks: u32::from_be_bytes([rtp[4], rtp[5], rtp[6], rtp[7]]),
            ssrc: u32::from_be_bytes([rtp[8], rtp[9], rtp[10], rtp[11]]),
        }
    }

    fn write(self, rtp: &mut [u8]) {
        rtp[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        rtp[4..8].copy_from_slice(&self.ticks.to_be_bytes());
        rtp[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

fn goodbye(ssrc: u32) -> Piece {
    let mut bye = vec![0x81, BYE, 0, 1];
    bye.extend(ssrc.to_be_bytes());
    Piece::frame(VIDEO + 1, &bye)
}
