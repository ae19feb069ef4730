//! What each part of recording without recoding takes: the program beside bare graphs that do ever less.

use std::fmt::Write as _;
use std::time::Duration;

use cctv_s3_pipeline::error::{Context, Kind, Result};
use serde::Serialize;

use super::contest::{self, Mode, Recorder};
use super::process;
use super::rival::{self, Rival};
use super::support::Camera;

/// Until the session stands and the first burst is over.
const SETTLE: Duration = Duration::from_secs(5);

/// CPU-seconds per second of one candidate, round by round.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    pub name: String,
    pub cpu: Vec<f64>,
}

pub fn measure(camera: &Camera, seconds: u64, rounds: usize) -> Result<Vec<Share>> {
    let mut names =
        vec!["ours, everything on".to_owned(), "the same graph".to_owned(), "ffmpeg -c copy".to_owned()];
    names.extend(rival::shares().map(|(name, _)| name.to_owned()));
    let mut shares: Vec<Share> = names.into_iter().map(|name| Share { name, cpu: Vec::new() }).collect();
    for _ in 0..rounds {
        let recorders = Recorder::ALL.into_iter().map(|recorder| {
            contest::measure(recorder, Mode::Passthrough, camera, seconds).map(|sample| sample.cpu)
        });
        let graphs = rival::shares().into_iter().map(|(_, text)| graph(&text, camera, seconds));
        for (share, cpu) in shares.iter_mut().zip(recorders.chain(graphs)) {
            share.cpu.push(cpu?);
        }
    }
    Ok(shares)
}

fn graph(text: &str, camera: &Camera, seconds: u64) -> Result<f64> {
    let folder = tempfile::tempdir().context(Kind::Disk, || "make a folder for a graph")?;
    let mut rival = Rival::graph(text, camera, folder.path())?;
    std::thread::sleep(SETTLE);
    let cost = process::watch(rival.id(), seconds)?;
    rival.stop();
    Ok(cost.cores)
}

pub fn table(shares: &[Share]) -> String {
    let mut text = String::from("passthrough, CPU-s per stream-s (median; least to most)\n");
    for Share { name, cpu } in shares {
        let (median, least, most) =
            (super::report::median(cpu), super::report::least(cpu), super::report::most(cpu));
        // writing to a string cannot fail
        let _ = writeln!(text, "  {name:<20} {median:.4} ({least:.4}–{most:.4})");
    }
    text
}
