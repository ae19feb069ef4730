//! A camera and a store for scripts: `cargo run --release --example scene -- FOLDER`.
//!
//! Starts the tests' simulated camera and their verifying S3 server, prints how to reach them as lines for a shell, and stays
//! until it is killed. `FOLDER` stands for the bucket's disk. Used by `tests/packaging`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use support::{Camera, CameraOptions, S3Options, S3Server};

#[path = "../tests/support/mod.rs"]
mod support;

const LOGIN: (&str, &str) = ("admin", "scene-camera");

/// Starts a simulated camera and an S3 server.
#[derive(Parser)]
struct Options {
    /// Where objects are kept.
    folder: PathBuf,
}

#[allow(clippy::print_stderr, reason = "a script speaks to the person at the terminal")]
fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scene: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> std::io::Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    let login = Some((LOGIN.0.to_owned(), LOGIN.1.to_owned()));
    let camera =
        Camera::start(CameraOptions { login, ..CameraOptions::default() }).map_err(std::io::Error::other)?;
    let store = S3Options::default();
    let s3 = S3Server::start(&options.folder, store).map_err(std::io::Error::other)?;
    let mut out = std::io::stdout();
    writeln!(out, "CAMERA_URL='{}'", camera.url())?;
    writeln!(out, "CAMERA_SECRET='{}'", LOGIN.1)?;
    writeln!(out, "S3_ENDPOINT='{}'", s3.endpoint())?;
    writeln!(out, "S3_BUCKET='{}'", s3.options().bucket)?;
    writeln!(out, "S3_KEY='{}'", s3.options().access_key)?;
    writeln!(out, "S3_SECRET='{}'", s3.options().secret_key)?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}
