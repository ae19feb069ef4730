//! Codecs, the roles that elements play in a pipeline, and which elements can play them. Pure vocabulary and texts;
//! which of them works here is found out in `choice`.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::CaptureConfig;

/// What a camera may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    H264,
    H265,
}

impl Codec {
    pub const ALL: [Codec; 2] = [Codec::H264, Codec::H265];

    /// From RTP caps' `encoding-name` (RFC 6184, RFC 7798).
    pub fn from_encoding_name(name: &str) -> Option<Codec> {
        match name.to_ascii_uppercase().as_str() {
            "H264" => Some(Codec::H264),
            "H265" => Some(Codec::H265),
            _ => None,
        }
    }

    pub const fn depay(self) -> &'static str {
        match self {
            Codec::H264 => "rtph264depay",
            Codec::H265 => "rtph265depay",
        }
    }

    /// The media type of its caps.
    pub const fn media(self) -> &'static str {
        match self {
            Codec::H264 => "video/x-h264",
            Codec::H265 => "video/x-h265",
        }
    }

    pub const fn parse(self) -> &'static str {
        match self {
            Codec::H264 => "h264parse",
            Codec::H265 => "h265parse",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::H264 => "H.264",
            Codec::H265 => "H.265",
        })
    }
}

/// A place in the pipeline that several elements can fill. In the text the element carries the role's name, so
/// that an error can be traced back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Decoder(Codec),
    Scaler,
    Encoder,
}

impl Role {
    /// The element's name in the pipeline.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Decoder(_) => "decoder",
            Role::Scaler => "scaler",
            Role::Encoder => "encoder",
        }
    }

    /// Best first: hardware, then the software that Debian ships.
    pub const fn candidates(self) -> &'static [&'static str] {
        match self {
            Role::Decoder(Codec::H264) => &["v4l2h264dec", "avdec_h264", "openh264dec"],
            Role::Decoder(Codec::H265) => &["v4l2slh265dec", "avdec_h265", "libde265dec"],
            Role::Scaler => &["v4l2convert", "videoconvertscale"],
            Role::Encoder => &["v4l2h264enc", "x264enc", "openh264enc"],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Decoder(codec) => write!(f, "{codec} decoder"),
            role => f.write_str(role.name()),
        }
    }
}

/// The texts that fill `{{decoder}}`, `{{scaler}}` and `{{encoder}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    pub decoder: String,
    pub scaler: String,
    pub encoder: String,
}

/// The elements one run was built with.
pub type Chosen = BTreeMap<Role, &'static str>;

/// `avdec_h264 → videoconvertscale → x264enc`, for people.
pub fn words(chosen: &Chosen) -> String {
    match chosen.is_empty() {
        true => "no codec needed".to_owned(),
        false => chosen.values().copied().collect::<Vec<_>>().join(" → "),
    }
}

/// The candidate of this name, as the list spells it.
pub fn candidate(role: Role, element: &str) -> Option<&'static str> {
    role.candidates().iter().copied().find(|name| *name == element)
}

/// Is this one of the elements that need a device of the machine?
pub fn is_hardware(element: &str) -> bool {
    element.starts_with("v4l2")
}

/// Frames between keyframes: one second, so that segments of any length end at one, and who joins live sees a picture soon.
pub fn gop(capture: &CaptureConfig) -> u32 {
    capture.framerate.max(1)
}

/// The launch text of one element, named after its role.
pub fn text(role: Role, element: &str, capture: &CaptureConfig) -> String {
    let (kbps, gop) = (capture.bitrate_kbps, gop(capture));
    let name = role.name();
    match element {
        // no lookahead and no B-frames (zerolatency): frames leave as they come; no scene cuts: keyframes
        // stand where the segment boundaries are
        "x264enc" => format!(
            "x264enc name={name} tune=zerolatency speed-preset=superfast bitrate={kbps} key-int-max={gop} \
             option-string=scenecut=0 ! video/x-h264,profile=main"
        ),
        "openh264enc" => format!(
            "openh264enc name={name} complexity=low rate-control=bitrate bitrate={} gop-size={gop}",
            u64::from(kbps) * 1000
        ),
        "v4l2h264enc" => format!(
            "v4l2h264enc name={name} extra-controls=\"controls,video_bitrate={},h264_i_frame_period={gop},\
             repeat_sequence_header=1\" ! video/x-h264,level=(string)4",
            u64::from(kbps) * 1000
        ),
        _ => format!("{element} name={name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_names_are_read_without_regard_to_case() {
        assert_eq!(Codec::from_encoding_name("h265"), Some(Codec::H265));
        assert_eq!(Codec::from_encoding_name("JPEG"), None);
    }

    #[test]
    fn every_candidate_carries_the_name_of_its_role() {
        let capture = CaptureConfig {
            mode: crate::config::Mode::Transcode,
            width: 1280,
            height: 720,
            framerate: 15,
            bitrate_kbps: 1500,
            segment_duration: std::time::Duration::from_secs(10),
            pipeline: None,
        };
        for role in [Role::Decoder(Codec::H264), Role::Decoder(Codec::H265), Role::Scaler, Role::Encoder] {
            for element in role.candidates() {
                let text = text(role, element, &capture);
                assert!(text.starts_with(&format!("{element} name={}", role.name())), "{text}");
            }
        }
    }
}
