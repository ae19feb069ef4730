//! The camera's own clock: RTCP sender reports tie it to media time. They come from `receive`, or rtspsrc writes them onto the
//! packets.
//!
//! One per run, shared between the pad that sees the packets and the opener that names segments. Reads only;
//! whether the camera's clock can be believed is decided in `timeline`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use crate::segment::Timestamp;

/// From 1900, where NTP counts from, to 1970.
const NTP_TO_UNIX: Duration = Duration::from_secs(2_208_988_800);
/// Sender reports come every few seconds; between them nothing new can be learnt.
const LOOK_EVERY: gst::ClockTime = gst::ClockTime::SECOND;

/// What the camera's clock said at one moment of media time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    running_time: gst::ClockTime,
    wall: Timestamp,
}

/// Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CameraClock(Arc<Mutex<Option<Reading>>>);

impl CameraClock {
    /// What the camera's clock said when the frame at `running_time` was taken; `None` before its first sender report.
    pub fn at(&self, running_time: gst::ClockTime) -> Option<Timestamp> {
        let reading = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(if running_time >= reading.running_time {
            reading.wall.plus((running_time - reading.running_time).into())
        } else {
            reading.wall.minus((reading.running_time - running_time).into())
        })
    }

    /// A sender report: `ntp` is in 2^-32 s since 1900, as RFC 3550 has it.
    pub fn told(&self, running_time: gst::ClockTime, ntp: u64) {
        let fraction = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
        let ntp = Duration::from_secs(ntp >> 32) + Duration::from_nanos(fraction);
        let reading = Reading { running_time, wall: unix(ntp) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }

    /// Asks rtspsrc for the camera's time on its packets.
    pub fn ask(src: &gst::Element) {
        if src.has_property("add-reference-timestamp-meta") {
            src.set_property("add-reference-timestamp-meta", true);
        }
    }

    /// Reads the clock from the packets that leave `src`, from all its pads.
    pub fn watch(&self, src: &gst::Element) {
        for pad in src.src_pads() {
            self.watch_pad(&pad);
        }
        let clock = self.clone();
        src.connect_pad_added(move |_, pad| clock.watch_pad(pad));
    }

    fn watch_pad(&self, pad: &gst::Pad) {
        let clock = self.clone();
        let looked = Mutex::new(None::<gst::ClockTime>);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(mask, move |pad, info| {
            let buffer = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => Some(buffer.as_ref()),
                Some(gst::PadProbeData::BufferList(list)) => list.get(0),
                _ => None,
            };
            if let Some((pts, buffer)) = buffer.and_then(|buffer| Some((buffer.pts()?, buffer))) {
                let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
                // a timestamp that goes back is looked at, too
                if looked.is_none_or(|before| pts >= before + LOOK_EVERY || pts < before) {
                    *looked = Some(pts);
                    clock.read(pad, buffer, pts);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn read(&self, pad: &gst::Pad, buffer: &gst::BufferRef, pts: gst::ClockTime) {
        let ntp = buffer
            .iter_meta::<gst::ReferenceTimestampMeta>()
            .find(|meta| meta.reference().structure(0).is_some_and(|what| what.name() == "timestamp/x-ntp"))
            .map(|meta| Duration::from(meta.timestamp()));
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        let running_time =
            segment.and_then(|event| event.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(pts));
        if let (Some(ntp), Some(running_time)) = (ntp, running_time) {
            let wall = unix(ntp);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reading { running_time, wall });
        }
    }
}

/// A camera that counts from its own start says a time before 1970; that is a time as well, only no believable one.
fn unix(ntp: Duration) -> Timestamp {
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(ms(ntp) - ms(NTP_TO_UNIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_forwards_and_backwards_from_its_last_report() {
        let clock = CameraClock::default();
        assert_eq!(clock.at(gst::ClockTime::ZERO), None);
        let reading =
            Reading { running_time: gst::ClockTime::from_seconds(30), wall: Timestamp::from_seconds(1_000) };
        *clock.0.lock().unwrap() = Some(reading);
        assert_eq!(clock.at(gst::ClockTime::from_mseconds(42_500)), Some(Timestamp::from_millis(1_012_500)));
        assert_eq!(clock.at(gst::ClockTime::from_seconds(20)), Some(Timestamp::from_seconds(990)));
    }

    #[test]
    fn a_sender_report_counts_parts_of_a_second_in_binary() {
        let clock = CameraClock::default();
        clock.told(gst::ClockTime::from_seconds(4), (2_208_988_800 + 1_700_000_000) << 32 | 1 << 31);
        assert_eq!(
            clock.at(gst::ClockTime::from_seconds(5)),
            Some(Timestamp::from_millis(1_700_000_001_500))
        );
    }

    #[test]
    fn ntp_counts_from_1900() {
        assert_eq!(unix(Duration::from_secs(2_208_988_800 + 1_700_000_000)).epoch_seconds(), 1_700_000_000);
        assert_eq!(unix(Duration::from_secs(30)).epoch_seconds(), 30 - 2_208_988_800);
    }
}
