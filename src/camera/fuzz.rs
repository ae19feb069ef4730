//! Pipeline texts of any kind: filled in or answered with a line, never a panic.

use proptest::prelude::*;

use super::codec::{Chain, Codec};
use super::template::Template;
use crate::config::CaptureConfig;
use crate::fuzz::cases;

fn expand(text: &str) -> crate::error::Result<String> {
    // a text with ! in it is never taken for a file's name
    let capture = CaptureConfig { pipeline: Some(text.into()), ..CaptureConfig::default() };
    let chain = Chain { decoder: "dec".into(), scaler: "sca".into(), encoder: "enc".into() };
    Template::load(&capture)?.expand(&capture, Codec::H264, super::receive::Client::Own, &chain)
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn any_text_is_filled_in_or_answered_with_its_line(
        text in prop_oneof![
            any::<String>(),
            "([a-z]{1,3}|\\{\\{|\\}\\}|width|gop|decoder|#|\"|!| |\n){0,30}",
        ],
    ) {
        let text = format!("{text} !");
        match expand(&text) {
            Ok(filled) => prop_assert!(!filled.contains("{{") && !filled.contains("}}"), "{}", filled),
            Err(error) => {
                let message = error.to_string();
                let line = message.strip_prefix("capture.pipeline:").and_then(|rest| rest.split(':').next());
                let line: usize = line.unwrap_or_default().parse().unwrap();
                prop_assert!((1..=text.lines().count()).contains(&line), "{}", message);
            }
        }
    }

    #[test]
    fn what_holds_no_placeholder_and_no_comment_stays_as_it_is(words in "[a-z0-9=.,:/! \"-]{1,60}") {
        let text = format!("{words}!");
        let filled = expand(&text).unwrap();
        prop_assert_eq!(filled.as_str(), text.trim());
    }
}
