//! What recording costs: `cargo bench --bench recorder -- [--seconds N] [--rounds N] [--uploads N] [--backlog N] [--cameras N]
//! [--minutes N] [--only PART]`.
//!
//! The real program, with everything on (rows, upload to a local S3 server, HTTP without a viewer), takes turns with
//! `ffmpeg` and with the bare GStreamer graph on the same simulated camera. Then, one after the other: what each part of
//! recording takes (`shares.rs`), many cameras in one process (`fleet.rs`), what grows when twenty record for long
//! (`endurance.rs`), the time from a segment's close to `uploaded` (`upload.rs`), the CPU of an upload (`objects.rs`), the end
//! of three days without S3 (`backlog.rs`), a month of rows (`rows.rs`), and starts (`start.rs`). Camera and S3 server live in
//! this process and are not counted. Prints a table, writes JSON below `target/`, judges nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is for the person at the terminal")]

use std::process::ExitCode;

use cctv_s3_pipeline::error::Result;
use clap::{Parser, ValueEnum};
use contest::{Mode, Recorder, Sample};
use support::{Camera, CameraOptions, Clip};

mod backlog;
mod bucket;
mod contest;
mod endurance;
mod fleet;
mod history;
mod machine;
mod objects;
mod process;
mod raw;
mod report;
mod rival;
mod rows;
mod shares;
mod start;
#[path = "../tests/support/mod.rs"]
mod support;
mod upload;

/// Measures recording against ffmpeg, and the time to upload.
#[derive(Parser)]
struct Options {
    /// Length of each measured window; a multiple of the segments' 10 s counts whole segments.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How often each pair of recorders takes its turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Segments whose upload is timed, about one a second.
    #[arg(long, default_value_t = 200)]
    uploads: usize,
    /// Segments that wait when S3 comes back; 26000 are three days.
    #[arg(long, default_value_t = 26_000)]
    backlog: usize,
    /// Cameras of one process.
    #[arg(long, default_value_t = 50)]
    cameras: usize,
    /// How long twenty cameras are watched for what grows.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// One part instead of all.
    #[arg(long)]
    only: Option<Part>,
    /// Cargo says so when it runs benchmarks, and not when it runs every target as a test.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Transcode,
    Passthrough,
    Shares,
    Fleet,
    Endurance,
    Upload,
    Objects,
    Backlog,
    Rows,
    Start,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        println!("nothing measured: run `cargo bench --bench recorder`");
        return ExitCode::SUCCESS;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut report = report::Report::new(machine::facts()?, options.seconds, options.rounds);
    println!("{}", report.machine());
    let wanted = |part| options.only.is_none_or(|only| only == part);
    let modes: Vec<Mode> = [(Part::Transcode, Mode::Transcode), (Part::Passthrough, Mode::Passthrough)]
        .into_iter()
        .filter_map(|(part, mode)| wanted(part).then_some(mode))
        .collect();
    if !modes.is_empty() {
        let camera = camera(4000, 30, &mut report.input)?;
        println!("camera: {}", report.input);
        take_turns(options, &modes, &camera, &mut report.samples)?;
    }
    if wanted(Part::Shares) {
        let camera = camera(4000, 30, &mut report.input)?;
        report.shares = shares::measure(&camera, options.seconds, options.rounds)?;
    }
    if wanted(Part::Fleet) {
        let camera = camera(4000, 30, &mut report.input)?;
        println!("fleet: {} cameras, each {}", options.cameras, report.input);
        report.fleet = Some(fleet::measure(&camera, options.cameras, options.seconds)?);
    }
    if wanted(Part::Endurance) {
        let camera = camera(4000, 30, &mut report.input)?;
        println!("endurance: twenty cameras for {} min, each {}", options.minutes, report.input);
        report.endurance = Some(endurance::measure(&camera, options.minutes)?);
    }
    if wanted(Part::Upload) {
        // 2.5 MB a second: a segment for each of them
        let camera = camera(20_000, 15, &mut report.upload_input)?;
        println!("uploads: {} from {}", options.uploads, report.upload_input);
        (report.uploads, report.put_alone_ms) = upload::time(&camera, options.uploads)?;
    }
    if wanted(Part::Backlog) {
        let camera = camera(1000, 30, &mut report.backlog_input)?;
        println!("backlog: {} segments, while recording {}", options.backlog, report.backlog_input);
        report.backlog = Some(backlog::measure(&camera, options.backlog)?);
    }
    if wanted(Part::Objects) {
        report.objects = Some(objects::measure(options.uploads)?);
    }
    if wanted(Part::Rows) {
        println!("rows: a month of sixteen cameras");
        report.rows = Some(rows::measure()?);
    }
    if wanted(Part::Start) {
        let camera = camera(4000, 30, &mut report.input)?;
        report.start = Some(start::measure(camera.options())?);
    }
    println!("\n{}", report.table());
    println!("{}", report.save()?.display());
    Ok(())
}

/// A four-megapixel camera that sends an encoded picture over and over.
fn camera(bitrate_kbps: u32, gop: u32, description: &mut String) -> Result<Camera> {
    let mut options =
        CameraOptions { width: 2560, height: 1440, gop, bitrate_kbps, ..CameraOptions::default() };
    let clip = Clip::encode(&options, 300 / gop)?;
    *description = format!(
        "H.264 {}x{} at {} frames a second, {:.1} Mbit/s, a keyframe every {gop} frames, RTSP over TCP with digest login",
        options.width,
        options.height,
        options.fps,
        clip.kbps() as f64 / 1e3
    );
    options.clip = Some(clip);
    Camera::start(options)
}

/// A, B, A, B: what else the machine does meets both alike.
fn take_turns(
    options: &Options,
    modes: &[Mode],
    camera: &Camera,
    samples: &mut Vec<(usize, Sample)>,
) -> Result<()> {
    for round in 1..=options.rounds {
        for (mode, recorder) in modes.iter().flat_map(|mode| Recorder::ALL.map(|one| (*mode, one))) {
            let sample = contest::measure(recorder, mode, camera, options.seconds)?;
            println!("round {round}: {sample}");
            samples.push((round, sample));
        }
    }
    Ok(())
}
