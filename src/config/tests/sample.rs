//! `config.toml.example` and `.env.example` are the manual: held against the parser here.

use std::collections::BTreeSet;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{BUCKET, CAMERA, env, good};
use crate::config::reader::Reader;
use crate::config::{Config, EXAMPLE, S3Config, load};

#[test]
fn the_sample_file_parses_as_it_lies_and_shows_the_defaults() {
    let sample = good(EXAMPLE);
    let minimal = good(&format!("{CAMERA}{BUCKET}"));
    assert_eq!(sample.storage, minimal.storage);
    assert_eq!(sample.server, minimal.server);
    assert_eq!(sample.logging, minimal.logging);
    assert_eq!(sample.s3, S3Config { bucket: sample.s3.bucket.clone(), ..minimal.s3 });
    let (camera, default) = (&sample.cameras[0], &minimal.cameras[0]);
    assert_eq!(camera.capture, default.capture);
    // the sample's port and path are the defaults too: only the host differs
    assert_eq!(camera.url.replace("192.168.1.100", "10.0.0.1"), default.url);
}

/// Commented keys (`# endpoint = …`) and headers (`# [camera.capture]`) count as documented.
fn uncommented() -> String {
    let is_key = |text: &str| {
        text.starts_with('[')
            || text
                .split_once(" = ")
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let line = |line: &'static str| match line.strip_prefix("# ") {
        Some(text) if is_key(text) => text,
        _ => line,
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn keys_of(table: &DeTable<'_>, section: &str, keys: &mut BTreeSet<(String, String)>) {
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        keys.insert((section.to_owned(), key.to_owned()));
        let below = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        match value.get_ref() {
            DeValue::Table(table) => keys_of(table, &below, keys),
            DeValue::Array(items) => {
                let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                tables.for_each(|table| keys_of(table, &below, keys));
            }
            _ => {}
        }
    }
}

#[test]
fn every_key_the_parser_knows_is_in_the_sample_file() {
    let text = uncommented();
    let document = DeTable::parse(&text).unwrap();
    let mut documented = BTreeSet::new();
    keys_of(document.get_ref(), "", &mut documented);
    let reader = Reader::new("config.toml", ".env".into(), &text, &env);
    load::read(&reader, document.get_ref());
    let known = reader.known();
    assert!(known.len() > 40, "the parser asked for {} keys only", known.len());
    for (section, key) in known {
        // [camera.capture] takes what [capture] documents
        let section = section.strip_prefix("camera.capture").map_or(section.as_str(), |_| "capture");
        assert!(
            documented.contains(&(section.to_owned(), key.to_owned())),
            "[{section}] {key} is not documented"
        );
    }
    // and nothing that it does not know: `url` beside `ip` is the one conflict of the uncommented text
    let message = Config::parse(&text, Path::new("config.toml"), &env).unwrap_err().to_string();
    assert!(!message.contains("unknown key"), "{message}");
}

#[test]
fn the_env_sample_sets_what_the_sample_file_needs() {
    let sample = include_str!("../../../.env.example");
    let vars: Vec<_> = dotenvy::from_read_iter(sample.as_bytes()).map(|item| item.unwrap()).collect();
    let env = |name: &str| vars.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let config = Config::parse(EXAMPLE, Path::new("config.toml"), &env).unwrap();
    assert_eq!(config.cameras[0].password.reveal(), "change-me");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        assert!(sample.contains(&format!("# {name}=")), "{name}");
    }
}
