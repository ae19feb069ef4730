//! Which decoder, scaler and encoder: chosen by running a short real pipeline of each candidate, because an
//! element that exists may still not work (a /dev/video* without its firmware, an encoder that takes no frame).
//!
//! A codec that fails later is latched out by the camera that saw it fail ([`Latches`]); its next run takes the
//! next candidate. The last candidate of a role is never latched: a broken stream must not stop recording for good.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::probe;
use super::template::gop;
use crate::config::CaptureConfig;
use crate::error::{Error, Kind, Result};

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
    const fn candidates(self) -> &'static [&'static str] {
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

/// What one camera saw fail.
#[derive(Clone, Debug, Default)]
pub struct Latches(BTreeSet<(Role, &'static str)>);

impl Latches {
    /// Rules `element` out. Returns whether another candidate is left; if none is, all are allowed again.
    pub fn latch(&mut self, role: Role, element: &'static str) -> bool {
        self.0.insert((role, element));
        let left = role.candidates().iter().any(|other| !self.holds(role, other) && probe::exists(other));
        if !left {
            self.0.retain(|(other, _)| *other != role);
        }
        left
    }

    fn holds(&self, role: Role, element: &'static str) -> bool {
        self.0.contains(&(role, element))
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

/// Remembers what was probed, for all cameras of the process.
#[derive(Default)]
pub struct Codecs {
    probed: Mutex<BTreeMap<Probed, Result<(), String>>>,
}

type Probed = (Role, &'static str, Size);

/// What a probe depends on beside the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Size {
    width: u32,
    height: u32,
    framerate: u32,
}

impl Codecs {
    pub fn new() -> Self {
        Self::default()
    }

    /// The first candidate of `role` that works at this size and is not latched. Probes what was not probed yet,
    /// which takes a few tens of milliseconds each.
    pub fn choose(&self, role: Role, capture: &CaptureConfig, latches: &Latches) -> Result<&'static str> {
        let size = Size { width: capture.width, height: capture.height, framerate: capture.framerate };
        // held while probing: cameras that start together wait for one probe instead of running many at once
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tried = Vec::new();
        for element in role.candidates() {
            if latches.holds(role, element) {
                tried.push(format!("{element}: failed while running"));
                continue;
            }
            if !probe::exists(element) {
                tried.push(format!("{element}: not installed ({})", probe::package_of(element)));
                continue;
            }
            let answer = probed.entry((role, element, size)).or_insert_with(|| {
                let answer = probe::run(role, &text(role, element, capture), capture);
                match &answer {
                    Ok(()) => log::info!("[codec] {role}: {element} works"),
                    Err(why) => log::warn!("[codec] {role}: {element} does not work: {why}"),
                }
                answer
            });
            match answer {
                Ok(()) => return Ok(element),
                Err(why) => tried.push(format!("{element}: {why}")),
            }
        }
        Err(Error::new(
            Kind::Pipeline,
            format!(
                "choose a {role}: none works ({}); install gstreamer1.0-libav and gstreamer1.0-plugins-ugly",
                tried.join("; ")
            ),
        ))
    }

    /// Lets the next choice probe again what failed before.
    pub fn forget_failures(&self, roles: &[Role]) {
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        probed.retain(|(role, ..), answer| answer.is_ok() || !roles.contains(role));
    }

    /// Elements and texts for a run that wants these roles.
    pub fn chain(
        &self,
        roles: &[Role],
        capture: &CaptureConfig,
        latches: &Latches,
    ) -> Result<(Chain, Chosen)> {
        let (mut chain, mut chosen) = (Chain::default(), Chosen::new());
        for role in roles {
            let element = self.choose(*role, capture, latches)?;
            let text = text(*role, element, capture);
            match role {
                Role::Decoder(_) => chain.decoder = text,
                Role::Scaler => chain.scaler = text,
                Role::Encoder => chain.encoder = text,
            }
            chosen.insert(*role, element);
        }
        Ok((chain, chosen))
    }
}

/// The launch text of one element, named after its role.
fn text(role: Role, element: &str, capture: &CaptureConfig) -> String {
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
