//! The ring → the text of a low-latency HLS playlist (RFC 8216bis). Pure.
//!
//! Called by the hub once per change; every viewer gets the same bytes. The PRELOAD-HINT is always there, also
//! while the camera is away: without it hls.js gives up for good when the camera comes back.

use std::fmt::Write;

use super::cut::TARGET;
use super::ring::{LiveSegment, Ring};
use crate::segment::CameraName;

/// Parts are listed in the last three segments, where the announced one counts as one too: at most three target
/// durations from the end, beyond which strict parsers refuse them.
const PARTS_IN: usize = 3;

/// Seconds. RFC 8216bis asks for three parts at least; a network in the air needs some more than three short ones.
const LEAST_HOLD_BACK: f64 = 0.75;

/// `None` until there is a whole segment: players without parts end on an empty list.
pub fn text(ring: &Ring, camera: &CameraName) -> Option<String> {
    let parts = ring.parts()?;
    ring.newest_complete()?;
    let listed: Vec<&LiveSegment> = ring.listed().collect();
    let first = listed.first()?;
    let mut text = String::with_capacity(4096);
    let target = parts.target.as_secs_f64();
    // the latency that players keep
    let hold_back = (target * 3.0).max(LEAST_HOLD_BACK);
    let _ = write!(
        text,
        "#EXTM3U\n\
         #EXT-X-VERSION:9\n\
         #EXT-X-TARGETDURATION:{}\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.3}\n\
         #EXT-X-PART-INF:PART-TARGET={target:.3}\n\
         #EXT-X-MEDIA-SEQUENCE:{}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
        TARGET.as_secs(),
        hold_back,
        first.sequence,
        first.discontinuity,
    );
    if listed.iter().all(|segment| segment.is_independent()) {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    segments(&mut text, ring, &listed, camera);
    let (sequence, part) = ring.next_part();
    if ring.is_broken() {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    let _ =
        writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"/cameras/{camera}/live/{sequence}.{part}.m4s\"");
    Some(text)
}

fn segments(text: &mut String, ring: &Ring, listed: &[&LiveSegment], camera: &CameraName) {
    let growing = ring.growing().map(|segment| segment.sequence);
    let (mut init, mut discontinuity) = (None, listed.first().map(|segment| segment.discontinuity));
    let count = listed.len() + usize::from(growing.is_none());
    let with_parts = count.saturating_sub(PARTS_IN);
    for (place, segment) in listed.iter().enumerate() {
        if discontinuity.replace(segment.discontinuity) != Some(segment.discontinuity) {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if init.replace(segment.init) != Some(segment.init) {
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"/cameras/{camera}/live/init_{}.mp4\"", segment.init);
        }
        let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", segment.start);
        if place >= with_parts {
            parts(text, segment, camera);
        }
        if growing != Some(segment.sequence) {
            let _ = writeln!(
                text,
                "#EXTINF:{:.6},\n/cameras/{camera}/live/{}.m4s",
                segment.duration().as_secs_f64(),
                segment.sequence
            );
        }
    }
}

fn parts(text: &mut String, segment: &LiveSegment, camera: &CameraName) {
    for (index, part) in segment.parts.iter().enumerate() {
        let independent = if part.is_independent { ",INDEPENDENT=YES" } else { "" };
        let _ = writeln!(
            text,
            "#EXT-X-PART:DURATION={:.6},URI=\"/cameras/{camera}/live/{}.{index}.m4s\"{independent}",
            part.duration.as_secs_f64(),
            segment.sequence
        );
    }
}
