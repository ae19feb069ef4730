//! How browsers want a codec called (RFC 6381), from the record that MP4 carries. Pure but for the caps it reads.

/// `avc1.64001f` or `hvc1.1.6.L93.B0`; `None` without codec data.
pub fn name(caps: &gst::StructureRef) -> Option<String> {
    let record = caps.get::<gst::Buffer>("codec_data").ok()?;
    let record = record.map_readable().ok()?;
    match caps.name().as_str() {
        "video/x-h264" => avc(&record),
        "video/x-h265" => hevc(&record),
        _ => None,
    }
}

/// Profile, constraints and level.
fn avc(record: &[u8]) -> Option<String> {
    let [profile, constraints, level] = *record.get(1..4)?.first_chunk()?;
    Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
}

/// ISO 14496-15, annex E.3.
fn hevc(record: &[u8]) -> Option<String> {
    let first = *record.get(1)?;
    let compatible = u32::from_be_bytes(*record.get(2..6)?.first_chunk()?).reverse_bits();
    let constraints = record.get(6..12)?;
    let level = *record.get(12)?;
    let space = ["", "A", "B", "C"][usize::from(first >> 6)];
    let tier = if first & 0x20 == 0 { 'L' } else { 'H' };
    let mut name = format!("hvc1.{space}{}.{compatible:X}.{tier}{level}", first & 0x1f);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        name.push_str(&format!(".{byte:X}"));
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_names_that_browsers_know() {
        assert_eq!(avc(&[1, 0x64, 0x00, 0x1f, 0xff]).as_deref(), Some("avc1.64001f"));
        assert_eq!(avc(&[1, 0x64]), None);
        let main = [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93, 0xf0];
        assert_eq!(hevc(&main).as_deref(), Some("hvc1.1.6.L93.B0"));
        let high_tier = [1, 0x62, 0x20, 0, 0, 0, 0x90, 0, 0x10, 0, 0, 0, 120, 0];
        assert_eq!(hevc(&high_tier).as_deref(), Some("hvc1.A2.4.H120.90.0.10"));
        assert_eq!(hevc(&main[..12]), None);
    }
}
