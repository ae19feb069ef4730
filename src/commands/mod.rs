//! The commands: read the configuration, do one thing, give the exit code. Called by `main` only.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::app::{self, Parts};
use crate::cli::{Cli, Command};
use crate::config::{self, Config, LoggingConfig, StorageConfig};
use crate::error::{Context, Error, Kind, Result};
use crate::logging;
use crate::segment::{CameraName, Timestamp};
use crate::shutdown::Shutdown;
use crate::store::Store;

mod alert;
mod check;
mod lifecycle;
mod report;
mod setup;
mod share;
mod status;
mod user;

/// Everything after the arguments: carries out the command, tells its error, gives the code to exit with. Apart from
/// `main` itself, so that `examples/soak.rs`, which starts itself as the program, runs what users run.
pub fn main(cli: &Cli) -> ExitCode {
    match execute(cli) {
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

/// Carries out the command. `Ok` holds the exit code of a command that ran but found something wrong.
pub fn execute(cli: &Cli) -> Result<u8> {
    let path = cli.config_path();
    match &cli.command {
        Command::Run => run(&path, Parts::ALL),
        Command::Capture => run(&path, Parts::CAPTURE),
        Command::Upload => run(&path, Parts::UPLOAD),
        Command::Serve => run(&path, Parts::SERVE),
        Command::Check { what, bench } => {
            quiet_log()?;
            check::check(&path, *what, *bench)
        }
        Command::Status { json } => {
            quiet_log()?;
            status::status(&load(&path)?, *json)
        }
        Command::Report { camera, date, json } => {
            quiet_log()?;
            report::report(&load(&path)?, camera.as_deref(), date.as_deref(), *json)
        }
        Command::Retry { camera } => {
            quiet_log()?;
            retry(&load(&path)?, camera.as_deref())
        }
        Command::Clean => {
            quiet_log()?;
            clean(&load(&path)?)
        }
        Command::User(command) => {
            quiet_log()?;
            user::user(&load(&path)?, command)
        }
        Command::Setup(options) => {
            quiet_log()?;
            setup::setup(&path, options)
        }
        Command::Lifecycle(command) => {
            quiet_log()?;
            lifecycle::lifecycle(&load(&path)?, command)
        }
        Command::Alert(command) => {
            quiet_log()?;
            alert::alert(&load(&path)?, command)
        }
        Command::Share(command) => {
            quiet_log()?;
            share::share(&load(&path)?, command)
        }
    }
}

fn run(path: &Path, parts: Parts) -> Result<u8> {
    let from_file = config::dotenv(path)?;
    let config = Config::load(path, &config::environment)?;
    if parts == Parts::SERVE && !config.server.enabled {
        return Err(Error::new(
            Kind::Config,
            "server.enabled: found false, but the command is serve; set it to true, or do not start serve",
        ));
    }
    logging::init(&logging_of(&config.logging, parts))?;
    log::info!("cctv-s3-pipeline {} starts with {}", env!("CARGO_PKG_VERSION"), path.display());
    config.say_what_is_obsolete();
    if config.cameras.is_empty() {
        log::warn!(
            "no camera is enabled: write address and password of yours into {}, set enabled = true, and reload",
            path.display()
        );
    }
    let path = path.to_owned();
    let again = move || config::again(&path, &from_file);
    app::run(config, parts, Shutdown::new(), Box::new(again))?;
    Ok(0)
}

/// Two processes must not rotate one file: a part that runs alone logs into a file of its own.
fn logging_of(config: &LoggingConfig, parts: Parts) -> LoggingConfig {
    let part = match parts {
        Parts::CAPTURE => "-capture",
        Parts::UPLOAD => "-upload",
        Parts::SERVE => "-serve",
        _ => return config.clone(),
    };
    let renamed = config.file.as_deref().map(|file| with_suffix(file, part));
    LoggingConfig { file: renamed, ..config.clone() }
}

/// `data/logs/pipeline.log` → `data/logs/pipeline-upload.log`.
fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let extension = file.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    file.with_file_name(format!("{stem}{suffix}{}", extension.unwrap_or_default()))
}

fn load(path: &Path) -> Result<Config> {
    config::dotenv(path)?;
    let config = Config::load(path, &config::environment)?;
    config.say_what_is_obsolete();
    Ok(config)
}

/// Commands that answer on standard output say only warnings beside it.
fn quiet_log() -> Result<()> {
    logging::init(&LoggingConfig { level: "warn".into(), file: None, ..LoggingConfig::default() })
}

fn retry(config: &Config, camera: Option<&str>) -> Result<u8> {
    let camera = camera.map(|name| named_camera(config, name)).transpose()?;
    let store = open_existing(config)?;
    let queued = store.retry_failed(camera.as_ref())?;
    say(&format!("{queued} failed segment{} queued again", if queued == 1 { "" } else { "s" }))?;
    Ok(0)
}

fn named_camera(config: &Config, name: &str) -> Result<CameraName> {
    let known = config.cameras.iter().find(|camera| camera.name.as_str() == name);
    known.map(|camera| camera.name.clone()).ok_or_else(|| {
        let names: Vec<&str> = config.cameras.iter().map(|camera| camera.name.as_str()).collect();
        Error::new(Kind::Config, format!("--camera: found {name:?}, the file has {}", names.join(", ")))
    })
}

fn clean(config: &Config) -> Result<u8> {
    let store = open_existing(config)?;
    let retained = store.retain(Timestamp::now())?;
    say(&format!(
        "{} uploaded segments deleted after their time, {} before it for want of space, {} given up un-uploaded",
        retained.cleaned,
        retained.cleaned_early,
        retained.dropped.len()
    ))?;
    if retained.still_short {
        say("the disk is still too full: free space on it, or lower storage.min_free_mb")?;
        return Ok(1);
    }
    Ok(0)
}

/// For commands that look at what a recorder left: without a database there is nothing to look at, and a mistyped
/// path must not create one.
/// What root has just made in a folder of the recorder's user belongs to that user: a service could not open it otherwise.
fn hand_over(storage: &StorageConfig) {
    use std::os::unix::fs::{MetadataExt, lchown};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let database = storage.database.as_path();
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(owner) = std::fs::metadata(folder).map(|found| (found.uid(), found.gid())) else { return };
    let beside = |end: &str| PathBuf::from(format!("{}{end}", database.display()));
    let made = [
        database.to_owned(),
        beside("-wal"),
        beside("-shm"),
        beside(".reserve"),
        storage.segments_dir.clone(),
    ];
    let marker =
        std::fs::read_dir(&storage.segments_dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in made.into_iter().chain(marker) {
        // that user writes in this folder: neither a link nor a second name of a file elsewhere may be given away
        let is_made_here = std::fs::symlink_metadata(&path).is_ok_and(|found| {
            found.uid() == 0 && (found.is_dir() || (found.is_file() && found.nlink() == 1))
        });
        if is_made_here && owner.0 != 0 {
            let _ = lchown(&path, Some(owner.0), Some(owner.1));
        }
    }
}

fn open_existing(config: &Config) -> Result<Store> {
    let database = &config.storage.database;
    if !database.exists() {
        return Err(Error::new(
            Kind::Data,
            format!(
                "open database {}: it does not exist; start `cctv-s3-pipeline run` first, in the same folder",
                database.display()
            ),
        ));
    }
    Store::open(&config.storage, &config.s3.prefix)
}

/// One line to standard output. A reader that went away (`| head`) is an error, not a panic.
fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context(Kind::Internal, || "write to standard output")
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(Kind::Internal, || "start the async runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_runs_alone_logs_into_its_own_file() {
        let log = |parts| {
            let config = LoggingConfig { file: Some("logs/pipeline.log".into()), ..LoggingConfig::default() };
            logging_of(&config, parts).file.unwrap()
        };
        assert_eq!(log(Parts::ALL), Path::new("logs/pipeline.log"));
        assert_eq!(log(Parts::UPLOAD), Path::new("logs/pipeline-upload.log"));
    }
}
