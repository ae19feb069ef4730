//! GStreamer's error messages → [`Failure`]: what they meant was measured on GStreamer 1.22 against real servers.

use gst::prelude::*;

use super::codec::{Chosen, Codec, Role, is_hardware};
use super::failure::Failure;
use super::source::{Offer, is_rtspsrc};

/// What the run knows beside the message.
pub struct Facts<'a> {
    pub src: &'a gst::Element,
    pub chosen: &'a Chosen,
    pub offer: &'a Offer,
    /// The codec that the run was built for.
    pub codec: Codec,
    /// The text leaves depayloader and parser to the program.
    pub codec_is_open: bool,
    pub frames: u64,
}

/// The way out of the run that this error means.
pub fn classify(message: &gst::message::Error, facts: &Facts<'_>) -> Failure {
    if let Some(failure) = codec_mismatch(facts) {
        return failure;
    }
    if let Some(stranger) = &facts.offer.stranger {
        return Failure::Untrusted(stranger.clone());
    }
    let error = message.error();
    let text = error.message().to_owned();
    let debug = message.debug().map(|debug| last_brackets(&debug)).unwrap_or_default();
    if let Some((role, element)) = failed_codec(message.src(), facts.chosen) {
        return Failure::CodecFailed { role, element: element.into(), detail: text };
    }
    let from_src = message.src().is_some_and(|object| is_inside(object, facts.src));
    if error.is::<gst::StreamError>() && message.src().is_some_and(reads_the_stream) {
        return Failure::Broken(if debug.is_empty() { text } else { debug });
    }
    if !from_src {
        // errors of our own files never come this way, the writer keeps them; a disk error is somebody else's sink
        let disk = matches!(
            error.kind::<gst::ResourceError>(),
            Some(gst::ResourceError::Write | gst::ResourceError::NoSpaceLeft)
        );
        let what = format!("{text} {debug}").trim().to_owned();
        return if disk { Failure::Disk(what) } else { blame_hardware(Failure::Pipeline(what), facts) };
    }
    match rtsp_status(message).or_else(|| status_in(&text)).or_else(|| status_in(&debug)) {
        Some(401 | 403) => return Failure::Denied,
        // a camera that described its streams has this path: the 404 is for a track of it
        Some(404) if facts.offer.video.is_empty() => return Failure::NotFound,
        // busy, starting up, or out of connections: it never came to a SETUP
        Some(status) if facts.offer.video.is_empty() => {
            return Failure::Unreachable(format!("it answers {status}"));
        }
        Some(status) => {
            let words = debug.split_once("): ").map_or(text.as_str(), |(_, words)| words);
            return Failure::SetupRefused(format!("{status}: {words}"));
        }
        None => {}
    }
    if error.matches(gst::StreamError::CodecNotFound) && facts.offer.video.is_empty() {
        return Failure::UnsupportedCodec("without video".into());
    }
    match error.kind::<gst::ResourceError>() {
        Some(gst::ResourceError::NotAuthorized) => Failure::Denied,
        Some(gst::ResourceError::NotFound) if is_rtspsrc(facts.src) => Failure::NotFound,
        Some(_) => Failure::Unreachable(if debug.is_empty() { text } else { debug }),
        // the streaming task of the source reports what an element behind it refused
        None => blame_hardware(Failure::Pipeline(format!("{text} {debug}").trim().into()), facts),
    }
}

/// The camera's SDP says that this run can never record.
pub fn codec_mismatch(facts: &Facts<'_>) -> Option<Failure> {
    if facts.offer.taken || facts.offer.video.is_empty() {
        return None;
    }
    let other = facts.offer.video.iter().find_map(|name| Codec::from_encoding_name(name));
    Some(match other {
        Some(codec) if facts.codec_is_open => Failure::OtherCodec(codec),
        Some(codec) => Failure::Pipeline(format!(
            "the stream is {codec}, the text is written for {}; write {{{{depay}}}} ! {{{{parse}}}} to take both",
            facts.codec
        )),
        None => Failure::UnsupportedCodec(facts.offer.video.join(", ")),
    })
}

/// Where a run is stuck or fails to negotiate without naming a culprit, hardware is the likely one: it is
/// replaced before anything else is tried.
pub fn blame_hardware(failure: Failure, facts: &Facts<'_>) -> Failure {
    let hardware = facts.chosen.iter().find(|(_, element)| is_hardware(element));
    match hardware {
        Some((role, element)) if facts.frames == 0 || matches!(failure, Failure::Stalled(_)) => {
            Failure::CodecFailed { role: *role, element: (*element).into(), detail: failure.to_string() }
        }
        _ => failure,
    }
}

fn failed_codec(object: Option<&gst::Object>, chosen: &Chosen) -> Option<(Role, &'static str)> {
    let object = object?;
    chosen
        .iter()
        .find(|(role, _)| named_ancestor(object, role.name()))
        .map(|(role, element)| (*role, *element))
}

fn named_ancestor(object: &gst::Object, name: &str) -> bool {
    let mut current = Some(object.clone());
    while let Some(object) = current {
        if object.name() == name {
            return true;
        }
        current = object.parent();
    }
    false
}

fn is_inside(object: &gst::Object, element: &gst::Element) -> bool {
    let element: &gst::Object = element.upcast_ref();
    object == element || object.has_as_ancestor(element)
}

/// A depayloader, a parser, or the muxer: they fail only over what the camera sends.
fn reads_the_stream(object: &gst::Object) -> bool {
    let factory = object.downcast_ref::<gst::Element>().and_then(gst::Element::factory);
    factory.is_some_and(|factory| {
        factory.has_type(gst::ElementFactoryType::DEPAYLOADER)
            || factory.has_type(gst::ElementFactoryType::PARSER)
            || factory.has_type(gst::ElementFactoryType::MUXER)
    })
}

fn rtsp_status(message: &gst::message::Error) -> Option<u32> {
    message.details()?.get::<u32>("rtsp-status-code").ok()
}

/// The code in `Error (451): Parameter Not Understood`: only some of rtspsrc's errors carry it as a number.
fn status_in(text: &str) -> Option<u32> {
    let code = text.split_once("Error (")?.1.split_once(')')?.0;
    code.parse().ok().filter(|code| (400..600).contains(code))
}

/// `… gst_rtspsrc_connect (): /GstPipeline…:\nFailed to connect. (Generic error)` → the last line. The lines
/// before it are source positions, of no use to people.
fn last_brackets(debug: &str) -> String {
    let last = debug.lines().last().unwrap_or_default().trim();
    if last.contains("gst") && last.contains(".c(") { String::new() } else { last.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_of_a_debug_text_is_for_people() {
        let debug = "../gst/rtsp/gstrtspsrc.c(5213): gst_rtspsrc_connect (): /GstPipeline:p/GstRTSPSrc:src:\n\
                     Failed to connect. (Generic error)";
        assert_eq!(last_brackets(debug), "Failed to connect. (Generic error)");
        assert_eq!(last_brackets("../gst/x/gsty.c(12): f (): /GstPipeline:p"), "");
    }

    #[test]
    fn a_refusal_without_its_number_is_read_from_its_words() {
        assert_eq!(status_in("Error (451): Parameter Not Understood"), Some(451));
        assert_eq!(status_in("Failed to connect. (Generic error)"), None);
        assert_eq!(status_in("Error (12): x"), None);
        assert_eq!(status_in("Error (system): x"), None);
    }

    #[test]
    fn an_offer_of_the_other_codec_rebuilds_only_where_the_text_is_open() {
        gst::init().unwrap();
        let src = gst::ElementFactory::make("fakesrc").build().unwrap();
        let chosen = Chosen::new();
        let verdict = |video: &[&str], codec_is_open| {
            let offer = Offer { video: video.iter().map(|v| v.to_string()).collect(), ..Offer::default() };
            codec_mismatch(&Facts {
                src: &src,
                chosen: &chosen,
                offer: &offer,
                codec: Codec::H264,
                codec_is_open,
                frames: 0,
            })
        };
        assert_eq!(verdict(&[], true), None);
        assert_eq!(verdict(&["H265"], true), Some(Failure::OtherCodec(Codec::H265)));
        assert!(matches!(verdict(&["H265"], false), Some(Failure::Pipeline(_))));
        assert_eq!(verdict(&["JPEG"], true), Some(Failure::UnsupportedCodec("JPEG".into())));
    }
}
