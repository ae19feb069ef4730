//! args → configuration → logging → command → exit code.

use std::process::ExitCode;

use clap::Parser;

use cctv_s3_pipeline::cli::Cli;
use cctv_s3_pipeline::{commands, memory};

fn main() -> ExitCode {
    memory::settle();
    // footage, rows and logs are for the recorder's user and those of its group, whatever started it
    rustix::process::umask(rustix::fs::Mode::RWXO | rustix::fs::Mode::WGRP);
    commands::main(&Cli::parse())
}
