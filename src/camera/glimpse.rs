//! Frames of a run for stills: raw ones on their way into the encoder, or else keyframes on their way into the sink.
//!
//! Called when a run's pipeline is built. On the streaming threads it costs a look at two numbers for each frame, and
//! a reference every few seconds while somebody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use crate::stills::{Frame, Slot};

/// Lets `slot` have frames of this pipeline; `sink_pad` is where encoded frames enter the sink.
pub fn watch(pipeline: &gst::Pipeline, sink_pad: &gst::Pad, slot: &Arc<Slot>) {
    let has_raw = Arc::new(AtomicBool::new(false));
    if let Some(pad) = encoder(pipeline).and_then(|encoder| encoder.static_pad("sink")) {
        has_raw.store(true, Ordering::Relaxed);
        let (slot, has_raw) = (slot.clone(), has_raw.clone());
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if has_raw.load(Ordering::Relaxed) && slot.wants_frame() {
                let caps = pad.current_caps().filter(is_plain);
                match (info.buffer(), caps) {
                    (Some(buffer), Some(caps)) => slot.offer(Frame { buffer: buffer.clone(), caps }),
                    // memory of a device: the encoded frames do, too
                    _ => has_raw.store(false, Ordering::Relaxed),
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
    let slot = slot.clone();
    sink_pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(buffer) = info.buffer()
            && !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
            && !has_raw.load(Ordering::Relaxed)
            && slot.wants_frame()
            && let Some(caps) = pad.current_caps()
        {
            slot.offer(Frame { buffer: buffer.clone(), caps });
        }
        gst::PadProbeReturn::Ok
    });
}

fn encoder(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    let is_encoder = |element: &gst::Element| {
        let factory = element.factory();
        factory.is_some_and(|factory| factory.has_type(gst::ElementFactoryType::VIDEO_ENCODER))
    };
    let named = pipeline.by_name("encoder").filter(is_encoder);
    named.or_else(|| pipeline.iterate_recurse().into_iter().flatten().find(is_encoder))
}

/// Raw video in memory that everybody can read.
fn is_plain(caps: &gst::Caps) -> bool {
    let is_raw = caps.structure(0).is_some_and(|structure| structure.name() == "video/x-raw");
    is_raw && caps.features(0).is_none_or(|features| features.contains("memory:SystemMemory"))
}
