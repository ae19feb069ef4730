//! What a simulated camera sends: a moving picture with a clock, encoded live, as a gst-rtsp-server launch line.

use cctv_s3_pipeline::error::{Error, Kind, Result};
use gst::prelude::*;
use gst_rtsp_server::RTSPMedia;
use gst_rtsp_server::prelude::RTSPMediaExt;

use super::{CameraOptions, Codec};

/// The valves that [`super::Camera::freeze`] shuts.
pub const VIDEO_GATE: &str = "video_gate";
pub const AUDIO_GATE: &str = "audio_gate";
/// Where a clip enters, and where it was caught.
pub const CLIP_SOURCE: &str = "clip_source";
pub const CLIP_SINK: &str = "clip_sink";

impl Codec {
    fn encoder(self, options: &CameraOptions) -> String {
        let CameraOptions { bitrate_kbps, gop, .. } = options;
        // one thread each: a dozen small cameras must not start a hundred threads; and several make several slices
        let threads = if options.width <= 640 || options.barcode { 1 } else { 0 };
        match self {
            Codec::H264 => format!(
                "x264enc tune=zerolatency speed-preset=ultrafast threads={threads} bitrate={bitrate_kbps} key-int-max={gop}"
            ),
            Codec::H265 => format!(
                "x265enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate_kbps} key-int-max={gop} \
                 option-string=\"open-gop=0:scenecut=0:pools=1:frame-threads=1:log-level=none\""
            ),
            Codec::Mjpeg => "jpegenc quality=50".into(),
        }
    }

    /// The encoder of a clip has time, and writes what a camera's chip writes: CABAC, a deblocked picture, one slice a
    /// frame, no B-frames, a constant rate. Decoding that is dearer than what `ultrafast` makes.
    fn clip_encoder(self, options: &CameraOptions) -> String {
        let CameraOptions { bitrate_kbps, gop, .. } = options;
        match self {
            Codec::H264 => format!(
                "x264enc speed-preset=veryfast bframes=0 rc-lookahead=0 sync-lookahead=0 sliced-threads=false \
                 bitrate={bitrate_kbps} vbv-buf-capacity=1000 key-int-max={gop} option-string=scenecut=0 \
                 ! video/x-h264,profile=high,stream-format=byte-stream,alignment=au"
            ),
            Codec::H265 | Codec::Mjpeg => self.encoder(options),
        }
    }

    fn payloader(self) -> &'static str {
        match self {
            Codec::H264 => "rtph264pay name=pay0 pt=96 config-interval=-1",
            Codec::H265 => "rtph265pay name=pay0 pt=96 config-interval=-1",
            Codec::Mjpeg => "rtpjpegpay name=pay0 pt=26",
        }
    }

    fn elements(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Codec::H264 => &[("x264enc", "gstreamer1.0-plugins-ugly"), ("rtph264pay", GOOD)],
            Codec::H265 => &[("x265enc", "gstreamer1.0-plugins-bad"), ("rtph265pay", GOOD)],
            Codec::Mjpeg => &[("jpegenc", GOOD), ("rtpjpegpay", GOOD)],
        }
    }
}

const GOOD: &str = "gstreamer1.0-plugins-good";

/// Elements that every camera needs, and the Debian packages that hold them.
const COMMON: [(&str, &str); 6] = [
    ("videotestsrc", "gstreamer1.0-plugins-base"),
    ("audiotestsrc", "gstreamer1.0-plugins-base"),
    ("clockoverlay", "gstreamer1.0-x"),
    ("timeoverlay", "gstreamer1.0-x"),
    ("alawenc", GOOD),
    ("rtppcmapay", GOOD),
];

/// The factory's launch line. The picture is encoded live, so that its clock is the wall clock: 2560x1440 at 15 frames a
/// second cost about 0.2 of a core, 320x180 about 0.01. A clip costs neither and shows the time it was made.
pub fn launch(options: &CameraOptions) -> String {
    let codec = options.codec;
    let (source, encoder) = match options.clip {
        None => (picture(options, "is-live=true"), format!("{} ! ", codec.encoder(options))),
        Some(_) => (format!("appsrc name={CLIP_SOURCE} is-live=true format=time"), String::new()),
    };
    let payloader = codec.payloader();
    let mut text = format!("( {source} ! valve name={VIDEO_GATE} ! {encoder}{payloader} ");
    if options.audio {
        text += &format!(
            "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=8000,channels=1 \
             ! valve name={AUDIO_GATE} ! alawenc ! rtppcmapay name=pay1 pt=8 "
        );
    }
    text + ")"
}

/// The pipeline that makes a clip of so many frames.
pub fn clip_launch(options: &CameraOptions, frames: u32) -> String {
    let picture = picture(options, &format!("num-buffers={frames}"));
    let encoder = options.codec.clip_encoder(options);
    format!("{picture} ! {encoder} ! appsink name={CLIP_SINK} sync=false")
}

fn picture(options: &CameraOptions, source: &str) -> String {
    let CameraOptions { width, height, fps, .. } = options;
    format!(
        "videotestsrc {source} pattern=smpte horizontal-speed=8 \
         ! video/x-raw,format=I420,width={width},height={height},framerate={fps}/1 \
         ! clockoverlay time-format=\"%Y-%m-%d %H:%M:%S\" halignment=left valignment=top shaded-background=true \
         ! timeoverlay halignment=right valignment=bottom shaded-background=true"
    )
}

/// Lets the sender reports tell the camera's uptime instead of the time.
pub fn unset_clock(media: &RTSPMedia) {
    let pipeline = media.element().parent().and_downcast::<gst::Bin>();
    for element in pipeline.iter().flat_map(|pipeline| pipeline.iterate_recurse().into_iter().flatten()) {
        if element.factory().is_some_and(|factory| factory.name() == "rtpbin") {
            element.set_property_from_str("ntp-time-source", "running-time");
        }
    }
}

/// Names every missing element with its Debian package.
pub fn check_elements(codec: Codec) -> Result<()> {
    let missing: Vec<String> = COMMON
        .iter()
        .chain(codec.elements())
        .filter(|(element, _)| gst::ElementFactory::find(element).is_none())
        .map(|(element, package)| format!("{element} (sudo apt-get install {package})"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(Error::new(Kind::Pipeline, format!("simulate a camera: GStreamer elements are missing: {missing}")))
}
