//! Writes the configuration a test or the demo gives the program: TOML, key by key, never secrets.

use std::path::Path;

use toml::{Table, Value};

use super::{Camera, S3Server};

/// Environment variable that holds the cameras' password.
pub const PASSWORD_VARIABLE: &str = "CAMERA_PASSWORD";

/// A configuration file in the making. Starts as a small, fast setup: short segments, everything in the folder, port 0.
#[derive(Clone, Debug)]
pub struct Settings(Table);

impl Settings {
    pub fn new(s3: &S3Server) -> Self {
        let mut settings = Self(Table::new());
        settings
            .set("capture.resolution", "320x180")
            .set("capture.framerate", 15)
            .set("capture.bitrate_kbps", 300)
            .set("capture.segment_duration", 2)
            .set("storage.segments_dir", "data/segments")
            .set("storage.database", "data/segments.db")
            .set("storage.min_free_mb", 16)
            .set("s3.bucket", s3.options().bucket.as_str())
            .set("s3.region", "us-east-1")
            .set("s3.endpoint", s3.endpoint())
            .set("s3.path_style", true)
            .set("server.bind", "127.0.0.1")
            .set("server.port", 0)
            .set("logging.level", "debug")
            .set("logging.file", "data/logs/pipeline.log");
        settings
    }

    /// Sets one key, such as `capture.mode`; later settings win.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        insert(&mut self.0, key, value.into());
        self
    }

    /// Adds a camera by the simulated one's address and user.
    pub fn camera(&mut self, name: &str, camera: &Camera) -> &mut Self {
        let user = camera.options().login.as_ref().map(|(user, _)| user.as_str());
        self.camera_at(name, &camera.url(), user)
    }

    /// Adds a camera by its address; a user brings the password's variable with it.
    pub fn camera_at(&mut self, name: &str, url: &str, username: Option<&str>) -> &mut Self {
        let mut block = Table::new();
        block.insert("name".into(), name.into());
        block.insert("url".into(), url.into());
        if let Some(username) = username {
            block.insert("username".into(), username.into());
            block.insert("password".into(), format!("${{{PASSWORD_VARIABLE}}}").into());
        }
        match self.0.entry("camera").or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(cameras) => cameras.push(Value::Table(block)),
            other => panic!("camera must be a list of tables, found {other}"),
        }
        self
    }

    /// Sets one key of the camera added last, such as `capture.mode`.
    pub fn for_camera(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let last =
            self.0.get_mut("camera").and_then(Value::as_array_mut).and_then(|cameras| cameras.last_mut());
        let block = last.and_then(Value::as_table_mut).expect("a camera comes before its own keys");
        insert(block, key, value.into());
        self
    }

    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, self.to_string())
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((section, rest)) => match table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => insert(inner, rest, value),
            other => panic!("{section} must be a table, found {other}"),
        },
    }
}
