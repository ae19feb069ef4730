//! The live part of a run: frames on their way into the sink are shown to whoever watches, too.
//!
//! Made with the pipeline of a run and driven by its loop. While somebody watches, a probe on the sink's pad passes
//! each frame on, by reference, to a small pipeline of its own that only brings it into the form of MP4. Nothing is
//! linked into the recording's pipeline or out of it, so the recording cannot notice: no state, no error and no
//! full queue of the live part reaches it. Works for every text.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::teardown::set_null;
use crate::error::{Context, Error, Kind, Result};
use crate::live::{Coding, Format, Frame, Hub};
use crate::segment::Timestamp;

/// Frames that may wait for a machine that is busy; then some are missing in the live picture.
const QUEUE_FRAMES: u64 = 60;
const NULL_LIMIT: Duration = Duration::from_secs(2);
/// After the live part failed.
const PAUSE: Duration = Duration::from_secs(10);

/// One run's way to the viewers. Dropped with the run.
pub struct Tap {
    hub: Arc<Hub>,
    pad: gst::Pad,
    gate: Arc<Gate>,
    former: Option<gst::Pipeline>,
    failed: Option<Instant>,
}

/// What the recording's thread looks at for every frame.
#[derive(Default)]
struct Gate {
    is_open: AtomicBool,
    entry: Mutex<Option<gst_app::AppSrc>>,
}

impl Tap {
    /// `pad` is where frames enter the sink; `bus` is woken when somebody wants to watch.
    pub fn new(hub: Arc<Hub>, pad: &gst::Pad, bus: &gst::Bus) -> Tap {
        let gate = Arc::new(Gate::default());
        let of_probe = gate.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let (true, Some(buffer)) = (of_probe.is_open.load(Ordering::Relaxed), info.buffer()) {
                of_probe.pass(buffer);
            }
            gst::PadProbeReturn::Ok
        });
        let bus = bus.downgrade();
        hub.on_wanted(Some(Box::new(move || {
            if let Some(bus) = bus.upgrade() {
                // only to end the wait for the next message; a bus that is flushing needs no waking
                let _ = bus.post(gst::message::Application::new(gst::Structure::new_empty("viewer")));
            }
        })));
        Tap { hub, pad: pad.clone(), gate, former: None, failed: None }
    }

    /// Opens and closes the live part as viewers come and go. Called several times a second; takes milliseconds
    /// when something is to be done.
    pub fn look(&mut self) {
        let error = self.former.as_ref().and_then(former_error);
        if let Some(error) = error {
            log::warn!("[{}] show live: {error}; trying again in {} s", self.hub.name(), PAUSE.as_secs());
            self.failed = Some(Instant::now());
            self.close();
        }
        match (self.hub.is_wanted(), self.former.is_some()) {
            (true, false) if self.failed.is_none_or(|failed| failed.elapsed() >= PAUSE) => self.open(),
            (false, true) => {
                log::debug!("[{}] live: nobody watches any more", self.hub.name());
                self.close();
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        // before the first frame nobody knows what it will be
        let Some(caps) = self.pad.current_caps() else { return };
        match form(&caps, &self.hub) {
            Ok((pipeline, entry)) => {
                log::debug!("[{}] live: somebody watches", self.hub.name());
                *self.gate.entry.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
                self.gate.is_open.store(true, Ordering::Relaxed);
                self.former = Some(pipeline);
                self.failed = None;
            }
            Err(error) => {
                log::warn!("[{}] show live: {error}; trying again in {} s", self.hub.name(), PAUSE.as_secs());
                self.failed = Some(Instant::now());
            }
        }
    }

    fn close(&mut self) {
        self.gate.is_open.store(false, Ordering::Relaxed);
        *self.gate.entry.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(pipeline) = self.former.take() {
            set_null(&pipeline, NULL_LIMIT);
            self.hub.end();
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.hub.on_wanted(None);
        self.close();
    }
}

impl Gate {
    /// On the recording's thread: hands over a reference, and never waits.
    fn pass(&self, buffer: &gst::Buffer) {
        let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = &*entry {
            // a live part that is ending takes no more; the camera's thread sees why
            let _ = entry.push_buffer(buffer.clone());
        }
    }
}

/// A playing pipeline that forms frames of `caps` for the hub, and where they go in.
fn form(caps: &gst::Caps, hub: &Arc<Hub>) -> Result<(gst::Pipeline, gst_app::AppSrc)> {
    let name = caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default();
    let (parse, form) = match name.as_str() {
        "video/x-h264" => ("h264parse", "avc"),
        "video/x-h265" => ("h265parse", "hvc1"),
        other => {
            let what = format!("show {other}: live video is H.264 or H.265; record one of these");
            return Err(Error::new(Kind::Pipeline, what));
        }
    };
    let description = format!(
        "appsrc name=in format=time is-live=true leaky-type=upstream max-bytes=0 max-buffers={QUEUE_FRAMES} \
         ! {parse} ! {name},stream-format={form},alignment=au ! appsink name=out sync=false async=false"
    );
    let what = || "build the live part; install gstreamer1.0-plugins-bad";
    let pipeline = gst::parse::launch(&description)
        .context(Kind::Pipeline, what)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Error::new(Kind::Internal, what()))?;
    let missing = || Error::new(Kind::Internal, "build the live part: it has no ends");
    let entry = pipeline.by_name("in").and_downcast::<gst_app::AppSrc>().ok_or_else(missing)?;
    let exit = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().ok_or_else(missing)?;
    entry.set_caps(Some(caps));
    exit.set_callbacks(deliver(hub.clone()));
    if pipeline.set_state(gst::State::Playing).is_err() {
        set_null(&pipeline, NULL_LIMIT);
        return Err(Error::new(Kind::Pipeline, "start the live part: an element refuses"));
    }
    Ok((pipeline, entry))
}

/// Formed frames go to the hub; new caps begin a new run of it, such as after a change of the picture's size.
fn deliver(hub: Arc<Hub>) -> gst_app::AppSinkCallbacks {
    let (mut seen, mut known): (Option<gst::Caps>, Option<Format>) = (None, None);
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else {
                return Ok(gst::FlowSuccess::Ok);
            };
            if seen.as_deref() != Some(caps) {
                // no codec data yet: a later frame brings it
                let Some(format) = format_of(caps) else { return Ok(gst::FlowSuccess::Ok) };
                seen = Some(caps.to_owned());
                if known.as_ref() != Some(&format) {
                    if let Err(error) = hub.begin(&format) {
                        log::warn!("[{}] show live: {error}", hub.name());
                        return Err(gst::FlowError::Error);
                    }
                    known = Some(format);
                }
            }
            let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            let Some(dts) = buffer.dts_or_pts() else { return Ok(gst::FlowSuccess::Ok) };
            let frame = Frame {
                data: &map,
                pts_ns: buffer.pts().unwrap_or(dts).nseconds(),
                dts_ns: dts.nseconds(),
                is_key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            };
            hub.frame(frame, Timestamp::now());
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}

fn format_of(caps: &gst::CapsRef) -> Option<Format> {
    let structure = caps.structure(0)?;
    let coding = if structure.name() == "video/x-h265" { Coding::H265 } else { Coding::H264 };
    let codec_data = structure.get::<gst::Buffer>("codec_data").ok()?;
    let codec_data = codec_data.map_readable().ok()?.to_vec();
    let side = |name: &str| structure.get::<i32>(name).ok().and_then(|side| u16::try_from(side).ok());
    Some(Format { coding, codec_data, width: side("width")?, height: side("height")? })
}

fn former_error(pipeline: &gst::Pipeline) -> Option<String> {
    let message = pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().message().to_owned()),
        _ => None,
    }
}
