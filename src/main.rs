//! args → configuration → logging → command → exit code.

use std::process::ExitCode;

use clap::Parser;

use cctv_s3_pipeline::cli::Cli;
use cctv_s3_pipeline::commands;

fn main() -> ExitCode {
    commands::main(&Cli::parse())
}
