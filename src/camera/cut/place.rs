//! Takes the text's `hlssink2` out, and puts in what muxes its streams.

use gst::prelude::*;

use crate::error::{Error, Kind, Result};

/// Packets leave GStreamer's muxer as a list, all of a frame at once. Several packets to a piece would cost as much, and leave some
/// of each frame behind for the next.
const WHOLE_FRAMES: i32 = 0;
/// What can become packets without GStreamer's muxer.
const PLAIN: [&str; 2] = [
    "video/x-h264,stream-format=byte-stream,alignment=au",
    "video/x-h265,stream-format=byte-stream,alignment=au",
];

/// What stands in the place of hlssink2.
pub struct Muxer {
    /// Where frames go in.
    pub video: gst::Pad,
    /// Where they come out, as packets or as the frames they were.
    pub output: gst::Pad,
    /// Whether frames come out, all of one stream, to be made packets of.
    pub gives_frames: bool,
}

/// Takes `sink` out of its pipeline and puts a muxer there.
///
/// # Errors
/// [`Kind::Config`] where nothing is linked to it, or something that goes into no segment; [`Kind::Pipeline`] where a plugin is
/// missing.
pub fn replace(sink: &gst::Element, origin: &str) -> Result<Muxer> {
    let wrong = |kind, what: &str| Error::new(kind, format!("parse pipeline {origin}: {what}"));
    let internal = |_| wrong(Kind::Internal, "the muxer cannot be put in");
    let bin = sink.parent().and_downcast::<gst::Bin>();
    let bin = bin.ok_or_else(|| wrong(Kind::Internal, "hlssink2 is in no pipeline"))?;
    let linked: Vec<_> =
        sink.sink_pads().into_iter().filter_map(|pad| pad.peer().map(|source| (pad, source))).collect();
    if !linked.iter().any(|(pad, _)| is_video(pad)) {
        return Err(wrong(Kind::Config, "nothing is linked to hlssink2 name=sink; link video to it"));
    }
    let end = make("fakesink", origin)?;
    for property in ["sync", "async", "enable-last-sample"] {
        end.set_property(property, false);
    }
    bin.add(&end).map_err(internal)?;
    let entry = end.static_pad("sink").ok_or_else(|| wrong(Kind::Internal, "fakesink takes nothing"))?;
    let move_link = |(pad, source): &(gst::Pad, gst::Pad), entry: &gst::Pad| {
        source.unlink(pad).map_err(|_| wrong(Kind::Internal, "hlssink2 cannot be taken out"))?;
        source
            .link(entry)
            .map_err(|_| wrong(Kind::Config, "the muxer does not take what is linked to hlssink2 name=sink"))
    };
    let muxer = match &linked[..] {
        [link] if is_plain(&link.1) => {
            // fakesink takes everything, and lists of frames whole
            let filter = make("capsfilter", origin)?;
            filter.set_property("caps", plain());
            bin.add(&filter).map_err(internal)?;
            filter.link(&end).map_err(internal)?;
            let video = filter.static_pad("sink");
            let video = video.ok_or_else(|| wrong(Kind::Internal, "capsfilter takes nothing"))?;
            move_link(link, &video)?;
            Muxer { video, output: entry, gives_frames: true }
        }
        links => {
            let muxer = make("mpegtsmux", origin)?;
            muxer.set_property("alignment", WHOLE_FRAMES);
            bin.add(&muxer).map_err(internal)?;
            muxer.link(&end).map_err(internal)?;
            let mut video = None;
            for link in links {
                let entry = muxer.request_pad_simple("sink_%d");
                let entry = entry.ok_or_else(|| wrong(Kind::Internal, "the muxer takes no stream"))?;
                move_link(link, &entry)?;
                video = if is_video(&link.0) { Some(entry) } else { video };
            }
            let video = video.ok_or_else(|| wrong(Kind::Internal, "the muxer has no video"))?;
            Muxer { video, output: entry, gives_frames: false }
        }
    };
    bin.remove(sink).map_err(internal)?;
    Ok(muxer)
}

/// Of hlssink2's pads.
fn is_video(pad: &gst::Pad) -> bool {
    pad.name() == "video"
}

/// Whether nothing else than whole frames can come from here.
fn is_plain(source: &gst::Pad) -> bool {
    let possible = source.query_caps(None);
    !possible.is_empty() && possible.is_subset(&plain())
}

fn plain() -> gst::Caps {
    let mut plain = gst::Caps::new_empty();
    for caps in PLAIN.iter().filter_map(|caps| caps.parse::<gst::Caps>().ok()) {
        plain.merge(caps);
    }
    plain
}

fn make(element: &str, origin: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(element).build().map_err(|_| {
        let package = super::super::probe::package_of(element);
        let what = format!("parse pipeline {origin}: missing {element} ({package}); install the package");
        Error::new(Kind::Pipeline, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: &str = "appsrc name=src caps=video/x-h265,stream-format=byte-stream,alignment=au";
    const WHOLE: &str = "capsfilter caps=\"video/x-h264,stream-format=byte-stream,alignment=au;video/x-h265,stream-format=byte-stream,alignment=au\"";

    /// Whether this text's frames become packets without GStreamer's muxer.
    fn is_without(text: &str) -> bool {
        gst::init().unwrap();
        let pipeline = gst::parse::launch(text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let muxer = replace(&pipeline.by_name("sink").unwrap(), "test").unwrap();
        assert!(muxer.video.is_linked() && pipeline.by_name("sink").is_none());
        let elements = pipeline.iterate_recurse().into_iter().flatten();
        let has_muxer =
            elements.filter_map(|element| element.factory()).any(|factory| factory.name() == "mpegtsmux");
        assert_eq!(has_muxer, !muxer.gives_frames, "{text}");
        !has_muxer
    }

    #[test]
    fn whole_frames_of_one_stream_need_no_muxer_of_gstreamer() {
        let encoder = "videotestsrc name=src ! x264enc ! h264parse";
        for text in [
            format!("{CAMERA} ! h265parse config-interval=-1 ! {WHOLE} ! hlssink2 name=sink"),
            format!(
                "{encoder} ! video/x-h264,stream-format=byte-stream,alignment=au ! queue ! hlssink2 name=sink"
            ),
        ] {
            assert!(is_without(&text), "{text}");
        }
        for text in [
            format!("{CAMERA} ! hlssink2 name=sink"),
            format!("{CAMERA} ! h265parse ! hlssink2 name=sink"),
            format!("{encoder} ! video/x-h264,stream-format=byte-stream,alignment=nal ! hlssink2 name=sink"),
            format!(
                "{CAMERA} ! {WHOLE} ! hlssink2 name=sink audiotestsrc ! avenc_aac ! aacparse ! sink.audio"
            ),
        ] {
            assert!(!is_without(&text), "{text}");
        }
    }
}
