//! The whole path on one machine: `cargo run --release --example demo`.
//!
//! A simulated 4-megapixel camera with digest authentication, a real S3 server that verifies signatures and checksums,
//! and the program itself between them. Needs nothing but what `apt-get build-dep` installs; everything it writes
//! is under `data/demo`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cctv_s3_pipeline::app::{self, Parts};
use cctv_s3_pipeline::config::{self, Config};
use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use cctv_s3_pipeline::logging;
use cctv_s3_pipeline::shutdown::Shutdown;
use clap::Parser;
use support::{Camera, CameraOptions, S3Options, S3Server, Settings, http, settings};

#[path = "../tests/support/mod.rs"]
mod support;

const FOLDER: &str = "data/demo";
/// Lies in a folder that the demo made, and may therefore wipe.
const MARKER: &str = ".made-by-the-demo";
const CAMERA: &str = "demo-cam";
const LOGIN: (&str, &str) = ("admin", "demo-camera");
const PROGRESS: Duration = Duration::from_secs(5);

/// Records a simulated 2560x1440 camera, uploads to a local S3 server and shows it live.
#[derive(Parser)]
struct Options {
    /// Port of the simulated camera; 0 for any.
    #[arg(long, default_value_t = 0)]
    camera_port: u16,
    /// Port of the web page and the playlists; a free one is taken if it is in use.
    #[arg(long, default_value_t = 8080)]
    http_port: u16,
    /// Address of the web page; 0.0.0.0 shows it to other machines.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Stop by itself after so many seconds, and fail if nothing reached the bucket.
    #[arg(long)]
    seconds: Option<u64>,
}

#[allow(clippy::print_stderr, reason = "a demo speaks to the person at the terminal")]
fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let folder = fresh_folder(Path::new(FOLDER))?;
    // before the first thread: the environment must not change under readers
    set_secrets(&folder)?;
    let camera = Camera::start(camera_options(options.camera_port))?;
    let s3 = S3Server::start(&folder.join("s3"), demo_s3())?;
    let server = SocketAddr::new(options.bind, free_port(options.bind, options.http_port)?);
    let config = configure(&folder, &camera, &s3, server)?;
    logging::init(&config.logging)?;
    quiet_the_camera();

    let started = Instant::now();
    let shutdown = Shutdown::new();
    let pipeline = start_pipeline(config, &shutdown)?;
    banner(&camera, &s3, server, &folder);
    std::thread::scope(|scope| {
        scope.spawn(|| report(&s3, server, started, &shutdown));
        wait_for_end(options.seconds.map(Duration::from_secs), &pipeline, &shutdown);
    });
    let crashed = |_| Err(Error::new(Kind::Internal, "run the pipeline: its thread panicked; see above"));
    pipeline.join().unwrap_or_else(crashed)?;
    farewell(&s3, started, &folder);
    if options.seconds.is_some() && !uploaded(&s3).any(|key| key.ends_with(".ts")) {
        return Err(Error::new(Kind::Unreachable, "nothing reached the bucket: see the log above"));
    }
    Ok(())
}

/// The program itself, as its `run` command starts it.
fn start_pipeline(config: Config, shutdown: &Shutdown) -> Result<JoinHandle<Result<()>>> {
    let shutdown = shutdown.clone();
    std::thread::Builder::new()
        .name("pipeline".into())
        .spawn(move || app::run(config.clone(), Parts::ALL, shutdown, Box::new(move || Ok(config.clone()))))
        .context(Kind::Internal, || "start the pipeline's thread")
}

/// The simulated camera lives in this process: what it says of viewers is not the program's log. GST_DEBUG shows it.
fn quiet_the_camera() {
    if std::env::var_os("GST_DEBUG").is_none() {
        for category in ["rtspclient", "rtspmedia", "rtspstream", "rtpsession"] {
            gst::log::set_threshold_for_name(category, gst::DebugLevel::None);
        }
    }
}

/// Writes the configuration and reads it back as the program would.
fn configure(folder: &Path, camera: &Camera, s3: &S3Server, server: SocketAddr) -> Result<Config> {
    let inside = |name: &str| folder.join(name).display().to_string();
    let file = folder.join("config.toml");
    Settings::new(s3)
        .camera(CAMERA, camera)
        .set("capture.resolution", "1280x720")
        .set("capture.bitrate_kbps", 2000)
        .set("capture.segment_duration", 10)
        .set("storage.segments_dir", inside("segments"))
        .set("storage.database", inside("segments.db"))
        .set("server.bind", server.ip().to_string())
        .set("server.port", i64::from(server.port()))
        .set("logging.level", "info")
        .set("logging.file", inside("pipeline.log"))
        .write(&file)
        .context(Kind::Disk, || format!("write {}", file.display()))?;
    Config::load(&file, &|name| std::env::var(name).ok())
}

fn camera_options(port: u16) -> CameraOptions {
    CameraOptions {
        width: 2560,
        height: 1440,
        fps: 15,
        gop: 30,
        bitrate_kbps: 4000,
        login: Some((LOGIN.0.into(), LOGIN.1.into())),
        port,
        ..CameraOptions::default()
    }
}

fn demo_s3() -> S3Options {
    let (access_key, secret_key) = ("DEMOACCESSKEY".into(), "demo-secret-key".into());
    S3Options { bucket: "demo-bucket".into(), access_key, secret_key, ..S3Options::default() }
}

/// A `.env` beside the configuration, as a user would write it. It wins over the real environment here, so that no
/// real key signs a request of the demo, and no proxy is asked for the way to this machine.
fn set_secrets(folder: &Path) -> Result<()> {
    let S3Options { access_key, secret_key, .. } = demo_s3();
    let file = folder.join(".env");
    let text = format!(
        "{}={}\nAWS_ACCESS_KEY_ID={access_key}\nAWS_SECRET_ACCESS_KEY={secret_key}\n\
         AWS_EC2_METADATA_DISABLED=true\nNO_PROXY=127.0.0.1\nno_proxy=127.0.0.1\n",
        settings::PASSWORD_VARIABLE,
        LOGIN.1
    );
    fs::write(&file, text).context(Kind::Disk, || format!("write {}", file.display()))?;
    dotenvy::from_path_override(&file).context(Kind::Config, || format!("load {}", file.display()))?;
    config::dotenv(&folder.join("config.toml")).map(drop)
}

/// An empty folder for this run. Only one that an earlier demo made is wiped.
fn fresh_folder(folder: &Path) -> Result<PathBuf> {
    let context = || format!("prepare {}", folder.display());
    if folder.exists() {
        let ours = folder.join(MARKER).is_file();
        let empty = fs::read_dir(folder).context(Kind::Disk, context)?.next().is_none();
        if !ours && !empty {
            let message = format!("{}: it was not made by the demo; move it away and try again", context());
            return Err(Error::new(Kind::Disk, message));
        }
        fs::remove_dir_all(folder).context(Kind::Disk, context)?;
    }
    fs::create_dir_all(folder).context(Kind::Disk, context)?;
    fs::write(folder.join(MARKER), "").context(Kind::Disk, context)?;
    folder.canonicalize().context(Kind::Disk, context)
}

/// The wanted port, or a free one if somebody has it.
#[allow(clippy::print_stdout, reason = "a demo speaks to the person at the terminal")]
fn free_port(bind: IpAddr, wanted: u16) -> Result<u16> {
    let listener = TcpListener::bind((bind, wanted)).or_else(|error| {
        println!("port {wanted} cannot be used ({error}): taking a free one");
        TcpListener::bind((bind, 0))
    });
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).context(Kind::Unreachable, || format!("find a free port on {bind}"))
}

/// Waits for the pipeline's own end (it hears Ctrl-C itself, and a second one ends the process) or the time limit.
fn wait_for_end(limit: Option<Duration>, pipeline: &JoinHandle<Result<()>>, shutdown: &Shutdown) {
    let started = Instant::now();
    while !pipeline.is_finished() && !shutdown.wait(Duration::from_millis(200)) {
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            break;
        }
    }
    // also when the pipeline ended in trouble: the reporter waits for this
    shutdown.request();
}

#[allow(clippy::print_stdout, reason = "a demo speaks to the person at the terminal")]
fn banner(camera: &Camera, s3: &S3Server, server: SocketAddr, folder: &Path) {
    let (user, password) = LOGIN;
    let camera_url = camera.url().replace("rtsp://", &format!("rtsp://{user}:{password}@"));
    println!(
        "\n  web page      http://{server}/\
         \n  live (VLC)    http://{server}/live.m3u8         the first picture takes about 2 s\
         \n  health        http://{server}/health\
         \n  camera        {camera_url}\
         \n  bucket        {}\
         \n  settings      {}\
         \n  Ctrl-C stops it\n",
        s3.folder().display(),
        folder.join("config.toml").display()
    );
}

/// A line every few seconds until the end.
#[allow(clippy::print_stdout, reason = "a demo speaks to the person at the terminal")]
fn report(s3: &S3Server, server: SocketAddr, started: Instant, shutdown: &Shutdown) {
    while !shutdown.wait(PROGRESS) {
        let mut keys: Vec<String> = uploaded(s3).filter(|key| key.ends_with(".ts")).collect();
        keys.sort();
        let newest = keys.last().map_or("none yet", String::as_str);
        let (on_disk, health) = match http::get(server, "/health").and_then(|answer| answer.json()) {
            Ok(health) => (health["storage"]["segments"].to_string(), describe(&health)),
            Err(error) => ("?".into(), error.to_string()),
        };
        let (seconds, count) = (started.elapsed().as_secs(), keys.len());
        println!(
            "{seconds:>4} s: {on_disk} segments recorded, {count} in the bucket, newest {newest}; health: {health}"
        );
    }
}

fn describe(health: &serde_json::Value) -> String {
    let status = health["status"].as_str().unwrap_or("unknown");
    let reasons = health["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason.as_str());
    let reasons: Vec<&str> = reasons.collect();
    if reasons.is_empty() { status.to_owned() } else { format!("{status} ({})", reasons.join("; ")) }
}

fn uploaded(s3: &S3Server) -> impl Iterator<Item = String> {
    s3.all_commits().into_keys()
}

#[allow(clippy::print_stdout, reason = "a demo speaks to the person at the terminal")]
fn farewell(s3: &S3Server, started: Instant, folder: &Path) {
    let count = uploaded(s3).filter(|key| key.ends_with(".ts")).count();
    println!(
        "stopped after {} s: {count} segments in {}; the log is {}",
        started.elapsed().as_secs(),
        s3.folder().display(),
        folder.join("pipeline.log").display()
    );
}
