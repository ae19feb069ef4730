//! `*.launch` text → checked pipeline description. Pure but for reading the file that the configuration names.
//!
//! Comments are stripped, placeholders filled with numbers and element texts; strings and secrets never go
//! through here, they are set as properties on named elements.

use std::path::Path;

use super::codec::{Chain, Codec, Role, gop};
use super::receive::Client;
use crate::config::{CaptureConfig, Mode};
use crate::error::{Context, Error, Kind, Result};

const BUILT_IN: [(&str, &str); 2] = [
    ("transcode", include_str!("../../pipelines/transcode.launch")),
    ("passthrough", include_str!("../../pipelines/passthrough.launch")),
];

/// What a placeholder may be called; the order is that of the help text.
pub const PLACEHOLDERS: [&str; 11] = [
    "width",
    "height",
    "framerate",
    "bitrate_kbps",
    "gop",
    "source",
    "depay",
    "parse",
    "decoder",
    "scaler",
    "encoder",
];

/// A pipeline text as it was written, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// For messages: `pipelines/transcode.launch`, a path, or `capture.pipeline`.
    origin: String,
    text: String,
}

impl Template {
    /// Finds the text: `capture.pipeline` names a built-in template, a file, or holds the text itself; without
    /// it the mode's own template is taken.
    pub fn load(capture: &CaptureConfig) -> Result<Template> {
        let Some(given) = capture.pipeline.as_deref() else {
            let name = match capture.mode {
                Mode::Transcode => "transcode",
                Mode::Passthrough => "passthrough",
            };
            return Self::built_in(name)
                .ok_or_else(|| Error::new(Kind::Internal, format!("find template {name}: not built in")));
        };
        if let Some(template) = Self::built_in(given) {
            return Ok(template);
        }
        if given.contains('!') || given.contains('\n') {
            return Ok(Template { origin: "capture.pipeline".into(), text: given.into() });
        }
        if given.contains('/') || given.ends_with(".launch") {
            let text = std::fs::read_to_string(Path::new(given)).context(Kind::Config, || {
                format!("read pipeline {given} (capture.pipeline); correct the path")
            })?;
            return Ok(Template { origin: given.into(), text });
        }
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        Err(Error::new(
            Kind::Config,
            format!(
                "capture.pipeline: found {given:?}, which is neither a built-in template ({}), nor a file \
                 (a path with / or ending in .launch), nor a pipeline text (with ! between its elements)",
                names.join(", ")
            ),
        ))
    }

    fn built_in(name: &str) -> Option<Template> {
        let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Template { origin: format!("pipelines/{name}.launch"), text: (*text).into() })
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether the text leaves this choice to the program.
    pub fn uses(&self, placeholder: &str) -> bool {
        strip_comments(&self.text).contains(&format!("{{{{{placeholder}}}}}"))
    }

    /// The codec elements that the text leaves to the program.
    pub fn roles(&self, codec: Codec) -> Vec<Role> {
        let mut roles = vec![Role::Decoder(codec), Role::Scaler, Role::Encoder];
        roles.retain(|role| self.uses(role.name()));
        roles
    }

    /// The codecs that the text can record.
    pub fn codecs(&self) -> Vec<Codec> {
        self.fixed_codec().map_or_else(|| Codec::ALL.to_vec(), |codec| vec![codec])
    }

    /// The codec that the text is written for, where it does not leave the choice open.
    pub fn fixed_codec(&self) -> Option<Codec> {
        let text = strip_comments(&self.text);
        if self.uses("depay") || self.uses("source") {
            None
        } else if text.contains("rtph265depay") {
            Some(Codec::H265)
        } else if text.contains("rtph264depay") {
            Some(Codec::H264)
        } else {
            None
        }
    }

    /// The description for `gst_parse_launch`, every placeholder filled.
    pub fn expand(
        &self,
        capture: &CaptureConfig,
        codec: Codec,
        client: Client,
        chain: &Chain,
    ) -> Result<String> {
        let mut description = String::with_capacity(self.text.len() + 256);
        for (index, line) in strip_comments(&self.text).lines().enumerate() {
            self.expand_line(line, index + 1, &mut description, &|name| {
                Some(match name {
                    "width" => capture.width.to_string(),
                    "height" => capture.height.to_string(),
                    "framerate" => capture.framerate.to_string(),
                    "bitrate_kbps" => capture.bitrate_kbps.to_string(),
                    "gop" => gop(capture).to_string(),
                    "source" => client.text(codec),
                    "depay" => codec.depay().into(),
                    "parse" => codec.parse().into(),
                    "decoder" => chain.decoder.clone(),
                    "scaler" => chain.scaler.clone(),
                    "encoder" => chain.encoder.clone(),
                    _ => return None,
                })
            })?;
            description.push('\n');
        }
        Ok(description.trim().to_owned())
    }

    fn expand_line(
        &self,
        line: &str,
        number: usize,
        out: &mut String,
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Result<()> {
        let bad = |what: String| {
            let known = PLACEHOLDERS.map(|name| format!("{{{{{name}}}}}")).join(" ");
            Error::new(Kind::Config, format!("{}:{number}: found {what}; allowed are {known}", self.origin))
        };
        let plain = |text: &str| match text.contains("}}") {
            true => Err(bad("}} without its opening {{".into())),
            false => Ok(()),
        };
        let mut rest = line;
        while let Some(open) = rest.find("{{") {
            plain(&rest[..open])?;
            out.push_str(&rest[..open]);
            let inside = &rest[open + 2..];
            let close =
                inside.find("}}").ok_or_else(|| bad(format!("\"{{{{{inside}\" without its closing }}}}")))?;
            let name = inside[..close].trim();
            out.push_str(&value(name).ok_or_else(|| bad(format!("unknown placeholder {{{{{name}}}}}")))?);
            rest = &inside[close + 2..];
        }
        plain(rest)?;
        out.push_str(rest);
        Ok(())
    }
}

/// `#` begins a comment at the start of a line or after white space, but not inside quotes. Lines keep their
/// numbers.
fn strip_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let (mut quoted, mut after_space) = (false, true);
        let end = line
            .char_indices()
            .find(|(_, c)| {
                let starts = *c == '#' && !quoted && after_space;
                if *c == '"' {
                    quoted = !quoted;
                }
                after_space = c.is_whitespace();
                starts
            })
            .map_or(line.len(), |(index, _)| index);
        out.push_str(line[..end].trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn capture(pipeline: Option<&str>) -> CaptureConfig {
        CaptureConfig {
            mode: Mode::Transcode,
            width: 1280,
            height: 720,
            framerate: 15,
            bitrate_kbps: 2000,
            segment_duration: Duration::from_secs(10),
            pipeline: pipeline.map(Into::into),
        }
    }

    fn chain() -> Chain {
        Chain {
            decoder: "avdec_h264 name=decoder".into(),
            scaler: "videoconvertscale name=scaler".into(),
            encoder: "x264enc name=encoder".into(),
        }
    }

    fn expand(text: &str) -> Result<String> {
        let capture = capture(Some(text));
        Template::load(&capture)?.expand(&capture, Codec::H264, Client::Own, &chain())
    }

    #[test]
    fn built_in_templates_expand_completely_for_both_codecs() {
        for (name, _) in BUILT_IN {
            for (codec, client) in
                Codec::ALL.into_iter().flat_map(|codec| [(codec, Client::Own), (codec, Client::Rtspsrc)])
            {
                let capture = capture(Some(name));
                let template = Template::load(&capture).unwrap();
                let text = template.expand(&capture, codec, client, &chain()).unwrap();
                assert_eq!(text.contains(codec.depay()), client == Client::Rtspsrc, "{text}");
                assert!(text.contains(codec.parse()), "{text}");
                assert!(!text.contains("{{") && !text.contains('#'), "{text}");
                assert!(text.contains("name=src") && text.contains("name=sink"), "{text}");
            }
        }
    }

    #[test]
    fn numbers_and_elements_are_filled_in() {
        let text = expand("a ! {{ decoder }} ! x,w={{width}},f={{framerate}}/1 ! b").unwrap();
        assert_eq!(text, "a ! avdec_h264 name=decoder ! x,w=1280,f=15/1 ! b");
    }

    #[test]
    fn comments_go_but_a_hash_in_a_value_stays() {
        let text = expand("# head\na ! b name=x#1 \"c # d\" # tail ! e\n ! f").unwrap();
        assert_eq!(text, "a ! b name=x#1 \"c # d\"\n ! f");
    }

    #[test]
    fn a_typo_in_a_placeholder_is_named_with_its_line() {
        let error = expand("a !\n b ! {{widht}} ! c").unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let text = error.to_string();
        assert!(text.starts_with("capture.pipeline:2: found unknown placeholder {{widht}}"), "{text}");
        assert!(text.contains("{{width}}"), "{text}");
    }

    #[test]
    fn braces_that_do_not_match_are_refused() {
        assert!(expand("a ! {{width ! b").unwrap_err().to_string().contains("closing"));
        assert!(expand("a ! width}} ! b").unwrap_err().to_string().contains("opening"));
        assert!(expand("a ! width}} ! {{width}} ! b").unwrap_err().to_string().contains("opening"));
    }

    #[test]
    fn a_word_that_is_no_template_is_refused_with_the_names() {
        let error = expand("transcoed").unwrap_err().to_string();
        assert!(error.contains("transcode, passthrough"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = expand("/nonexistent/mine.launch").unwrap_err().to_string();
        assert!(error.contains("/nonexistent/mine.launch"), "{error}");
    }

    #[test]
    fn a_text_written_for_one_codec_says_so() {
        let codec = |text| Template::load(&capture(Some(text))).unwrap().fixed_codec();
        assert_eq!(codec("rtspsrc ! rtph265depay ! x"), Some(Codec::H265));
        assert_eq!(codec("rtspsrc ! rtph264depay ! x"), Some(Codec::H264));
        assert_eq!(codec("rtspsrc ! {{depay}} ! x"), None);
    }
}
