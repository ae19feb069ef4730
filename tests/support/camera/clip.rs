//! A picture that was encoded once and is sent over and over: a camera that costs its machine next to nothing.
//!
//! For measurements, where an encoder at work beside the program would be measured too.

use std::fmt;
use std::sync::Arc;

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use gst::prelude::*;
use gst_app::{AppSink, AppSrc, AppSrcCallbacks};

use super::{CameraOptions, media};

/// Whole groups of pictures, so that the end and the next beginning fit together. Clones share the frames.
#[derive(Clone)]
pub struct Clip {
    frames: Arc<[gst::Buffer]>,
    caps: gst::Caps,
    frame_duration: gst::ClockTime,
}

impl Clip {
    /// Encodes the picture of `options`, as fast as this machine can, `groups` groups of `options.gop` frames long.
    pub fn encode(options: &CameraOptions, groups: u32) -> Result<Self> {
        gst::init().context(Kind::Pipeline, || "initialise GStreamer")?;
        media::check_elements(options.codec)?;
        let frames = encode(&media::clip_launch(options, groups * options.gop))
            .context(Kind::Pipeline, || "encode the simulated camera's picture")?;
        let (first, frame_duration) =
            (frames.first(), gst::ClockTime::SECOND / u64::from(options.fps.max(1)));
        let caps = first.and_then(|sample| sample.caps_owned()).ok_or_else(|| {
            Error::new(Kind::Pipeline, "encode the simulated camera's picture: no frame came out")
        })?;
        let frames = frames.iter().filter_map(|frame| frame.buffer_owned()).collect();
        Ok(Self { frames, caps, frame_duration })
    }

    /// What it really came to; the encoder only aims at the options' figure.
    pub fn kbps(&self) -> u64 {
        let bytes: usize = self.frames.iter().map(|frame| frame.size()).sum();
        let duration = self.frame_duration * self.frames.len() as u64;
        bytes as u64 * 8 / duration.mseconds().max(1)
    }

    /// Answers the source's every wish for data with the next frame; the RTSP server's clock sets the pace.
    pub(super) fn feed(&self, source: &AppSrc) {
        source.set_caps(Some(&self.caps));
        let (clip, mut number) = (self.clone(), 0u64);
        let next = move |source: &AppSrc, _wanted: u32| {
            let mut frame = clip.frames[(number % clip.frames.len() as u64) as usize].clone();
            let inner = frame.make_mut();
            inner.set_pts(clip.frame_duration * number);
            inner.set_dts(gst::ClockTime::NONE);
            inner.set_duration(clip.frame_duration);
            number += 1;
            // refused only when the viewer has gone
            let _ = source.push_buffer(frame);
        };
        source.set_callbacks(AppSrcCallbacks::builder().need_data(next).build());
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({} frames)", self.frames.len())
    }
}

fn encode(launch: &str) -> Result<Vec<gst::Sample>, glib::Error> {
    let pipeline = gst::parse::launch(launch)?;
    let failed = |text: &str| glib::Error::new(gst::CoreError::Failed, text);
    let sink = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name(media::CLIP_SINK));
    let sink = sink.and_downcast::<AppSink>().ok_or_else(|| failed("the pipeline has no sink"))?;
    let mut frames = Vec::new();
    if pipeline.set_state(gst::State::Playing).is_ok() {
        // an error ends it like the end of the stream; its message is read below
        while let Ok(frame) = sink.pull_sample() {
            frames.push(frame);
        }
    }
    let trouble = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    // nothing holds it any more: it cannot fail to stop
    let _ = pipeline.set_state(gst::State::Null);
    match trouble.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error()),
        _ => Ok(frames),
    }
}
