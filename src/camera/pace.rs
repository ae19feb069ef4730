//! `check pipeline --bench`: how fast this machine runs a camera's own text, and how many such cameras that makes.
//!
//! The text is the one that records, but for its first element: frames of four megapixels, made here, come in
//! from memory instead of from a camera, as fast as they are taken, and segments go nowhere. So decoder, scaler, encoder and
//! muxer are measured as they run. What lies on disk is not, and receiving is estimated.

use std::fmt;
use std::time::{Duration, Instant};

use gst::prelude::*;
use procfs::process::Process;

use super::choice::{Codecs, Latches};
use super::codec::{Chosen, Codec, is_hardware, words};
use super::pipeline::{self, Parsed};
use super::receive::Client;
use super::teardown::set_null;
use super::template::Template;
use crate::config::CaptureConfig;
use crate::error::{Context, Error, Kind, Result};

/// What a four-megapixel camera sends.
const INPUT: &str = "2560x1440 at 15 frames/s, 4 Mbit/s";
const INPUT_FPS: u64 = 15;
const INPUT_FRAMES: usize = 30;
/// Of work, after the first frames, in which encoders and threads get going.
const SPAN: Duration = Duration::from_secs(4);
const WARM_UP: u64 = 15;
/// Frames that wait for the pipeline.
const QUEUED: u64 = 8;
const LIMIT: Duration = Duration::from_secs(60);
/// Where nothing is recoded, receiving, hashing, writing and uploading a camera take six times what is measured here: fifty cameras take
/// 0.0038 of a core each (`docs/PERFORMANCE.md`) where this says 0.00055. Beside a codec they do not count.
const RECEIVING: f64 = 6.0;
/// The rest is for viewers, uploads and the hour in which everything moves.
const USABLE: f64 = 0.8;

/// What one text does on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// The elements, as `check pipeline` names them.
    pub chain: String,
    /// Frames of the camera per second of wall clock.
    pub frames_per_second: f64,
    /// Of all threads, for one frame of the camera, receiving it included.
    pub cpu_seconds_per_frame: f64,
    /// How many cameras of 15 frames a second that makes, with a fifth of the machine kept free.
    pub cameras: u32,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pace { chain, frames_per_second, cpu_seconds_per_frame, cameras } = self;
        let share = cpu_seconds_per_frame * INPUT_FPS as f64;
        let plural = if *cameras == 1 { "" } else { "s" };
        write!(
            f,
            "{chain}: {frames_per_second:.0} frames/s, {share:.3} of a core for each camera; {cameras} camera{plural} of {INPUT} \
             in four fifths of this machine"
        )
    }
}

/// Runs the text of `capture` for a few seconds with frames of each codec that it can record.
///
/// # Errors
/// [`Kind::Config`] or [`Kind::Pipeline`] where there is no text. What else does not work is told for its codec.
pub fn measure(capture: &CaptureConfig, codecs: &Codecs) -> Result<Vec<(Codec, Result<Pace>)>> {
    let template = Template::load(capture)?;
    let all = template.codecs().into_iter();
    Ok(all.map(|codec| (codec, measure_codec(capture, &template, codec, codecs))).collect())
}

fn measure_codec(
    capture: &CaptureConfig,
    template: &Template,
    codec: Codec,
    codecs: &Codecs,
) -> Result<Pace> {
    let (chain, chosen) = codecs.chain(&template.roles(codec), capture, &Latches::default(), &|| {})?;
    let text = from_memory(&template.expand(capture, codec, Client::Own, &chain)?, codec).ok_or_else(|| {
        let what = "found neither {{source}} nor rtspsrc, whose place the frames from memory could take; only such texts can \
                    be measured";
        Error::new(Kind::Pipeline, format!("measure pipeline {}: {what}", template.origin()))
    })?;
    let frames = input(codec)?;
    let spent = run(&text, template, &frames, codec)?;
    Ok(pace(&chosen, &spent))
}

/// The text with frames from memory in the place of what receives them: of `rtspsrc` as RTP packets.
fn from_memory(text: &str, codec: Codec) -> Option<String> {
    const MEMORY: &str = "appsrc name=src format=time max-bytes=0 ";
    let own = Client::Own.text(codec);
    if text.contains(&own) {
        return Some(text.replacen(&own, MEMORY, 1));
    }
    let start = text.find("rtspsrc")?;
    let end = start + text[start..].find('!')?;
    let pay = codec.depay().replace("depay", "pay");
    let source = format!("{MEMORY}! {} ! {pay} config-interval=-1 ", codec.parse());
    Some(format!("{}{source}{}", &text[..start], &text[end..]))
}

/// Encoded frames, as they come from a camera.
fn input(codec: Codec) -> Result<Vec<gst::Buffer>> {
    let (encoder, media) = match codec {
        Codec::H264 => {
            ("x264enc speed-preset=ultrafast tune=zerolatency bitrate=4000 key-int-max=30", "x-h264")
        }
        Codec::H265 => {
            ("x265enc speed-preset=ultrafast tune=zerolatency bitrate=4000 key-int-max=30", "x-h265")
        }
    };
    let what = || format!("make {codec} frames to measure with");
    let description = format!(
        "videotestsrc num-buffers={INPUT_FRAMES} pattern=smpte horizontal-speed=8 \
         ! video/x-raw,format=I420,width=2560,height=1440,framerate={INPUT_FPS}/1 ! {encoder} \
         ! {} ! video/{media},stream-format=byte-stream,alignment=au ! appsink name=out sync=false",
        codec.parse()
    );
    let pipeline = gst::parse::launch(&description)
        .context(Kind::Pipeline, what)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Error::new(Kind::Internal, what()))?;
    let out = pipeline.by_name("out").and_downcast::<gst_app::AppSink>();
    let out = out.ok_or_else(|| Error::new(Kind::Internal, what()))?;
    let frames = pipeline.set_state(gst::State::Playing).map(|_| {
        let sample = || out.try_pull_sample(gst::ClockTime::from_seconds(LIMIT.as_secs()));
        std::iter::from_fn(sample).filter_map(|sample| sample.buffer_owned()).collect::<Vec<_>>()
    });
    set_null(&pipeline, LIMIT);
    match frames {
        Ok(frames) if frames.len() == INPUT_FRAMES => Ok(frames),
        _ => Err(Error::new(Kind::Pipeline, format!("{}: the encoder gives none", what()))),
    }
}

struct Spent {
    frames: u64,
    wall: Duration,
    cpu_seconds: f64,
}

fn run(text: &str, template: &Template, frames: &[gst::Buffer], codec: Codec) -> Result<Spent> {
    let Parsed { pipeline, src, muxer } = pipeline::parse(text, template.origin())?;
    muxer.rehearse();
    let what = || format!("measure pipeline {}", template.origin());
    let src = src.downcast::<gst_app::AppSrc>().map_err(|_| Error::new(Kind::Internal, what()))?;
    let media = if codec == Codec::H264 { "video/x-h264" } else { "video/x-h265" };
    let caps = gst::Caps::builder(media).field("stream-format", "byte-stream").field("alignment", "au");
    src.set_caps(Some(&caps.build()));
    let spent = pipeline.set_state(gst::State::Playing).context(Kind::Pipeline, what).and_then(|_| {
        let played = feed(&pipeline, &src, frames).and_then(|started| drain(&pipeline, started));
        played.map_err(|why| Error::new(Kind::Pipeline, format!("{}: {why}", what())))
    });
    set_null(&pipeline, LIMIT);
    spent
}

/// How many frames were sent after the warm-up, and the time and CPU at its end.
type Started = (u64, Instant, f64);

/// Frames over and over, with times that go on. Never waits in an element: one that hangs or fails is told.
fn feed(pipeline: &gst::Pipeline, src: &gst_app::AppSrc, frames: &[gst::Buffer]) -> Result<Started, String> {
    let began = Instant::now();
    let (mut sent, mut counted) = (0_u64, None);
    for frame in frames.iter().cycle() {
        while src.current_level_buffers() >= QUEUED {
            if let Some(why) = error_of(pipeline, gst::ClockTime::from_mseconds(1)) {
                return Err(why);
            }
            if began.elapsed() >= LIMIT {
                return Err(format!("took {sent} frames in {} s", LIMIT.as_secs()));
            }
        }
        if sent == WARM_UP {
            counted = Some((Instant::now(), cpu_seconds()?));
        }
        if counted.is_some_and(|(since, _)| since.elapsed() >= SPAN) {
            break;
        }
        let mut frame = frame.copy();
        let at = gst::ClockTime::from_nseconds(sent * 1_000_000_000 / INPUT_FPS);
        if let Some(frame) = frame.get_mut() {
            frame.set_pts(at);
            frame.set_dts(at);
        }
        src.push_buffer(frame).map_err(|flow| flow.to_string())?;
        sent += 1;
    }
    src.end_of_stream().map_err(|flow| flow.to_string())?;
    let (since, cpu) = counted.ok_or("no frame was taken")?;
    Ok((sent - WARM_UP, since, cpu))
}

/// The frames that are still on their way count too.
fn drain(pipeline: &gst::Pipeline, (frames, since, cpu): Started) -> Result<Spent, String> {
    let bus = pipeline.bus().ok_or("it has no bus")?;
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let limit = gst::ClockTime::from_seconds(LIMIT.as_secs());
    let ended = bus.timed_pop_filtered(limit, &wanted);
    match ended.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => {
            Ok(Spent { frames, wall: since.elapsed(), cpu_seconds: cpu_seconds()? - cpu })
        }
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        _ => Err(format!("it gave no end within {} s", LIMIT.as_secs())),
    }
}

fn error_of(pipeline: &gst::Pipeline, within: gst::ClockTime) -> Option<String> {
    let message = pipeline.bus()?.timed_pop_filtered(within, &[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().message().to_owned()),
        _ => None,
    }
}

fn cpu_seconds() -> Result<f64, String> {
    let stat = Process::myself().and_then(|process| process.stat()).map_err(|error| error.to_string())?;
    Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

fn pace(chosen: &Chosen, spent: &Spent) -> Pace {
    let frames = spent.frames.max(1) as f64;
    let frames_per_second = frames / spent.wall.as_secs_f64().max(0.001);
    // two ticks of the kernel's clock at least: nothing costs nothing
    let measured = spent.cpu_seconds.max(0.02) / frames;
    let cpu_seconds_per_frame = if chosen.is_empty() { measured * (1.0 + RECEIVING) } else { measured };
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    let by_cpu = cores / (cpu_seconds_per_frame * INPUT_FPS as f64);
    // a codec of the board is one for all cameras, and costs little CPU
    let by_codec = frames_per_second / INPUT_FPS as f64;
    let all = if chosen.values().any(|element| is_hardware(element)) { by_cpu.min(by_codec) } else { by_cpu };
    Pace {
        chain: words(chosen),
        frames_per_second,
        cpu_seconds_per_frame,
        cameras: (all * USABLE).clamp(0.0, 10_000.0) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_source_of_a_text_is_replaced() {
        let text = "rtspsrc name=src latency=200 ! rtph264depay ! h264parse ! hlssink2 name=sink";
        assert_eq!(
            from_memory(text, Codec::H264).unwrap(),
            "appsrc name=src format=time max-bytes=0 ! h264parse ! rtph264pay config-interval=-1 \
             ! rtph264depay ! h264parse ! hlssink2 name=sink"
        );
        let own = format!("{} ! h264parse ! hlssink2 name=sink", Client::Own.text(Codec::H264));
        assert_eq!(
            from_memory(&own, Codec::H264).unwrap(),
            "appsrc name=src format=time max-bytes=0  ! h264parse ! hlssink2 name=sink"
        );
        assert_eq!(from_memory("videotestsrc name=src ! hlssink2 name=sink", Codec::H264), None);
    }

    #[test]
    fn a_codec_of_the_board_is_shared_by_all_cameras_and_cores_by_their_cpu() {
        let spent = Spent { frames: 150, wall: Duration::from_secs(5), cpu_seconds: 0.15 };
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        let soft = pace(&Chosen::new(), &spent);
        assert!((soft.frames_per_second - 30.0).abs() < 1e-9);
        // 0.001 measured, and six times that for what is not
        assert!((soft.cpu_seconds_per_frame - 0.001 * (1.0 + RECEIVING)).abs() < 1e-9);
        assert_eq!(soft.cameras, (cores / 0.105 * 0.8) as u32);
        let recoded = pace(&Chosen::from([(super::super::codec::Role::Encoder, "x264enc")]), &spent);
        assert!((recoded.cpu_seconds_per_frame - 0.001).abs() < 1e-9);
        let board = Chosen::from([(super::super::codec::Role::Encoder, "v4l2h264enc")]);
        assert_eq!(pace(&board, &spent).cameras, 1);
    }
}
