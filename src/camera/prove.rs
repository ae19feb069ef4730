//! `check pipeline`: each camera's text expanded, parsed and opened, each codec run, without a camera.

use gst::prelude::*;

use super::choice::{Codecs, Latches};
use super::codec::{Chosen, Codec, words};
use super::pipeline;
use super::receive::Client;
use super::teardown::set_null;
use super::template::Template;
use crate::config::CameraConfig;
use crate::error::{Error, Kind, Result};

/// What a camera's pipeline would be made of, as a line for people.
pub fn prove(camera: &CameraConfig, codecs: &Codecs) -> Result<String> {
    let template = Template::load(&camera.capture)?;
    let mut lines = Vec::new();
    for codec in template.codecs() {
        lines.push(format!("{codec}: {}", prove_codec(camera, &template, codec, codecs)?));
    }
    Ok(format!("{} — {}", template.origin(), lines.join("; ")))
}

/// At start: the text must expand and parse with what this machine has, for the codec that is tried first.
pub fn parses(camera: &CameraConfig, template: &Template, codecs: &Codecs) -> Result<()> {
    let codec = template.fixed_codec().unwrap_or(Codec::H264);
    let description = describe(camera, template, codec, codecs)?.0;
    pipeline::parse(&description, template.origin()).map(|_| ())
}

fn describe(
    camera: &CameraConfig,
    template: &Template,
    codec: Codec,
    codecs: &Codecs,
) -> Result<(String, Chosen)> {
    let (chain, chosen) =
        codecs.chain(&template.roles(codec), &camera.capture, &Latches::default(), &|| {})?;
    Ok((template.expand(&camera.capture, codec, Client::of(&camera.url), &chain)?, chosen))
}

fn prove_codec(camera: &CameraConfig, template: &Template, codec: Codec, codecs: &Codecs) -> Result<String> {
    let (description, chosen) = describe(camera, template, codec, codecs)?;
    let pipeline = pipeline::parse(&description, template.origin())?.pipeline;
    // READY opens devices and libraries, and does not connect to the camera yet
    let ready = pipeline.set_state(gst::State::Ready);
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    set_null(&pipeline, std::time::Duration::from_secs(5));
    if ready.is_err() {
        let why = error.map(|message| match message.view() {
            gst::MessageView::Error(error) => error.error().message().to_owned(),
            _ => String::new(),
        });
        return Err(Error::new(
            Kind::Pipeline,
            format!(
                "open pipeline {}: {}",
                template.origin(),
                why.as_deref().unwrap_or("an element refuses")
            ),
        ));
    }
    Ok(words(&chosen))
}
