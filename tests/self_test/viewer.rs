//! A viewer of a camera with no cleverness at all: counts frames and keeps the first error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;

pub struct Viewer {
    pipeline: gst::Pipeline,
    frames: Arc<AtomicUsize>,
}

impl Viewer {
    /// Connects; `login` is user and password.
    pub fn connect(url: &str, login: Option<(&str, &str)>) -> Self {
        gst::init().expect("GStreamer is installed");
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make("rtspsrc")
            .property("location", url)
            .property_from_str("protocols", "tcp")
            .property("latency", 0u32)
            .build()
            .expect("rtspsrc: sudo apt-get install gstreamer1.0-plugins-good");
        if let Some((user, password)) = login {
            source.set_property("user-id", user);
            source.set_property("user-pw", password);
        }
        pipeline.add(&source).expect("a new pipeline takes an element");
        let frames: Arc<AtomicUsize> = Arc::default();
        let (counted, weak) = (frames.clone(), pipeline.downgrade());
        source.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            let sink = gst::ElementFactory::make("fakesink").build().expect("part of GStreamer itself");
            pipeline.add(&sink).expect("a new element has no parent");
            sink.sync_state_with_parent().expect("fakesink plays");
            let sink_pad = sink.static_pad("sink").expect("a sink has one");
            pad.link(&sink_pad).expect("fakesink takes everything");
            let counted = counted.clone();
            let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
            pad.add_probe(mask, move |_, _| {
                counted.fetch_add(1, Ordering::SeqCst);
                gst::PadProbeReturn::Ok
            });
        });
        pipeline.set_state(gst::State::Playing).expect("rtspsrc connects later");
        Self { pipeline, frames }
    }

    /// RTP packets received, of all tracks.
    pub fn packets(&self) -> usize {
        self.frames.load(Ordering::SeqCst)
    }

    /// What ended the stream so far: `error: …` or `end of stream`. Warnings are passed over.
    pub fn ending(&self) -> Option<String> {
        let bus = self.pipeline.bus()?;
        let wanted = [gst::MessageType::Error, gst::MessageType::Eos];
        bus.pop_filtered(&wanted).map(|message| match message.view() {
            gst::MessageView::Error(error) => {
                format!("error: {} {}", error.error(), error.debug().unwrap_or_default())
            }
            _ => "end of stream".to_owned(),
        })
    }

    /// Asks for a parameter, as a keep-alive does.
    pub fn ping(&self) {
        let source = self.pipeline.iterate_sources().next().ok().flatten();
        let source = source.expect("the pipeline has its rtspsrc");
        let sent =
            source.emit_by_name::<bool>("get-parameter", &[&"ping", &None::<String>, &gst::Promise::new()]);
        assert!(sent, "rtspsrc takes the request");
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
