//! args → configuration → logging → command → exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cctv_s3_pipeline::cli::Cli;
use cctv_s3_pipeline::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::execute(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            log::error!("{error}");
            // the log may be off, or not started yet
            if !log::log_enabled!(log::Level::Error) {
                let _ = writeln!(std::io::stderr(), "cctv-s3-pipeline: {error}");
            }
            log::logger().flush();
            ExitCode::from(error.exit_code())
        }
    }
}
