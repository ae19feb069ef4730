//! Short real pipelines: does this element decode, scale or encode at all?

use std::time::Duration;

use gst::prelude::*;

use super::codec::{Codec, Role};
use super::teardown::set_null;
use crate::config::CaptureConfig;
use crate::memory;

/// 12 frames of 2560x1440, a blurred test picture: the size that the cameras send, since some decoders open
/// for a small picture and fail at a large one.
const H264_SAMPLE: &[u8] = include_bytes!("probe/h264.bin");
const H265_SAMPLE: &[u8] = include_bytes!("probe/h265.bin");

const LIMIT: Duration = Duration::from_secs(10);

/// Whether GStreamer knows the element. v4l2 elements exist only while their device does.
pub fn exists(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// Debian's package of an element, for the person who must install it.
pub fn package_of(element: &str) -> &'static str {
    match element {
        e if e.starts_with("avdec_") || e.starts_with("avenc_") => "gstreamer1.0-libav",
        e if e.starts_with("v4l2sl") => "gstreamer1.0-plugins-bad and a kernel driver",
        e if e.starts_with("v4l2") => "gstreamer1.0-plugins-good and a kernel driver",
        "x264enc" => "gstreamer1.0-plugins-ugly",
        "rtspsrc" | "rtph264depay" | "rtph265depay" | "rtpjitterbuffer" | "mp4mux" | "jpegenc"
        | "videobox" | "videocrop" | "flvmux" | "matroskamux" => "gstreamer1.0-plugins-good",
        "hlssink2" | "mpegtsmux" | "h264parse" | "h265parse" | "x265enc" | "openh264enc" | "openh264dec"
        | "libde265dec" | "watchdog" | "tsparse" | "tsdemux" => "gstreamer1.0-plugins-bad",
        "videoconvertscale" | "videoconvert" | "videoscale" | "videorate" | "videotestsrc" | "appsink"
        | "appsrc" | "parsebin" | "decodebin" => "gstreamer1.0-plugins-base",
        "textoverlay" | "timeoverlay" | "clockoverlay" => "gstreamer1.0-x",
        _ => "find its package with: apt-file search, or gst-inspect-1.0",
    }
}

/// Runs `text` in a pipeline with real input until the end of it. The error is a phrase for people.
pub fn run(role: Role, text: &str, capture: &CaptureConfig) -> Result<(), String> {
    let (width, height, framerate) = (capture.width, capture.height, capture.framerate);
    let scaled = format!("video/x-raw,width={width},height={height}");
    match role {
        Role::Decoder(codec) => {
            let sample = match codec {
                Codec::H264 => H264_SAMPLE,
                Codec::H265 => H265_SAMPLE,
            };
            let parse = codec.parse();
            // a dozen frames need no thread for each core; at 4 megapixels every thread holds frames of its own
            let threads = if text.starts_with("avdec_") { " max-threads=1" } else { "" };
            run_description(
                &format!(
                    "appsrc name=sample ! {parse} ! {text}{threads} ! videoconvertscale ! {scaled} ! fakesink"
                ),
                Some((sample, codec)),
            )
        }
        Role::Scaler => run_description(
            &format!(
                "videotestsrc num-buffers=3 ! video/x-raw,format=I420,width=2560,height=1440,framerate={framerate}/1 \
                 ! {text} ! {scaled} ! fakesink"
            ),
            None,
        ),
        Role::Encoder => run_description(
            &format!(
                "videotestsrc num-buffers=5 ! {scaled},format=I420,framerate={framerate}/1 ! {text} ! h264parse \
                 ! fakesink"
            ),
            None,
        ),
    }
}

fn run_description(description: &str, sample: Option<(&'static [u8], Codec)>) -> Result<(), String> {
    let pipeline = gst::parse::launch_full(description, None, gst::ParseFlags::FATAL_ERRORS)
        .map_err(|error| error.message().to_owned())?
        .downcast::<gst::Pipeline>()
        .map_err(|_| "is not a pipeline".to_owned())?;
    if let Some((sample, codec)) = sample {
        feed(&pipeline, sample, codec)?;
    }
    let answer = play_to_end(&pipeline);
    set_null(&pipeline, LIMIT);
    drop(pipeline);
    memory::give_back();
    answer
}

fn feed(pipeline: &gst::Pipeline, sample: &'static [u8], codec: Codec) -> Result<(), String> {
    let source = pipeline
        .by_name("sample")
        .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
        .ok_or("appsrc is missing (gstreamer1.0-plugins-base)")?;
    let media = match codec {
        Codec::H264 => "video/x-h264",
        Codec::H265 => "video/x-h265",
    };
    let caps = gst::Caps::builder(media).field("stream-format", "byte-stream").build();
    source.set_caps(Some(&caps));
    // queued before the pipeline plays: appsrc hands it on when it starts
    source.push_buffer(gst::Buffer::from_slice(sample)).map_err(|flow| flow.to_string())?;
    source.end_of_stream().map_err(|flow| flow.to_string())?;
    Ok(())
}

fn play_to_end(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("has no bus")?;
    let started = pipeline.set_state(gst::State::Playing);
    let limit = gst::ClockTime::from_seconds(LIMIT.as_secs());
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    // a failed state change has its reason on the bus already
    let limit = if started.is_err() { gst::ClockTime::ZERO } else { limit };
    match bus.timed_pop_filtered(limit, &wanted) {
        Some(message) => match message.view() {
            gst::MessageView::Error(error) => Err(error.error().message().to_owned()),
            _ => Ok(()),
        },
        None if started.is_err() => Err("cannot be started".into()),
        None => Err(format!("gave no frame within {} s", LIMIT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_software_codec_of_debian_decodes_the_samples() {
        gst::init().unwrap();
        for (codec, element) in [(Codec::H264, "avdec_h264"), (Codec::H265, "avdec_h265")] {
            let capture = CaptureConfig {
                mode: crate::config::Mode::Transcode,
                width: 320,
                height: 180,
                framerate: 15,
                bitrate_kbps: 300,
                segment_duration: Duration::from_secs(2),
                pipeline: None,
            };
            run(Role::Decoder(codec), &format!("{element} name=decoder"), &capture).unwrap();
        }
    }

    #[test]
    fn an_element_that_gets_no_frame_through_is_an_error() {
        gst::init().unwrap();
        let error = run_description("videotestsrc num-buffers=1 ! h264parse ! fakesink", None).unwrap_err();
        assert!(error.contains("could not link"), "{error}");
    }
}
