//! Reads what a .ts file really holds: for files that were left without a row, and for cut-off ones.

use std::path::Path;
use std::time::Duration;

use gst::prelude::*;

use super::teardown::set_null;
use crate::error::{Context, Error, Kind, Result};
use crate::store::Inspected;

/// Pulls of 200 ms without a frame before the rest is given up.
const QUIET_PULLS: u32 = 15;

/// Parses the whole file, frame by frame, without decoding. A damaged end is no error: what plays counts.
pub fn inspect(path: &Path) -> Result<Inspected> {
    let pipeline = gst::Pipeline::new();
    let make = |element: &str| {
        gst::ElementFactory::make(element).build().context(Kind::Pipeline, || {
            format!(
                "inspect {}: no element {element} ({})",
                path.display(),
                super::probe::package_of(element)
            )
        })
    };
    let (file, demux, parser) = (make("filesrc")?, make("tsparse")?, make("parsebin")?);
    file.set_property("location", path.to_string_lossy().as_ref());
    let frames = gst_app::AppSink::builder()
        .sync(false)
        .caps(
            &["video/x-h264,alignment=au", "video/x-h265,alignment=au"]
                .iter()
                .filter_map(|caps| caps.parse::<gst::Caps>().ok())
                .fold(gst::Caps::new_empty(), |mut all, caps| {
                    all.merge(caps);
                    all
                }),
        )
        .build();
    pipeline
        .add_many([&file, &demux, &parser, frames.upcast_ref()])
        .and_then(|()| gst::Element::link_many([&file, &demux, &parser]))
        .context(Kind::Pipeline, || format!("inspect {}", path.display()))?;
    let sink = frames.downgrade();
    parser.connect_pad_added(move |_, pad| {
        let target = sink.upgrade().and_then(|sink| sink.static_pad("sink")).filter(|pad| !pad.is_linked());
        if let Some(target) = target {
            // a pad that does not fit (audio, metadata) stays unlinked: only video is counted
            let _ = pad.link(&target);
        }
    });
    let answer = count(&pipeline, &frames, path);
    set_null(&pipeline, Duration::from_secs(5));
    answer
}

fn count(pipeline: &gst::Pipeline, frames: &gst_app::AppSink, path: &Path) -> Result<Inspected> {
    pipeline.set_state(gst::State::Playing).context(Kind::Data, || format!("read {}", path.display()))?;
    let bus = pipeline
        .bus()
        .ok_or_else(|| Error::new(Kind::Internal, format!("inspect {}: no bus", path.display())))?;
    let mut times: Vec<gst::ClockTime> = Vec::new();
    let mut starts_with_keyframe = false;
    let mut quiet_pulls = 0;
    // a file without video never ends at the sink and may not even post an error: give up when nothing comes
    while quiet_pulls < QUIET_PULLS {
        match frames.try_pull_sample(gst::ClockTime::from_mseconds(200)) {
            Some(sample) => {
                quiet_pulls = 0;
                let Some(buffer) = sample.buffer() else { continue };
                if times.is_empty() {
                    starts_with_keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                }
                times.extend(buffer.pts().or(buffer.dts()));
            }
            None if frames.is_eos() => break,
            None if bus.pop_filtered(&[gst::MessageType::Eos, gst::MessageType::Error]).is_some() => break,
            None => quiet_pulls += 1,
        }
    }
    Ok(Inspected { duration: duration_of(&mut times), frames: times.len() as u64, starts_with_keyframe })
}

/// From the first frame to the end of the last; the last one counts as long as the usual distance of two.
fn duration_of(times: &mut [gst::ClockTime]) -> Duration {
    times.sort_unstable();
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Duration::ZERO };
    let mut distances: Vec<gst::ClockTime> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    distances.sort_unstable();
    let usual = distances.get(distances.len() / 2).copied().unwrap_or(gst::ClockTime::ZERO);
    (*last - *first + usual).into()
}
