//! What most tests need: a store, an empty folder, and questions about rows and objects.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::program::Program;
use crate::support::{Camera, CameraOptions, S3Options, S3Server, Workspace, eventually};

/// Long enough for a loaded machine; a passing test never waits this long.
pub const LIMIT: Duration = Duration::from_secs(40);

/// A real S3 server with its folder.
pub struct Bucket {
    pub server: S3Server,
    _folder: tempfile::TempDir,
}

impl Bucket {
    pub fn new() -> Self {
        Self::with(S3Options::default())
    }

    pub fn with(options: S3Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = S3Server::start(folder.path(), options).unwrap();
        Self { server, _folder: folder }
    }

    /// Segment objects, without manifests.
    pub fn segments(&self) -> Vec<String> {
        let mut keys = self.server.keys();
        keys.retain(|key| key.ends_with(".ts"));
        keys
    }

    /// Every segment object that was stored, with how often.
    pub fn commits(&self) -> BTreeMap<String, usize> {
        let all = self.server.all_commits().into_iter();
        all.filter(|(key, _)| key.ends_with(".ts")).map(|(key, commits)| (key, commits.len())).collect()
    }
}

pub fn camera() -> Camera {
    Camera::start(CameraOptions::default()).unwrap()
}

/// One row of `segments`, as far as tests ask for it.
#[derive(Clone, Debug)]
pub struct Row {
    pub camera: String,
    pub run: i64,
    pub sequence: i64,
    pub discontinuity: i64,
    pub start_ms: i64,
    pub duration_s: f64,
    pub bytes: i64,
    pub file_epoch: i64,
    pub key: String,
    pub state: String,
}

pub fn rows(workspace: &Workspace) -> Vec<Row> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    workspace
        .rows("SELECT * FROM segments ORDER BY camera, sequence")
        .iter()
        .map(|row| Row {
            camera: text(&row["camera"]),
            run: row["run"].as_i64().unwrap(),
            sequence: row["sequence"].as_i64().unwrap(),
            discontinuity: row["discontinuity"].as_i64().unwrap(),
            start_ms: row["start_ms"].as_i64().unwrap(),
            duration_s: row["duration_us"].as_i64().unwrap() as f64 / 1e6,
            bytes: row["bytes"].as_i64().unwrap(),
            file_epoch: row["file_epoch"].as_i64().unwrap(),
            key: text(&row["key"]),
            state: text(&row["state"]),
        })
        .collect()
}

/// Waits until `count` segments of `camera` are uploaded, and returns its rows.
pub fn uploaded(workspace: &Workspace, camera: &str, count: usize) -> Vec<Row> {
    eventually(LIMIT, &format!("{count} uploaded segments of {camera}"), || {
        let rows: Vec<Row> = rows(workspace).into_iter().filter(|row| row.camera == camera).collect();
        let done = rows.iter().filter(|row| row.state == "uploaded").count();
        if done >= count { Ok(rows) } else { Err(format!("{done} of {} rows uploaded", rows.len())) }
    })
}

/// Waits until `/health` shows this camera in this state, and returns its entry.
pub fn camera_state(program: &Program<'_>, camera: &str, state: &str) -> Value {
    eventually(LIMIT, &format!("camera {camera} to be {state}"), || {
        let health = program.health();
        let cameras = health["cameras"].as_array().cloned().unwrap_or_default();
        let found = cameras.into_iter().find(|one| one["name"] == camera);
        match found {
            Some(one) if one["state"] == state => Ok(one),
            other => Err(format!("{other:?}")),
        }
    })
}

/// The promises that hold after every test that stopped the program: rows, files and objects agree.
pub fn assert_nothing_lost_or_doubled(workspace: &Workspace, bucket: &Bucket) {
    let checked = workspace.run(&["check", "store"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "check store: {said}");
    let commits = bucket.server.all_commits();
    for (key, commits) in commits.iter().filter(|(key, _)| key.ends_with(".ts")) {
        assert_eq!(commits.len(), 1, "{key} was stored {} times", commits.len());
    }
    for row in workspace.rows("SELECT key, state, sha256 FROM segments") {
        let (key, sha256) = (row["key"].as_str().unwrap(), row["sha256"].as_str());
        let stored = commits.get(key).map(|commits| commits[0].sha256.as_str());
        assert!(stored.is_some() || row["state"] != "uploaded", "{key} was never stored");
        assert!(stored.is_none() || stored == sha256, "{key} holds other bytes than its row says");
    }
    for row in rows(workspace) {
        if row.state == "uploaded" {
            let path =
                workspace.path().join(format!("data/segments/{}/segment_{}.ts", row.camera, row.file_epoch));
            let object = bucket.server.object(&row.key);
            assert_eq!(object.as_deref(), std::fs::read(path).ok().as_deref(), "{} differs", row.key);
        }
    }
}
