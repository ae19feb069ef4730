//! The checked configuration: what every part is given. Reading and checking is in the submodules.
//!
//! Each part gets its own section, never the whole.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::Area;
use crate::segment::{CameraName, Prefix};
use crate::tls::{Files, Fingerprint};

mod alert;
mod auth;
mod camera;
mod expand;
mod load;
mod objects;
mod obsolete;
mod reader;
mod secret;
mod sections;
mod table;
#[cfg(test)]
mod tests;
mod tls;

pub use alert::{AlertConfig, AlertKind, AlertTarget, MqttConfig};
pub use load::{SYSTEM_CONFIG, again, dotenv, env_path, environment};
pub use objects::{CLASSES, Encryption, LifecycleConfig, Lock, ObjectConfig};
pub use secret::Secret;

/// The sample file, which documents every key.
pub const EXAMPLE: &str = include_str!("../../config.toml.example");

/// The whole file, checked. Relative paths are relative to the working directory, as the user typed them.
#[derive(Clone, Debug)]
pub struct Config {
    /// In the order of the file; names are unique. Empty where all are switched off.
    pub cameras: Vec<CameraConfig>,
    pub storage: StorageConfig,
    pub s3: S3Config,
    pub server: ServerConfig,
    /// Whom to tell when something is wrong, in the order of the file; names are unique.
    pub alerts: Vec<AlertConfig>,
    pub logging: LoggingConfig,
    /// What the file has of an older version, one line each: it is read all the same, and the person is told.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    pub name: CameraName,
    /// `rtsp://host:port/path` or `rtsps://…`, never with credentials in it.
    pub url: String,
    pub username: String,
    pub password: Secret,
    /// Whom an `rtsps://` camera must prove to be.
    pub trust: Trust,
    /// `[capture]` with this camera's `[camera.capture]` laid over it.
    pub capture: CaptureConfig,
}

/// What a camera's certificate is held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The roots that this machine knows.
    #[default]
    System,
    /// Exactly this certificate, whatever name and date stand in it.
    Fingerprint(Fingerprint),
    /// The roots in this file, in PEM.
    Authority(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Transcode,
    Passthrough,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Transcode => "transcode",
            Mode::Passthrough => "passthrough",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct CaptureConfig {
    pub mode: Mode,
    pub width: u32,
    pub height: u32,
    pub framerate: u32,
    pub bitrate_kbps: u32,
    pub segment_duration: Duration,
    /// `capture.pipeline`: the name of a built-in template, a file's path, or the text itself; `None` for the
    /// mode's own template.
    pub pipeline: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StorageConfig {
    /// How long an uploaded file stays on disk.
    pub local_buffer: Duration,
    pub segments_dir: PathBuf,
    pub database: PathBuf,
    /// Quota for segment files; `None` for no quota.
    pub max_size_bytes: Option<u64>,
    /// Free space on the disk of `segments_dir` that must remain.
    pub min_free_bytes: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct S3Config {
    pub bucket: String,
    pub region: String,
    pub prefix: Prefix,
    /// `http(s)://host[:port]` of an S3-compatible store; `None` for AWS.
    pub endpoint: Option<String>,
    pub path_style: bool,
    /// Profile in `~/.aws/credentials`.
    pub profile: Option<String>,
    /// Uploads at once.
    pub concurrency: usize,
    /// Answers that blame the object before it is `failed`.
    pub max_retries: u32,
    /// Larger objects go by multipart upload.
    pub multipart_threshold_bytes: u64,
    /// Which of the waiting segments is uploaded next.
    pub order: UploadOrder,
    /// What all uploads together may send, in bodies of requests; `None` for as fast as it goes.
    pub max_upload_bytes_per_second: Option<u64>,
    /// What each object is stored with.
    pub objects: ObjectConfig,
    /// What the bucket is to do with old footage, once `lifecycle apply` told it.
    pub lifecycle: LifecycleConfig,
    /// Beside this machine's roots.
    pub ca_file: Option<PathBuf>,
}

/// Which of the waiting segments is uploaded next, over all cameras.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadOrder {
    #[default]
    OldestFirst,
    /// What happens now is in S3 soon, also while a backlog is worked off.
    NewestFirst,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    pub enabled: bool,
    pub bind: IpAddr,
    /// 0 lets the system choose.
    pub port: u16,
    /// Segments in `live.m3u8` where it is made of rows, because another process records.
    pub playlist_segments: usize,
    /// A small picture of each segment, beside the segments.
    pub thumbnails: bool,
    /// `None`: plain HTTP.
    pub tls: Option<TlsConfig>,
    pub auth: AuthConfig,
}

/// `[server.auth]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// `None`: wherever the server listens beyond this machine.
    pub enabled: Option<bool>,
    /// What needs no login.
    pub public: Vec<Area>,
    /// How long a browser stays logged in that asks for nothing.
    pub session: Duration,
}

/// `[server.tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Read when the server starts and whenever they change.
    pub files: Files,
    /// Plain HTTP here is answered with the way to TLS.
    pub redirect_port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LoggingConfig {
    /// A level or an env_logger filter such as `info,cctv_s3_pipeline::upload=debug`.
    pub level: String,
    /// `None` for standard error only.
    pub file: Option<PathBuf>,
    pub max_size_bytes: u64,
    /// Rotated files kept beside the open one.
    pub backup_count: usize,
}
