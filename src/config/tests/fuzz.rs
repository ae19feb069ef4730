//! Files, values and addresses that nobody would write: an answer for each, no panic, and no secret in it.

use proptest::prelude::*;
use url::Url;

use super::{BUCKET, CAMERA, SECRET, env};
use crate::config::{Config, EXAMPLE};
use crate::error::Kind;
use crate::fuzz::cases;
use std::path::Path;

fn parse(text: &str) -> crate::error::Result<Config> {
    Config::parse(text, Path::new("config.toml"), &env)
}

/// Every line of an answer says where and what; `None` if the file is good.
fn answer(text: &str) -> Option<String> {
    let error = parse(text).err()?;
    assert_eq!(error.kind(), Kind::Config);
    let message = error.to_string();
    assert!(message.lines().all(|line| line.starts_with("config.toml:")), "{message}");
    Some(message)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        ".{0,40}".prop_map(|text| toml::Value::String(text).to_string()),
        "[a-z0-9./:${}A-Z_@-]{0,30}".prop_map(|text| toml::Value::String(text).to_string()),
        "\\[[0-9, \"a-z]{0,12}\\]",
        "\\{[a-z=0-9 ]{0,12}\\}",
        ".{0,20}",
    ]
}

fn keys() -> Vec<(&'static str, &'static str)> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in EXAMPLE.lines() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') {
            section = line;
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.push((section, key));
        }
    }
    keys
}

/// An address as people mistype it, with a password in it.
fn address() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![Just("rtsp://"), Just("rtsp:/"), Just("rtsps://"), Just("http://"), Just("")];
    let login = prop_oneof![
        Just(String::new()),
        Just(format!("admin:{SECRET}@")),
        "[a-z:@/?#%0-9]{0,6}".prop_map(|junk| format!("admin:{SECRET}{junk}@")),
    ];
    let host = prop_oneof![
        Just("10.0.0.1".to_owned()),
        Just("[fe80::1]".to_owned()),
        "[a-zA-Z0-9.-]{0,12}",
        ".{0,8}",
    ];
    let rest = prop_oneof!["(:[0-9]{0,6})?(/[a-z0-9?&=%#@]{0,12})?", ".{0,12}"];
    (scheme, login, host, rest).prop_map(|(scheme, login, host, rest)| format!("{scheme}{login}{host}{rest}"))
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn any_text_is_answered(text in prop_oneof![any::<String>(), "[\\[\\]a-z0-9.=\"'#\n \\\\{}$]{0,80}"]) {
        prop_assert!(answer(&text).is_some(), "no camera, no bucket: never good");
    }

    #[test]
    fn any_value_of_any_key_is_taken_or_answered(
        (section, key) in proptest::sample::select(keys()),
        value in value(),
    ) {
        let text = match section {
            "[[camera]]" => format!("[[camera]]\nname = \"gate\"\n{key} = {value}\n{BUCKET}"),
            "[s3]" => format!("{CAMERA}{BUCKET}{key} = {value}\n"),
            _ => format!("{CAMERA}{BUCKET}{section}\n{key} = {value}\n"),
        };
        if let Some(message) = answer(&text) {
            prop_assert!(!message.contains(SECRET), "{}", message);
        }
    }

    #[test]
    fn an_address_is_refused_without_its_password_or_taken_apart(text in address()) {
        let url = toml::Value::String(text.clone()).to_string();
        match parse(&format!("[[camera]]\nname = \"gate\"\nurl = {url}\n{BUCKET}")) {
            Err(error) => prop_assert!(!error.to_string().contains(SECRET), "{}: {}", text, error),
            Ok(config) => {
                let camera = &config.cameras[0];
                prop_assert!(!camera.url.contains(SECRET) && !camera.url.contains('@'), "{}", camera.url);
                let read = Url::parse(&camera.url).unwrap();
                prop_assert!(matches!(read.scheme(), "rtsp" | "rtsps"), "{}", camera.url);
                prop_assert!(read.port().is_some_and(|port| port != 0), "{}", camera.url);
                // what was read once reads the same again
                let again = parse(&format!("[[camera]]\nname = \"gate\"\nurl = {:?}\n{BUCKET}", camera.url));
                prop_assert_eq!(&again.unwrap().cameras[0].url, &camera.url);
            }
        }
    }
}

proptest! {
    // the sample is long: each of these takes as long as fifty of the others
    #![proptest_config(cases(400))]

    #[test]
    fn the_sample_file_with_a_few_bytes_changed_is_taken_or_answered(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3usize, "[ -~\n]{0,3}"), 1..4),
    ) {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (place, removed, inserted) in changes {
            let at = place.index(text.len());
            let end = text.len().min(at + removed);
            text.splice(at..end, inserted.chars());
        }
        answer(&text.into_iter().collect::<String>());
    }
}
