//! Many cameras in one process, as they are: what they cost together, and whether every frame of every one is in S3.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cctv_s3_pipeline::error::Result;
use serde::Serialize;

use super::bucket;
use super::process::{self, Cost};
use super::support::{Camera, Program, S3Options, S3Server, Settings, Workspace, eventually};

const START: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(120);
/// One packet of a transport stream.
const PACKET: usize = 188;

#[derive(Clone, Debug, Serialize)]
pub struct Fleet {
    pub cameras: usize,
    pub cores: f64,
    pub peak_rss_mib: f64,
    pub rss_mib: f64,
    pub threads: u64,
    pub others_cores: f64,
    /// Of all cameras: in S3, and as many as their segments' time holds.
    pub frames_in_s3: u64,
    pub frames_recorded: u64,
}

pub fn measure(camera: &Camera, cameras: usize, seconds: u64) -> Result<Fleet> {
    let bucket = bucket::folder()?;
    let s3 = S3Server::start(bucket.path(), S3Options::default())?;
    let mut settings = Settings::new(&s3);
    settings
        .set("capture.mode", "passthrough")
        .set("capture.segment_duration", 10)
        .set("logging.level", "info");
    for number in 1..=cameras {
        settings.camera(&format!("cam-{number:02}"), camera);
    }
    let workspace = Workspace::new(&settings, &s3);
    let mut program = Program::start(&workspace);
    let uploaded = "SELECT DISTINCT camera FROM segments WHERE state = 'uploaded'";
    eventually(START, "a segment of every camera", || workspace.rows(uploaded).len() == cameras);
    let cost = process::watch(program.id(), seconds)?;
    program.sigterm();
    program.wait_exit(END);
    // what the stop left in the queue
    let mut rest = Program::start_with(&workspace, &["upload"]);
    let waiting = "SELECT id FROM segments WHERE state <> 'uploaded'";
    eventually(END, "the last uploads", || workspace.rows(waiting).is_empty());
    rest.sigterm();
    rest.wait_exit(END);
    Ok(fleet(cameras, cost, &workspace, &s3, camera.options().fps))
}

fn fleet(cameras: usize, cost: Cost, workspace: &Workspace, s3: &S3Server, fps: u32) -> Fleet {
    let frames: BTreeMap<String, u64> = s3
        .keys()
        .into_iter()
        .filter(|key| key.ends_with(".ts"))
        .filter_map(|key| s3.object(&key).map(|bytes| (key, frames_in(&bytes))))
        .collect();
    let sum = "SELECT sum(duration_us) AS us FROM segments";
    let us = workspace.rows(sum).first().and_then(|row| row["us"].as_u64()).unwrap_or_default();
    Fleet {
        cameras,
        cores: cost.cores,
        peak_rss_mib: cost.peak_rss_mib,
        rss_mib: cost.rss_mib,
        threads: cost.threads,
        others_cores: cost.others_cores,
        frames_in_s3: frames.values().sum(),
        frames_recorded: (us as f64 * f64::from(fps) / 1e6).round() as u64,
    }
}

/// Packets that begin a PES packet (ISO 13818-1, 2.4.3.6): one for each frame.
fn frames_in(stream: &[u8]) -> u64 {
    let begins_frame = |packet: &&[u8]| {
        let payload = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
        packet[1] & 0x40 != 0 && packet.get(payload..).is_some_and(|rest| rest.starts_with(&[0, 0, 1]))
    };
    stream.chunks_exact(PACKET).filter(begins_frame).count() as u64
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cameras: {:.3} cores, {:.0} MiB (peak {:.0}), {} threads; others took {:.2} cores; frames in S3 {} of {}",
            self.cameras,
            self.cores,
            self.rss_mib,
            self.peak_rss_mib,
            self.threads,
            self.others_cores,
            self.frames_in_s3,
            self.frames_recorded
        )
    }
}
