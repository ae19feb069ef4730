//! Hours of faults in one command: `cargo run --release --example soak -- --minutes 60`.
//!
//! The real program as a process of its own, between simulated cameras that die, freeze and hang up and an S3 server that
//! refuses, forgets to answer and goes away; kill -9 and restarts in between, all by a plan made from the seed. At the end
//! cameras' time, rows, files and objects are compared. Exits with 1 if a promise broke.
//!
//! Cargo does not say to an example where the program's binary is, and builds it only by chance; so this file is the
//! program too: started as `soak program …` it does what `src/main.rs` does, with the same code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cctv_s3_pipeline::cli::Cli;
use cctv_s3_pipeline::commands;
use cctv_s3_pipeline::error::{Context, Kind, Result};
use clap::Parser;
use support::soak::plan::Wish;
use support::soak::{self, Report};

#[path = "../tests/support/mod.rs"]
mod support;

/// The first argument that makes this the program.
const PROGRAM: &str = "program";
/// A kill every so many seconds leaves time to record something in between.
const SECONDS_A_KILL: u64 = 5;

/// Attacks the recorder from all sides and compares everything at the end.
#[derive(Parser)]
struct Options {
    /// How long faults go on [default: 3, or as many as the kills need]
    #[arg(long)]
    minutes: Option<u64>,
    /// The same seed gives the same plan [default: a new one]
    #[arg(long)]
    seed: Option<u64>,
    /// kill -9 so many times [default: once a minute]
    #[arg(long)]
    kills: Option<usize>,
    /// Simulated cameras
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    cameras: u8,
    /// Write the result as JSON into this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[allow(clippy::print_stderr, reason = "a soak speaks to the person at the terminal")]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut arguments = arguments.peekable();
    if arguments.next_if(|first| first == PROGRAM).is_some() {
        return commands::main(&Cli::parse_from(std::iter::once(name).chain(arguments)));
    }
    match run(&Options::parse()) {
        Ok(report) if report.is_broken() => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

#[allow(clippy::print_stdout, reason = "a soak speaks to the person at the terminal")]
fn run(options: &Options) -> Result<Report> {
    let wish = wish(options);
    let program = std::env::current_exe().context(Kind::Internal, || "find this program's own file")?;
    quiet_the_cameras();
    let minutes = wish.length.as_secs() / 60;
    println!("seed {}: {minutes} min, {} kills, {} cameras", wish.seed, wish.kills, wish.cameras);
    let report =
        soak::run(&wish, &|workspace| workspace.set_program(program.clone(), PROGRAM), &mut |line| {
            println!("{line}");
        })?;
    println!("\n{}", report.table());
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", report.json());
        std::fs::write(file, text).context(Kind::Disk, || format!("write {}", file.display()))?;
    }
    Ok(report)
}

fn wish(options: &Options) -> Wish {
    let kills_s = options.kills.unwrap_or_default() as u64 * SECONDS_A_KILL;
    let minutes = options.minutes.unwrap_or_else(|| kills_s.div_ceil(60).max(3)).max(1);
    Wish {
        seed: options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
        length: Duration::from_secs(minutes * 60),
        kills: options.kills.unwrap_or(usize::try_from(minutes).unwrap_or(usize::MAX)),
        cameras: options.cameras.into(),
    }
}

/// The simulated cameras live in this process: what they say of viewers who are killed is no news. GST_DEBUG shows it.
fn quiet_the_cameras() {
    if std::env::var_os("GST_DEBUG").is_none() && gst::init().is_ok() {
        gst::log::set_default_threshold(gst::DebugLevel::None);
    }
}
