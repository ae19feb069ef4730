//! A frame, raw or encoded, or the beginning of a segment → a small JPEG.
//!
//! Called by the worker. A pipeline for one picture, in software: it leaves no memory behind, and takes no hardware
//! decoder from a camera that records with it.

use gst::prelude::*;

use crate::error::{Context, Error, Kind, Result};

/// Widest picture; the height follows.
const WIDTH: u32 = 320;
const QUALITY: u32 = 75;
/// A picture takes a tenth of a second, on a machine that is not overrun.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(5);
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// How a keyframe is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    H265,
}

impl Codec {
    pub fn of(caps: &gst::CapsRef) -> Option<Codec> {
        match caps.structure(0)?.name().as_str() {
            "video/x-h264" => Some(Codec::H264),
            "video/x-h265" => Some(Codec::H265),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
        }
    }

    /// What turns a stream of it into pictures, of keyframes only.
    fn decode(self) -> Result<String> {
        let (parse, decoders) = match self {
            Codec::H264 => ("h264parse", ["avdec_h264", "openh264dec"]),
            Codec::H265 => ("h265parse", ["avdec_h265", "libde265dec"]),
        };
        let there = decoders.into_iter().find(|name| gst::ElementFactory::find(name).is_some());
        let decoder = there.ok_or_else(|| {
            let what = format!("no element {}; install gstreamer1.0-libav", decoders[0]);
            Error::new(Kind::Pipeline, what)
        })?;
        // threads pay for streams, not for one picture
        let threads = if decoder.starts_with("avdec_") { " max-threads=1" } else { "" };
        Ok(format!("{parse} ! identity drop-buffer-flags=delta-unit ! {decoder}{threads} ! "))
    }
}

/// A frame as it passes in a camera's pipeline: raw, or an encoded keyframe. Shares its memory.
pub struct Frame {
    pub buffer: gst::Buffer,
    pub caps: gst::Caps,
}

pub enum Media {
    Frame(Frame),
    /// The first bytes of a transport stream that begins with a keyframe.
    Head(Vec<u8>),
}

/// # Errors
/// The media holds no picture, or an element is missing.
pub fn jpeg(media: Media) -> Result<Vec<u8>> {
    // bytes have no time of their own: tsdemux reads theirs
    let format = if matches!(media, Media::Head(_)) { "bytes" } else { "time" };
    let (decode, buffer, caps) = prepared(media)?;
    let description = format!(
        "appsrc name=in format={format} ! {decode} videoconvertscale name=scale \
         ! video/x-raw,width=(int)[16,{WIDTH}],pixel-aspect-ratio=1/1 ! jpegenc quality={QUALITY} \
         ! appsink name=out sync=false async=false max-buffers=1"
    );
    let what = || "build the pipeline; install gstreamer1.0-plugins-base, -good and -bad";
    let pipeline = gst::parse::launch(&description)
        .context(Kind::Pipeline, what)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Error::new(Kind::Internal, what()))?;
    decode_what_is_found(&pipeline);
    let made = play(&pipeline, buffer, &caps);
    // only software: nothing in it waits for a device or a network
    let _ = pipeline.set_state(gst::State::Null);
    made
}

fn prepared(media: Media) -> Result<(String, gst::Buffer, gst::Caps)> {
    match media {
        Media::Head(bytes) => {
            let caps = gst::Caps::builder("video/mpegts")
                .field("systemstream", true)
                .field("packetsize", 188i32)
                .build();
            // what is in it is linked once it is known
            Ok(("tsdemux name=demux ".to_owned(), gst::Buffer::from_slice(bytes), caps))
        }
        Media::Frame(Frame { mut buffer, caps }) => {
            let is_raw = caps.structure(0).is_some_and(|structure| structure.name() == "video/x-raw");
            let decode = match Codec::of(&caps) {
                Some(codec) => codec.decode()?,
                None if is_raw => String::new(),
                None => return Err(Error::new(Kind::Pipeline, format!("a frame of {caps} is no picture"))),
            };
            let alone = buffer.make_mut();
            alone.set_pts(gst::ClockTime::ZERO);
            alone.set_dts(gst::ClockTime::NONE);
            Ok((decode, buffer, caps))
        }
    }
}

/// Links the video that a demultiplexer finds to the scaler.
fn decode_what_is_found(pipeline: &gst::Pipeline) {
    let (Some(demux), Some(scale)) = (pipeline.by_name("demux"), pipeline.by_name("scale")) else { return };
    let (weak, scale) = (pipeline.downgrade(), scale.downgrade());
    demux.connect_pad_added(move |demux, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let (Some(codec), Some(pipeline), Some(scale)) = (Codec::of(&caps), weak.upgrade(), scale.upgrade())
        else {
            return;
        };
        if let Err(error) = link(&pipeline, pad, codec, &scale) {
            gst::element_error!(demux, gst::StreamError::Failed, ["{error}"]);
        }
    });
}

fn link(pipeline: &gst::Pipeline, pad: &gst::Pad, codec: Codec, scale: &gst::Element) -> Result<()> {
    let what = || format!("decode {}", codec.as_str());
    let text = codec.decode()?;
    let decode =
        gst::parse::bin_from_description(text.trim_end_matches(" ! "), true).context(Kind::Pipeline, what)?;
    pipeline.add(&decode).context(Kind::Pipeline, what)?;
    decode.link(scale).context(Kind::Pipeline, what)?;
    decode.sync_state_with_parent().context(Kind::Pipeline, what)?;
    let entry = decode.static_pad("sink").ok_or_else(|| Error::new(Kind::Internal, what()))?;
    pad.link(&entry).map(drop).context(Kind::Pipeline, what)
}

fn play(pipeline: &gst::Pipeline, buffer: gst::Buffer, caps: &gst::Caps) -> Result<Vec<u8>> {
    let missing = || Error::new(Kind::Internal, "the pipeline has no ends");
    let entry = pipeline.by_name("in").and_downcast::<gst_app::AppSrc>().ok_or_else(missing)?;
    let exit = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().ok_or_else(missing)?;
    entry.set_caps(Some(caps));
    pipeline.set_state(gst::State::Playing).context(Kind::Pipeline, || "start the pipeline")?;
    entry.push_buffer(buffer).and_then(|_| entry.end_of_stream()).context(Kind::Pipeline, || "decode")?;
    let sample = pull(pipeline, &exit)?;
    let buffer = sample.buffer().ok_or_else(missing)?;
    let map = buffer.map_readable().context(Kind::Internal, || "read the picture")?;
    Ok(map.to_vec())
}

/// Where there is no video in it, a demultiplexer says so on the bus, and the sink waits in vain.
fn pull(pipeline: &gst::Pipeline, exit: &gst_app::AppSink) -> Result<gst::Sample> {
    let none = || Error::new(Kind::Data, "no picture came out");
    for _ in 0..LIMIT / STEP {
        if let Some(sample) = exit.try_pull_sample(STEP) {
            return Ok(sample);
        }
        let message = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|message| message.view()) {
            return Err(Error::new(Kind::Data, error.error().message()));
        }
        if exit.is_eos() {
            return Err(none());
        }
    }
    Err(none())
}
