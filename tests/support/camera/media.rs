//! What a simulated camera sends: a moving picture with a clock, encoded live, as a gst-rtsp-server launch line.

use cctv_s3_pipeline::error::{Error, Kind, Result};

use super::{CameraOptions, Codec};

/// The valves that [`super::Camera::freeze`] shuts.
pub const VIDEO_GATE: &str = "video_gate";
pub const AUDIO_GATE: &str = "audio_gate";

impl Codec {
    fn encoder(self, options: &CameraOptions) -> String {
        let CameraOptions { bitrate_kbps, gop, .. } = options;
        // one thread each: a dozen small cameras must not start a hundred threads
        let threads = if options.width <= 640 { 1 } else { 0 };
        match self {
            Codec::H264 => format!(
                "x264enc tune=zerolatency speed-preset=ultrafast threads={threads} bitrate={bitrate_kbps} key-int-max={gop} \
                 ! rtph264pay name=pay0 pt=96 config-interval=-1"
            ),
            Codec::H265 => format!(
                "x265enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate_kbps} key-int-max={gop} \
                 option-string=\"open-gop=0:scenecut=0:pools=1:frame-threads=1:log-level=none\" \
                 ! rtph265pay name=pay0 pt=96 config-interval=-1"
            ),
            Codec::Mjpeg => "jpegenc quality=50 ! rtpjpegpay name=pay0 pt=26".into(),
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
/// second cost about 0.2 of a core, 320x180 about 0.01.
pub fn launch(options: &CameraOptions) -> String {
    let CameraOptions { width, height, fps, .. } = options;
    let mut text = format!(
        "( videotestsrc is-live=true pattern=smpte horizontal-speed=8 \
         ! video/x-raw,format=I420,width={width},height={height},framerate={fps}/1 \
         ! clockoverlay time-format=\"%Y-%m-%d %H:%M:%S\" halignment=left valignment=top shaded-background=true \
         ! timeoverlay halignment=right valignment=bottom shaded-background=true \
         ! valve name={VIDEO_GATE} ! {} ",
        options.codec.encoder(options)
    );
    if options.audio {
        text += &format!(
            "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=8000,channels=1 \
             ! valve name={AUDIO_GATE} ! alawenc ! rtppcmapay name=pay1 pt=8 "
        );
    }
    text + ")"
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
