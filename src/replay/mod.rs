//! Recorded segments → one fragmented MP4 for players that take no transport streams, such as a browser's MediaSource.
//!
//! Called by HTTP with files whose frames follow each other; knows no rows. Nothing is decoded. Memory is bounded: what
//! the receiver does not take is not read. Ends when the files do, when one of them is gone, or when nobody receives.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::IntoIter;

use bytes::Bytes;
use gst::prelude::*;
use tokio::sync::mpsc::Sender;

use crate::error::{Context, Error, Kind, Result};

mod codec;
#[cfg(test)]
mod tests;

const CHUNK_BYTES: usize = 256 * 1024;
/// Without a frame for this long something hangs; a disk under load does not.
const QUIET: gst::ClockTime = gst::ClockTime::from_seconds(15);
/// The same once everything was read: without video in it the end never reaches the sink.
const QUIET_AT_END: gst::ClockTime = gst::ClockTime::from_seconds(2);
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// Half a second a fragment: a player begins soon, and boxes stay below a percent.
const MUX: &str = "mp4mux name=mux fragment-duration=500 fragment-mode=dash-or-mss streamable=true";

/// What a receiver gets: the codec's name first (RFC 6381), then bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Codec(String),
    Bytes(Bytes),
}

/// Blocks until the end. `files` begin with a keyframe each and are one run of a camera.
///
/// # Errors
/// The files hold no video that MP4 can carry, or an element is missing. What was sent before stands.
pub fn run(files: Vec<PathBuf>, out: &Sender<Piece>) -> Result<()> {
    let parts = build(files)?;
    let sent = parts.send(out);
    // in software, and nothing of it waits: the receiver's queue is let go before
    let _ = parts.pipeline.set_state(gst::State::Null);
    sent
}

struct Parts {
    pipeline: gst::Pipeline,
    mux: gst::Element,
    exit: gst_app::AppSink,
    fed: Arc<AtomicBool>,
}

fn build(files: Vec<PathBuf>) -> Result<Parts> {
    let what = || "build the pipeline of a replay; install gstreamer1.0-plugins-base, -good and -bad";
    let description = format!(
        "appsrc name=in format=bytes caps=video/mpegts,systemstream=true,packetsize=188 max-bytes={CHUNK_BYTES} \
         ! tsdemux name=demux  {MUX} ! appsink name=out sync=false async=false max-buffers=16"
    );
    let pipeline = gst::parse::launch(&description)
        .context(Kind::Pipeline, what)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Error::new(Kind::Internal, what()))?;
    let named = |name: &str| pipeline.by_name(name).ok_or_else(|| Error::new(Kind::Internal, what()));
    let (demux, mux) = (named("demux")?, named("mux")?);
    let exit =
        named("out")?.downcast::<gst_app::AppSink>().map_err(|_| Error::new(Kind::Internal, what()))?;
    let entry = named("in")?.downcast::<gst_app::AppSrc>().map_err(|_| Error::new(Kind::Internal, what()))?;
    let fed = Arc::new(AtomicBool::new(false));
    entry.set_callbacks(feed(files, fed.clone()));
    let (weak_pipeline, weak_mux) = (pipeline.downgrade(), mux.downgrade());
    let taken = Arc::new(AtomicBool::new(false));
    demux.connect_pad_added(move |_, pad| {
        if let (Some(pipeline), Some(mux)) = (weak_pipeline.upgrade(), weak_mux.upgrade())
            && let Some(parser) = parser(pad)
            && !taken.swap(true, Ordering::Relaxed)
            && let Err(error) = link(&pipeline, pad, parser, &mux)
        {
            log::warn!("[replay] {error}");
        }
    });
    Ok(Parts { pipeline, mux, exit, fed })
}

/// Hands the files over, chunk by chunk, whenever there is room. A file that is gone ends it: what follows would be
/// after a hole.
fn feed(files: Vec<PathBuf>, fed: Arc<AtomicBool>) -> gst_app::AppSrcCallbacks {
    let mut files = files.into_iter();
    let mut open: Option<File> = None;
    gst_app::AppSrcCallbacks::builder()
        .need_data(move |entry, _| match chunk(&mut open, &mut files) {
            // a pipeline that is going down takes no more, and that is all right
            Some(bytes) => {
                let _ = entry.push_buffer(gst::Buffer::from_slice(bytes));
            }
            None => {
                fed.store(true, Ordering::Relaxed);
                let _ = entry.end_of_stream();
            }
        })
        .build()
}

fn chunk(open: &mut Option<File>, files: &mut IntoIter<PathBuf>) -> Option<Vec<u8>> {
    loop {
        let Some(file) = open else {
            let path = files.next()?;
            match File::open(&path) {
                Ok(file) => *open = Some(file),
                Err(error) => {
                    log::debug!("[replay] {}: {error}", path.display());
                    return None;
                }
            }
            continue;
        };
        let mut bytes = Vec::with_capacity(CHUNK_BYTES);
        match file.take(CHUNK_BYTES as u64).read_to_end(&mut bytes) {
            Ok(0) => *open = None,
            Ok(_) => return Some(bytes),
            Err(error) => {
                log::warn!("[replay] read a segment: {error}; check the disk");
                return None;
            }
        }
    }
}

/// What brings the video of this pad into the form of MP4; `None` for sound and other things.
fn parser(pad: &gst::Pad) -> Option<&'static str> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    match caps.structure(0)?.name().as_str() {
        "video/x-h264" => Some("h264parse"),
        "video/x-h265" => Some("h265parse"),
        _ => None,
    }
}

fn link(pipeline: &gst::Pipeline, pad: &gst::Pad, parser: &str, mux: &gst::Element) -> Result<()> {
    let what = || format!("link {parser}; install gstreamer1.0-plugins-bad");
    let parser = gst::ElementFactory::make(parser).build().context(Kind::Pipeline, what)?;
    pipeline.add(&parser).context(Kind::Pipeline, what)?;
    parser.link(mux).context(Kind::Pipeline, what)?;
    parser.sync_state_with_parent().context(Kind::Pipeline, what)?;
    let entry = parser.static_pad("sink").ok_or_else(|| Error::new(Kind::Internal, what()))?;
    pad.link(&entry).map(drop).context(Kind::Pipeline, what)
}

impl Parts {
    fn send(&self, out: &Sender<Piece>) -> Result<()> {
        self.pipeline.set_state(gst::State::Playing).context(Kind::Pipeline, || "start a replay")?;
        let mut told = false;
        let mut quiet = gst::ClockTime::ZERO;
        while !out.is_closed() && quiet < self.patience() {
            let Some(sample) = self.exit.try_pull_sample(STEP) else {
                if let Some(error) = self.error() {
                    return Err(error);
                }
                if self.exit.is_eos() {
                    break;
                }
                quiet += STEP;
                continue;
            };
            quiet = gst::ClockTime::ZERO;
            if !told {
                told = true;
                let name = self.codec().ok_or_else(|| nothing("its codec has no name"))?;
                if out.blocking_send(Piece::Codec(name)).is_err() {
                    return Ok(());
                }
            }
            let Some(buffer) = sample.buffer() else { continue };
            let map = buffer.map_readable().context(Kind::Internal, || "read what was remuxed")?;
            if out.blocking_send(Piece::Bytes(Bytes::copy_from_slice(&map))).is_err() {
                return Ok(());
            }
        }
        if told || out.is_closed() { Ok(()) } else { Err(nothing("it holds no video")) }
    }

    fn patience(&self) -> gst::ClockTime {
        if self.fed.load(Ordering::Relaxed) { QUIET_AT_END } else { QUIET }
    }

    fn codec(&self) -> Option<String> {
        let caps = self.mux.sink_pads().first()?.current_caps()?;
        codec::name(caps.structure(0)?)
    }

    fn error(&self) -> Option<Error> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(nothing(error.error().message())),
            _ => None,
        }
    }
}

fn nothing(why: &str) -> Error {
    Error::new(Kind::Data, format!("remux a segment: {why}"))
}
