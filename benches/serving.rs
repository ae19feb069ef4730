//! What viewers cost: `cargo bench --bench serving -- [--seconds N] [--rounds N] [--only PART]`.
//!
//! The real program records a simulated camera. `nginx` (Debian's nginx-light, sendfile, one worker) serves the same
//! bytes from files, and `wrk` asks both in turn; compared are requests per CPU-second of the server, less what
//! recording takes. Then 500 players wait for each part of one camera, and last, the program's CPU without a viewer, with
//! one direct viewer and with one player. Prints a table, writes JSON below `target/`, judges nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is for the person at the terminal")]
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on must fail")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use support::{Camera, CameraOptions, Clip, Program, S3Options, S3Server, Settings, Workspace, eventually};

mod crowd;
mod machine;
mod peer;
mod process;
#[path = "../tests/support/mod.rs"]
mod support;

const LIMIT: Duration = Duration::from_secs(60);
/// The program closes its live part a minute after the last viewer.
const CLOSED: Duration = Duration::from_secs(63);

/// Measures what viewers cost.
#[derive(Parser)]
struct Options {
    /// How long each window lasts; windows of the cost of one viewer last six times as long.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often both servers take their turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Players at once.
    #[arg(long, default_value_t = 500)]
    viewers: usize,
    /// One part instead of all.
    #[arg(long)]
    only: Option<Part>,
    /// Cargo says so when it runs benchmarks, and not when it runs every target as a test.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Peer,
    Crowd,
    Cost,
}

struct Bench {
    options: Options,
    rows: Vec<Value>,
}

impl Bench {
    fn add(&mut self, what: &str, goal: &str, figures: &str, more: Value) {
        println!("{what:<46} {goal:<16} {figures}");
        self.rows.push(json!({ "what": what, "goal": goal, "figures": figures, "more": more }));
    }
}

fn main() {
    let options = Options::parse();
    if !options.bench {
        println!("nothing measured: run `cargo bench --bench serving`");
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let facts = machine::facts().unwrap();
    println!("{facts:#}\n");
    let only = options.only;
    let mut bench = Bench { options, rows: Vec::new() };
    for (part, measure) in
        [(Part::Peer, peer_turns as fn(&mut Bench)), (Part::Crowd, crowd_released), (Part::Cost, cost)]
    {
        if only.is_none_or(|only| only == part) {
            measure(&mut bench);
        }
    }
    let report = json!({ "machine": facts, "rows": bench.rows });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/serving-bench.json");
    std::fs::write(&path, format!("{report:#}\n")).unwrap();
    println!("\nwritten to {}", path.display());
}

/// The program, recording one camera whose picture was encoded before.
fn recorded(mode: &str, options: CameraOptions, measure: impl FnOnce(&Program<'_>, &Workspace)) {
    let clip = Clip::encode(&options, 10).unwrap();
    let camera = Camera::start(CameraOptions { clip: Some(clip), ..options }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3Server::start(folder.path(), S3Options::default()).unwrap();
    let mut settings = Settings::new(&s3);
    settings
        .set("capture.mode", mode)
        .set("capture.resolution", "1280x720")
        .set("capture.segment_duration", 10)
        .set("logging.level", "info")
        .camera("gate", &camera);
    let workspace = Workspace::new(&settings, &s3);
    let program = Program::start(&workspace);
    eventually(LIMIT, "the first uploaded segment", || {
        !workspace.rows("SELECT id FROM segments WHERE state = 'uploaded'").is_empty()
    });
    measure(&program, &workspace);
}

fn small() -> CameraOptions {
    CameraOptions { width: 1280, height: 720, gop: 15, bitrate_kbps: 2000, ..CameraOptions::default() }
}

fn median(mut values: Vec<f64>) -> f64 {
    at(&mut values, 0.5)
}

fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = ((values.len() as f64 - 1.0) * share).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// The largest part of the newest whole segment, by its path.
fn newest_part(address: SocketAddr) -> String {
    let list = String::from_utf8(peer::fetch(address, "/live.m3u8", false)).unwrap();
    let uris = list.lines().filter(|line| line.starts_with("#EXT-X-PART:"));
    let paths: Vec<String> =
        uris.filter_map(|line| Some(line.split("URI=\"").nth(1)?.split('"').next()?.to_owned())).collect();
    let newest = paths.iter().rev().take(8);
    newest.max_by_key(|path| peer::fetch(address, path, false).len()).unwrap().clone()
}

/// Both servers, in turn, for the same bytes.
fn peer_turns(bench: &mut Bench) {
    recorded("passthrough", small(), |program, workspace| {
        let address = program.http_address();
        let folder = tempfile::tempdir().unwrap();
        let nginx = peer::Nginx::start(folder.path());
        let segment = workspace.rows("SELECT key FROM segments ORDER BY id LIMIT 1");
        let file = segment[0]["key"].as_str().unwrap().rsplit('/').next().unwrap();
        let segment = format!("/cameras/gate/segments/{file}");
        // live stays open, and what recording with it takes is known
        let viewer = crowd::keep(address, "gate", crowd::Kind::Direct);
        let idle = process::watch(program.id(), bench.options.seconds * 2).unwrap().cores;
        for (what, compressed, goal) in [
            ("live part", false, "≥ 1"),
            ("live playlist", false, "≥ 1"),
            ("live playlist, gzip", true, "≥ 1"),
            ("2.5 MB segment", false, "≥ 0.5"),
        ] {
            let (mut ratios, mut ours, mut theirs, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
            for _ in 0..bench.options.rounds {
                let path = match what {
                    "live part" => newest_part(address),
                    "2.5 MB segment" => segment.clone(),
                    _ => "/live.m3u8".to_owned(),
                };
                let same = peer::fetch(address, &path, false);
                bytes = same.len();
                let name = if what.contains("playlist") { "list.m3u8" } else { "media.m4s" };
                std::fs::write(folder.path().join(name), &same).unwrap();
                if compressed {
                    let same = peer::fetch(address, &path, true);
                    bytes = same.len();
                    std::fs::write(folder.path().join(format!("{name}.gz")), same).unwrap();
                }
                let seconds = bench.options.seconds;
                let (before, begin) = (process::cpu_seconds(program.id()).unwrap(), Instant::now());
                let requests = peer::wrk(&program.url(&path), compressed, seconds);
                let recording = idle * begin.elapsed().as_secs_f64();
                let our = requests / (process::cpu_seconds(program.id()).unwrap() - before - recording);
                let before = nginx.cpu_seconds();
                let requests = peer::wrk(&nginx.url(name), compressed, seconds);
                let their = requests / (nginx.cpu_seconds() - before);
                ratios.push(our / their);
                ours.push(our);
                theirs.push(their);
            }
            let (ours, theirs) = (median(ours), median(theirs));
            let figures = format!(
                "{:.2} × nginx ({ours:.0} against {theirs:.0} a CPU-second, {bytes} bytes)",
                median(ratios.clone())
            );
            bench.add(what, goal, &figures, json!({ "ratios": ratios, "recording_cores": idle }));
        }
        drop(viewer);
    });
}

/// Players who wait for each part, and how long they wait beyond it.
fn crowd_released(bench: &mut Bench) {
    recorded("passthrough", small(), |program, _| {
        let address = program.http_address();
        let before = process::rss_mib(program.id()).unwrap();
        crowd::watch(address, "gate", 1, Duration::from_secs(5));
        let one = process::rss_mib(program.id()).unwrap();
        for viewers in [1, bench.options.viewers] {
            let cpu = process::cpu_seconds(program.id()).unwrap();
            let time = Duration::from_secs(bench.options.seconds * 6);
            let seen = crowd::watch(address, "gate", viewers, time);
            let cores = (process::cpu_seconds(program.id()).unwrap() - cpu) / time.as_secs_f64();
            let mut delays = seen.delays(viewers);
            let [half, most, all] = [0.5, 0.99, 1.0].map(|share| at(&mut delays, share) * 1000.0);
            let memory = process::rss_mib(program.id()).unwrap();
            let figures = format!(
                "median {half:.1} ms, p99 {most:.1} ms, last {all:.1} ms of {} answers; {cores:.2} cores, {memory:.0} MiB \
                 (without viewers {before:.0}, with one {one:.0})",
                delays.len()
            );
            bench.add(&format!("{viewers} players, part to answer"), "last ≤ 50 ms", &figures, json!({}));
        }
    });
}

/// What the program takes without a viewer, with one, and for the question whether there is one.
fn cost(bench: &mut Bench) {
    let camera =
        CameraOptions { width: 2560, height: 1440, gop: 30, bitrate_kbps: 4000, ..CameraOptions::default() };
    for mode in ["transcode", "passthrough"] {
        recorded(mode, camera.clone(), |program, _| {
            let address = program.http_address();
            let seconds = bench.options.seconds * 6;
            let watch = || process::watch(program.id(), seconds).unwrap().cores;
            let (mut alone, mut direct, mut player) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..bench.options.rounds.div_ceil(2) {
                alone.push(watch());
                let viewer = crowd::keep(address, "gate", crowd::Kind::Direct);
                direct.push(watch());
                drop(viewer);
                let viewer = crowd::keep(address, "gate", crowd::Kind::Player);
                player.push(watch());
                drop(viewer);
                let closed = Instant::now() + CLOSED;
                eventually(CLOSED * 2, "live to be closed", || Instant::now() > closed);
            }
            let none = median(alone);
            for (who, cores) in [("direct viewer", direct), ("player of parts", player)] {
                let cores = median(cores);
                let figures =
                    format!("+{:.1} % ({none:.4} cores alone, {cores:.4})", (cores / none - 1.0) * 100.0);
                bench.add(&format!("{mode}, one {who}"), "≤ 5 %", &figures, json!({}));
            }
        });
    }
}
