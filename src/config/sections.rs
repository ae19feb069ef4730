//! `[capture]`, `[storage]`, `[s3]`, `[server]` and `[logging]`: their keys, defaults and limits.
//!
//! Used by `load.rs`; `camera.rs` reads `[camera.capture]` through [`capture`] too. Nothing here touches
//! the network, so a checked file may still name a bucket that does not exist; of the disk only certificates are read.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::auth::auth;
use super::objects;
use super::table::{Table, Text};
use super::tls::tls;
use super::{
    AuthConfig, CaptureConfig, LoggingConfig, Mode, S3Config, ServerConfig, StorageConfig, UploadOrder,
};
use crate::segment::Prefix;

const MIB: u64 = 1024 * 1024;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Encoders want even sizes; 7680 is 8K.
const PIXELS: std::ops::RangeInclusive<u32> = 16..=7680;
/// Slower than this no camera could be kept up with.
const MIN_KBPS: u64 = 64;
/// 10 Gbit/s.
const MAX_KBPS: u64 = 10_000_000;
/// Ten years; beyond that a buffer is an archive.
const MAX_BUFFER_MINUTES: u64 = 5_256_000;

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Transcode,
            width: 1280,
            height: 720,
            framerate: 15,
            bitrate_kbps: 2000,
            segment_duration: Duration::from_secs(10),
            pipeline: None,
        }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            local_buffer: Duration::from_secs(30 * 60),
            segments_dir: PathBuf::from("./data/segments"),
            database: PathBuf::from("./data/segments.db"),
            max_size_bytes: None,
            min_free_bytes: 1024 * MIB,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8080,
            playlist_segments: 6,
            thumbnails: true,
            tls: None,
            auth: AuthConfig::default(),
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { enabled: None, public: Vec::new(), session: Duration::from_secs(30 * 86_400) }
    }
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            file: Some(PathBuf::from("./data/logs/pipeline.log")),
            max_size_bytes: 50 * MIB,
            backup_count: 5,
        }
    }
}

/// `[capture]`, or `[camera.capture]` laid over it: missing keys come from `base`.
pub(super) fn capture(table: Table<'_>, base: &CaptureConfig) -> CaptureConfig {
    let (width, height) = resolution(&table).unwrap_or((base.width, base.height));
    let seconds = table.integer("segment_duration", 1..=60, base.segment_duration.as_secs());
    let capture = CaptureConfig {
        mode: mode(&table).unwrap_or(base.mode),
        width,
        height,
        framerate: table.integer("framerate", 1..=60, base.framerate),
        bitrate_kbps: table.integer("bitrate_kbps", 50..=50_000, base.bitrate_kbps),
        segment_duration: Duration::from_secs(seconds),
        pipeline: match table.text("pipeline") {
            // "" in a camera's own section leads back to the mode's template
            Some(text) => non_empty(text).map(|text| text.value),
            None => base.pipeline.clone(),
        },
    };
    table.finish();
    capture
}

fn mode(table: &Table<'_>) -> Option<Mode> {
    let text = table.text("mode")?;
    match text.value.as_str() {
        "transcode" => Some(Mode::Transcode),
        "passthrough" => Some(Mode::Passthrough),
        _ => {
            text.refuse("\"transcode\" or \"passthrough\"", "passthrough keeps the camera's own picture");
            None
        }
    }
}

fn resolution(table: &Table<'_>) -> Option<(u32, u32)> {
    let text = table.text("resolution")?;
    let legal = |side: &str| {
        let digits = side.bytes().all(|byte| byte.is_ascii_digit());
        side.parse().ok().filter(|n| digits && PIXELS.contains(n) && n % 2 == 0)
    };
    let size = text.value.split_once('x').and_then(|(w, h)| Some((legal(w)?, legal(h)?)));
    if size.is_none() {
        let allowed = "\"WIDTHxHEIGHT\" in even numbers from 16 to 7680";
        text.refuse(allowed, "write for example \"1280x720\"");
    }
    size
}

pub(super) fn storage(table: Table<'_>) -> StorageConfig {
    let default = StorageConfig::default();
    let minutes =
        table.integer("local_buffer_minutes", 0..=MAX_BUFFER_MINUTES, default.local_buffer.as_secs() / 60);
    let quota_gib = table.number("max_size_gb", 0.01..=1_000_000.0, 0.0);
    let storage = StorageConfig {
        local_buffer: Duration::from_secs(minutes * 60),
        segments_dir: required_path(&table, "segments_dir").unwrap_or(default.segments_dir),
        database: required_path(&table, "database").unwrap_or(default.database),
        max_size_bytes: (quota_gib > 0.0).then_some((quota_gib * GIB) as u64),
        min_free_bytes: MIB * table.integer("min_free_mb", 0..=100_000_000, default.min_free_bytes / MIB),
    };
    table.finish();
    storage
}

/// The bucket is the one key besides the cameras that has no default.
pub(super) fn s3(table: Table<'_>) -> S3Config {
    let bucket = bucket(&table).unwrap_or_default();
    let endpoint = table.secret("endpoint").and_then(non_empty).and_then(|text| endpoint(&text));
    // AWS's certificate covers one name before its own: a bucket with a dot in it cannot be part of the host
    let path_style = endpoint.is_some() || bucket.contains('.');
    let objects = objects::objects(&table);
    let lifecycle = objects::lifecycle(table.table("lifecycle"), &objects);
    let s3 = S3Config {
        objects,
        lifecycle,
        ca_file: ca_file(&table),
        region: region(&table).unwrap_or_else(|| "us-east-1".into()),
        prefix: prefix(&table),
        path_style: table.boolean("path_style").unwrap_or(path_style),
        profile: table.text("profile").and_then(non_empty).map(|text| text.value),
        concurrency: table.integer("concurrency", 1..=64, 2),
        max_retries: table.integer("max_retries", 1..=1000, 10),
        multipart_threshold_bytes: MIB * table.integer("multipart_threshold_mb", 1..=5000, 64),
        order: order(&table).unwrap_or_default(),
        max_upload_bytes_per_second: max_upload(&table),
        bucket,
        endpoint,
    };
    table.finish();
    s3
}

fn order(table: &Table<'_>) -> Option<UploadOrder> {
    let text = table.text("order")?;
    match text.value.as_str() {
        "oldest-first" => Some(UploadOrder::OldestFirst),
        "newest-first" => Some(UploadOrder::NewestFirst),
        _ => {
            let what_to_do = "newest-first brings what happens now before the backlog";
            text.refuse("\"oldest-first\" or \"newest-first\"", what_to_do);
            None
        }
    }
}

/// In kilobits of 1000 bits, as lines are sold.
fn max_upload(table: &Table<'_>) -> Option<u64> {
    let kbps: u64 = table.integer("max_upload_kbps", 0..=MAX_KBPS, 0);
    if (1..MIN_KBPS).contains(&kbps) {
        let what = format!(
            "found {kbps}, allowed 0 for no limit, or a whole number from {MIN_KBPS} to {MAX_KBPS}; it counts \
             kilobits a second, and a camera alone makes as many as capture.bitrate_kbps says"
        );
        table.problem_at("max_upload_kbps", &what);
    }
    (kbps > 0).then_some(kbps * 1000 / 8)
}

fn bucket(table: &Table<'_>) -> Option<String> {
    if !table.has("bucket") {
        table.problem(
            "bucket",
            "missing; add [s3] with bucket = \"NAME\", the bucket that takes the segments",
        );
    }
    let text = table.text("bucket")?;
    if !is_bucket_name(&text.value) {
        let allowed = "3 to 63 of a-z, 0-9, - and ., with a letter or number at both ends, no two dots together, no IP address";
        text.refuse(allowed, "write the bucket's name alone, without s3:// and without a folder");
        return None;
    }
    Some(text.value)
}

/// AWS's rules, which other stores follow.
fn is_bucket_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(|c| alphanumeric(c) || c == '-' || c == '.')
        && name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
}

fn region(table: &Table<'_>) -> Option<String> {
    let text = table.text("region")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.value.is_empty() || text.value.len() > 63 || !text.value.chars().all(legal) {
        text.refuse("a region such as \"ap-south-1\"", "stores other than AWS mostly take \"us-east-1\"");
        return None;
    }
    Some(text.value)
}

fn prefix(table: &Table<'_>) -> Prefix {
    let given = table.text("prefix").and_then(|text| match Prefix::new(&text.value) {
        Ok(prefix) => Some(prefix),
        Err(error) => {
            if text.is_plain {
                text.problem(&error.to_string());
            } else {
                let allowed = "{camera_name}, {date} and {hour} once each, and a / at the end";
                text.refuse(allowed, &format!("write for example {:?}", Prefix::DEFAULT));
            }
            None
        }
    });
    given.unwrap_or_else(|| {
        Prefix::new(Prefix::DEFAULT).expect("the default prefix is legal: segment.rs tests it")
    })
}

/// `http(s)://host[:port]`; the text is never shown, for people put keys into such addresses.
/// Read at once, so that a wrong one is an error at start.
pub(super) fn ca_file(table: &Table<'_>) -> Option<PathBuf> {
    let text = table.text("ca_file")?;
    let file = PathBuf::from(&text.value);
    if let Err(error) = crate::tls::authority(&file) {
        text.problem(&error.to_string());
    }
    Some(file)
}

fn endpoint(text: &Text<'_>) -> Option<String> {
    let refuse = |found: &str| {
        let what = format!(
            "found {found}, allowed http://HOST[:PORT] or https://HOST[:PORT]; write for example \"http://127.0.0.1:9000\""
        );
        text.problem(&what);
        None
    };
    let Ok(url) = Url::parse(&text.value) else { return refuse("no address") };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("an address without http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("keys in the address (keys belong into the environment or ~/.aws/credentials)");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return refuse("more after the host (the bucket has its own key)");
    }
    Some(url.origin().ascii_serialization())
}

pub(super) fn server(table: Table<'_>) -> ServerConfig {
    let default = ServerConfig::default();
    let port = table.integer("port", 0..=u16::MAX, default.port);
    let server = ServerConfig {
        enabled: table.boolean("enabled").unwrap_or(default.enabled),
        bind: bind(&table).unwrap_or(default.bind),
        port,
        playlist_segments: table.integer("playlist_segments", 3..=1000, default.playlist_segments),
        thumbnails: table.boolean("thumbnails").unwrap_or(default.thumbnails),
        tls: tls(table.table("tls"), port),
        auth: auth(table.table("auth")),
    };
    table.finish();
    server
}

fn bind(table: &Table<'_>) -> Option<IpAddr> {
    let text = table.text("bind")?;
    let address = text.value.parse().ok();
    if address.is_none() {
        let todo =
            "\"0.0.0.0\" serves every network, \"127.0.0.1\" this machine alone; the port has its own key";
        text.refuse("an IP address of this machine", todo);
    }
    address
}

pub(super) fn logging(table: Table<'_>) -> LoggingConfig {
    let default = LoggingConfig::default();
    let logging = LoggingConfig {
        level: level(&table).unwrap_or(default.level),
        file: match table.text("file") {
            Some(text) => non_empty(text).and_then(path),
            None => default.file,
        },
        max_size_bytes: MIB * table.integer("max_size_mb", 1..=10_000, default.max_size_bytes / MIB),
        backup_count: table.integer("backup_count", 0..=1000, default.backup_count),
    };
    table.finish();
    logging
}

/// Stricter than env_logger, which takes `inof` for the name of a module and then logs nothing else.
fn level(table: &Table<'_>) -> Option<String> {
    let text = table.text("level")?;
    let is_level = |word: &str| log::LevelFilter::from_str(word.trim()).is_ok();
    let legal = |part: &str| match part.split_once('=') {
        Some((module, word)) => !module.trim().is_empty() && is_level(word),
        None => is_level(part),
    };
    if !text.value.split(',').all(legal) {
        let allowed = "off, error, warn, info, debug or trace, also for modules";
        text.refuse(allowed, "write for example \"info,cctv_s3_pipeline::upload=debug\"");
        return None;
    }
    Some(text.value)
}

fn required_path(table: &Table<'_>, key: &'static str) -> Option<PathBuf> {
    let text = table.text(key)?;
    if text.value.is_empty() {
        text.refuse("a path", "write one, or leave the key out for its default");
        return None;
    }
    path(text)
}

pub(super) fn path(text: Text<'_>) -> Option<PathBuf> {
    // no shell is there to expand it: a folder called ~ would be made
    if text.value.starts_with('~') {
        text.refuse("a path without ~", "write ${HOME} instead of ~");
        return None;
    }
    Some(PathBuf::from(text.value))
}

fn non_empty(text: Text<'_>) -> Option<Text<'_>> {
    (!text.value.is_empty()).then_some(text)
}
