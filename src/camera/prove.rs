//! `check pipeline`: each camera's text expanded, parsed and opened, each codec run, without a camera.

use gst::prelude::*;

use super::codec::{Codec, Codecs, Latches, Role};
use super::pipeline;
use super::teardown::set_null;
use super::template::Template;
use crate::config::CameraConfig;
use crate::error::{Error, Kind, Result};

/// What a camera's pipeline would be made of, as a line for people.
pub fn prove(camera: &CameraConfig, codecs: &Codecs) -> Result<String> {
    let template = Template::load(&camera.capture)?;
    let wanted: Vec<Codec> = match template.fixed_codec() {
        Some(codec) => vec![codec],
        None => Codec::ALL.to_vec(),
    };
    let mut lines = Vec::new();
    for codec in wanted {
        lines.push(format!("{codec}: {}", prove_codec(camera, &template, codec, codecs)?));
    }
    Ok(format!("{} — {}", template.origin(), lines.join("; ")))
}

fn prove_codec(camera: &CameraConfig, template: &Template, codec: Codec, codecs: &Codecs) -> Result<String> {
    let roles: Vec<Role> = [Role::Decoder(codec), Role::Scaler, Role::Encoder]
        .into_iter()
        .filter(|role| template.uses(role.name()))
        .collect();
    let (chain, chosen) = codecs.chain(&roles, &camera.capture, &Latches::default())?;
    let description = template.expand(&camera.capture, codec, &chain)?;
    let (pipeline, _, sink) = pipeline::parse(&description, template.origin())?;
    if sink.static_pad("video").is_none_or(|pad| !pad.is_linked()) {
        return Err(Error::new(
            Kind::Pipeline,
            format!("parse pipeline {}: nothing is linked to hlssink2 name=sink", template.origin()),
        ));
    }
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
    Ok(if chosen.is_empty() {
        "no codec needed".into()
    } else {
        chosen.values().copied().collect::<Vec<_>>().join(" → ")
    })
}
