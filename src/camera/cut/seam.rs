//! Where a segment begins among packets that leave the muxer several at a time (ISO 13818-1, 2.4.3). Pure.

const PACKET_BYTES: usize = 188;
/// The table of programs, which begins what the muxer repeats before a keyframe.
const PAT: u16 = 0;
/// More than the packets that wait in the muxer and its tables take.
const MOST: usize = 32 * 1024;

/// Bytes since the muxer said that a keyframe follows: the last of the segment before, then the first of the new one.
#[derive(Debug, Default)]
pub struct Seam {
    held: Vec<u8>,
}

impl Seam {
    /// Takes packets; once it is found, the bytes before the seam and those after it.
    pub fn take(&mut self, packets: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        self.held.extend_from_slice(packets);
        let at = position(&self.held).or_else(|| (self.held.len() > MOST).then_some(0))?;
        let after = self.held.split_off(at);
        Some((std::mem::take(&mut self.held), after))
    }

    /// Nothing more comes.
    pub fn into_held(self) -> Vec<u8> {
        self.held
    }
}

/// Of the tables before the first packet that begins a keyframe.
fn position(stream: &[u8]) -> Option<usize> {
    let mut tables = None;
    for (index, packet) in stream.chunks_exact(PACKET_BYTES).enumerate() {
        if u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]) == PAT {
            tables = Some(index * PACKET_BYTES);
        } else if begins_keyframe(packet) {
            return Some(tables.unwrap_or(index * PACKET_BYTES));
        }
    }
    None
}

/// A unit starts, and an adaptation field says that decoding can, too.
fn begins_keyframe(packet: &[u8]) -> bool {
    let (starts_unit, has_field) = (packet[1] & 0x40 != 0, packet[3] & 0x20 != 0);
    starts_unit && has_field && packet[4] > 0 && packet[5] & 0x40 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: u16 = 0x41;

    /// A packet that begins a unit, a keyframe, or nothing.
    fn packet(id: u16, begins: bool, is_key: bool, mark: u8) -> Vec<u8> {
        let mut packet = vec![mark; PACKET_BYTES];
        packet[..6].copy_from_slice(&[
            0x47,
            (id >> 8) as u8 | if begins { 0x40 } else { 0 },
            id as u8,
            if is_key { 0x30 } else { 0x10 },
            if is_key { 7 } else { mark },
            if is_key { 0x50 } else { 0xff },
        ]);
        packet
    }

    fn rest(mark: u8) -> Vec<u8> {
        packet(VIDEO, false, false, mark)
    }

    fn tables() -> Vec<u8> {
        [packet(PAT, true, false, 0), packet(0x20, true, false, 0)].concat()
    }

    #[test]
    fn a_segment_begins_with_the_tables_before_its_keyframe() {
        let old = [rest(1), tables(), rest(2), packet(VIDEO, true, false, 3), rest(4)].concat();
        let new = [tables(), packet(VIDEO, true, true, 5), rest(6)].concat();
        let whole = [&old[..], &new].concat();
        assert_eq!(Seam::default().take(&whole), Some((old, new.clone())));
        assert_eq!(Seam::default().take(&new), Some((Vec::new(), new)));
    }

    #[test]
    fn it_is_found_when_the_muxer_hands_over_one_packet_at_a_time() {
        let (old, new) = ([rest(1), rest(2)].concat(), [tables(), packet(VIDEO, true, true, 5)].concat());
        let mut seam = Seam::default();
        let whole = [&old[..], &new].concat();
        let mut packets = whole.chunks(PACKET_BYTES);
        let last = packets.next_back().unwrap();
        assert!(packets.all(|packet| seam.take(packet).is_none()));
        assert_eq!(seam.take(last), Some((old, new)));
    }

    #[test]
    fn without_a_sign_of_it_nothing_is_held_for_ever_or_lost() {
        let mut seam = Seam::default();
        assert_eq!(seam.take(&rest(1)), None);
        let many: Vec<u8> = (0..MOST / PACKET_BYTES + 1).flat_map(|_| rest(2)).collect();
        let all = [rest(1), many.clone()].concat();
        assert_eq!(seam.take(&many), Some((Vec::new(), all)));
        let mut seam = Seam::default();
        seam.take(&rest(7));
        assert_eq!(seam.into_held(), rest(7));
    }

    #[test]
    fn a_keyframe_without_tables_begins_by_itself() {
        let (old, new) = (rest(1), packet(VIDEO, true, true, 5));
        assert_eq!(Seam::default().take(&[&old[..], &new].concat()), Some((old, new)));
    }
}
