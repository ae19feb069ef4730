//! The neighbours of the program under attack: simulated cameras, the S3 server, and the folder it works in; and what all
//! of them know at the end.

use std::collections::BTreeMap;
use std::path::Path;

use cctv_s3_pipeline::error::{Context, Kind, Result};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::driver::Played;
use super::ledger::{Facts, Gap, Run, Segment, Span};
use super::plan::CameraFault;
use crate::support::program::files_under;
use crate::support::{Camera, CameraOptions, S3Options, S3Server, Settings, Workspace};

pub struct World {
    pub names: Vec<String>,
    cameras: Vec<Camera>,
    pub store: S3Server,
    bucket: tempfile::TempDir,
}

impl World {
    pub fn start(cameras: usize) -> Result<Self> {
        let bucket = tempfile::tempdir().context(Kind::Disk, || "make a folder for the bucket")?;
        let store = S3Server::start(bucket.path(), S3Options::default())?;
        let names = (1..=cameras).map(|number| format!("cam-{number}")).collect();
        let cameras = (0..cameras).map(|_| Camera::start(CameraOptions::default())).collect::<Result<_>>()?;
        Ok(Self { names, cameras, store, bucket })
    }

    /// Short segments as the cameras send them, and a buffer short enough that files are deleted during the soak.
    pub fn workspace(&self) -> Workspace {
        let mut settings = Settings::new(&self.store);
        settings.set("storage.local_buffer_minutes", 1);
        for (name, camera) in self.names.iter().zip(&self.cameras) {
            settings.camera(name, camera).for_camera("capture.mode", "passthrough");
        }
        Workspace::new(&settings, &self.store)
    }

    /// The bucket stays on disk when this is dropped.
    pub fn keep(&mut self) {
        self.bucket.disable_cleanup(true);
    }

    pub fn strike(&mut self, camera: usize, fault: CameraFault) {
        let camera = &mut self.cameras[camera];
        match fault {
            CameraFault::Dead => camera.stop(),
            CameraFault::Frozen => camera.freeze(),
            CameraFault::Mute => {
                camera.freeze();
                camera.kick();
            }
            CameraFault::Kicked => camera.kick(),
        }
    }

    /// Fails while another process has the camera's port.
    pub fn mend(&mut self, camera: usize) -> Result<()> {
        self.cameras[camera].thaw();
        self.cameras[camera].start_again()
    }
}

/// Everything that rows, files and objects say.
pub fn facts(world: &World, workspace: &Workspace, played: &Played, span: Span) -> Facts {
    let objects = world.store.keys();
    let objects = objects.into_iter().map(|key| {
        let bytes = world.store.object(&key).unwrap_or_default();
        (key, sha256(&bytes))
    });
    let commits = world.store.all_commits().into_iter().map(|(key, commits)| (key, commits.len()));
    Facts {
        segments: workspace.rows(SEGMENTS).iter().map(segment).collect(),
        runs: workspace.rows("SELECT * FROM runs ORDER BY id").iter().map(run).collect(),
        gaps: workspace.rows("SELECT * FROM gaps ORDER BY id").iter().map(gap).collect(),
        excuses: played.excuses.clone(),
        kills_ms: played.tally.kills_ms.clone(),
        commits: commits.collect(),
        objects: objects.collect(),
        files: files(&workspace.path().join("data/segments")),
        span: Some(span),
    }
}

const SEGMENTS: &str = "SELECT camera, run, start_ms, duration_us, time_source, key, file_epoch, sha256, state \
                        FROM segments ORDER BY camera, sequence";

fn segment(row: &Map<String, Value>) -> Segment {
    let start_ms = number(row, "start_ms");
    Segment {
        camera: text(row, "camera"),
        run: number(row, "run"),
        span: Span::new(start_ms, start_ms + number(row, "duration_us") / 1000),
        by_name: text(row, "time_source") == "name",
        key: text(row, "key"),
        file: format!("segment_{}.ts", number(row, "file_epoch")),
        sha256: text(row, "sha256"),
        state: text(row, "state"),
    }
}

fn run(row: &Map<String, Value>) -> Run {
    Run {
        id: number(row, "id"),
        camera: text(row, "camera"),
        ended_ms: row["ended_at"].as_i64(),
        reason: text(row, "reason"),
    }
}

fn gap(row: &Map<String, Value>) -> Gap {
    let span = Span::new(number(row, "start_ms"), number(row, "end_ms"));
    Gap { camera: text(row, "camera"), span, cause: text(row, "cause") }
}

fn number(row: &Map<String, Value>, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_default()
}

fn text(row: &Map<String, Value>, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

/// Segment files as `camera/name`. What recovery moved aside does not end in `.ts`.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let files =
        files_under(folder).into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "ts"));
    files
        .filter_map(|file| {
            let name = file.strip_prefix(folder).ok()?.to_str()?.to_owned();
            Some((name, sha256(&std::fs::read(&file).ok()?)))
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
