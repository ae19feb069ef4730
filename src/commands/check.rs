//! `check`: tries each thing for real and says what works, what does not and what to do.

use std::path::Path;

use super::{hand_over, load, open_existing, runtime, say};
use crate::camera::{self, Codecs, pace, prove};
use crate::cli::CheckWhat;
use crate::config::{CaptureConfig, Config, Mode};
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::upload;

/// Lines so far and whether any of them failed.
#[derive(Default)]
struct Findings {
    failed: bool,
}

impl Findings {
    fn note(&mut self, what: &str, finding: Result<String>) -> Result<()> {
        match finding {
            Ok(fine) => say(&format!("ok    {what}: {fine}")),
            Err(error) => {
                self.failed = true;
                say(&format!("FAIL  {what}: {error}"))
            }
        }
    }
}

/// Exit code 1 if anything failed; a configuration that cannot be read is an error of its own (78).
pub fn check(path: &Path, what: Option<CheckWhat>, bench: bool) -> Result<u8> {
    if bench && what != Some(CheckWhat::Pipeline) {
        let what = "--bench: goes with `check pipeline` only; write `check pipeline --bench`";
        return Err(Error::new(Kind::Config, what));
    }
    let config = load(path)?;
    let mut findings = Findings::default();
    let wanted = |one: CheckWhat| what.is_none_or(|what| what == one);
    if wanted(CheckWhat::Config) {
        let cameras = config.cameras.len();
        let plural = if cameras == 1 { "" } else { "s" };
        findings.note("config", Ok(format!("{} with {cameras} camera{plural}", path.display())))?;
    }
    if wanted(CheckWhat::Pipeline) || wanted(CheckWhat::Camera) {
        camera::init()?;
    }
    if wanted(CheckWhat::Pipeline) {
        pipelines(&config, &mut findings)?;
    }
    if bench {
        paces(&config, &mut findings)?;
    }
    if wanted(CheckWhat::Camera) {
        cameras(&config, &mut findings)?;
    }
    if wanted(CheckWhat::S3) {
        s3(&config, &mut findings)?;
    }
    if what.is_none() {
        folders(&config, &mut findings)?;
    } else if wanted(CheckWhat::Store) {
        store(&config, &mut findings)?;
    }
    Ok(u8::from(findings.failed))
}

fn pipelines(config: &Config, findings: &mut Findings) -> Result<()> {
    let codecs = Codecs::new();
    for camera in &config.cameras {
        findings.note(&format!("pipeline of {}", camera.name), prove::prove(camera, &codecs))?;
    }
    Ok(())
}

/// Each different `[capture]` once, in both modes.
fn paces(config: &Config, findings: &mut Findings) -> Result<()> {
    let codecs = Codecs::new();
    for capture in captures_of(config) {
        let to = match capture.mode {
            Mode::Transcode => format!(
                " to {}x{} at {} frames/s, {} kbit/s",
                capture.width, capture.height, capture.framerate, capture.bitrate_kbps
            ),
            Mode::Passthrough => String::new(),
        };
        let mode = capture.mode.as_str();
        match pace::measure(&capture, &codecs) {
            Ok(paces) => {
                for (codec, pace) in paces {
                    findings
                        .note(&format!("speed of {codec} {mode}{to}"), pace.map(|pace| pace.to_string()))?;
                }
            }
            Err(error) => findings.note(&format!("speed of {mode}{to}"), Err(error))?,
        }
    }
    Ok(())
}

/// The defaults where no camera is enabled yet.
fn captures_of(config: &Config) -> Vec<CaptureConfig> {
    let given: Vec<CaptureConfig> = match config.cameras.is_empty() {
        true => vec![CaptureConfig::default()],
        false => config.cameras.iter().map(|camera| camera.capture.clone()).collect(),
    };
    let mut captures = Vec::new();
    for capture in given {
        for mode in [Mode::Transcode, Mode::Passthrough] {
            // a text of one's own is for the mode it is used in
            let pipeline = capture.pipeline.clone().filter(|_| capture.mode == mode);
            let capture = CaptureConfig { mode, pipeline, ..capture.clone() };
            if !captures.contains(&capture) {
                captures.push(capture);
            }
        }
    }
    captures
}

fn cameras(config: &Config, findings: &mut Findings) -> Result<()> {
    for camera in &config.cameras {
        findings.note(&format!("camera {}", camera.name), camera::tryout::watch(camera))?;
    }
    Ok(())
}

fn s3(config: &Config, findings: &mut Findings) -> Result<()> {
    // attohttpc inside the credentials' crate asks rustls for a process-wide provider
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (what, finding) in runtime()?.block_on(upload::check_s3(&config.s3)) {
        findings.note(&format!("s3 {what}"), finding)?;
    }
    Ok(())
}

fn folders(config: &Config, findings: &mut Findings) -> Result<()> {
    let opened = Store::open(&config.storage, &config.s3.prefix).and_then(|store| store.free_bytes());
    hand_over(&config.storage);
    let finding = opened.map(|free| {
        let (folder, database) = (config.storage.segments_dir.display(), config.storage.database.display());
        format!("{folder} and {database} are writable, {} MB free", free >> 20)
    });
    findings.note("store", finding)
}

fn store(config: &Config, findings: &mut Findings) -> Result<()> {
    let broken = match open_existing(config).and_then(|store| store.verify()) {
        Ok(broken) => broken,
        Err(error) => return findings.note("store", Err(error)),
    };
    if broken.is_empty() {
        return findings
            .note("store", Ok("every row has its file, every file its row, all hashes agree".into()));
    }
    for line in broken {
        findings.note("store", Err(Error::new(Kind::Data, line)))?;
    }
    Ok(())
}
