//! How far behind viewers are, glass to glass: `cargo bench --bench live -- [--seconds N] [--only PART]`.
//!
//! A simulated camera paints the wall clock into each raw frame before it is encoded; the page in a real Chromium,
//! hls.js and ffmpeg read it from the frames they show, on the same clock. The real program records it in passthrough.
//! Prints a table, writes JSON below `target/`, judges nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is for the person at the terminal")]
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on must fail")]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use support::browser::Browser;
use support::camera::barcode;
use support::files::Site;
use support::{
    Camera, CameraOptions, Program, S3Options, S3Server, Settings, Workspace, eventually, npm, tools,
};

mod machine;
#[path = "../tests/support/mod.rs"]
mod support;

const LIMIT: Duration = Duration::from_secs(60);
/// Players find their distance to the newest frame first.
const SETTLING: Duration = Duration::from_secs(10);
const TILES: usize = 8;

/// Measures how far behind viewers are.
#[derive(Parser)]
struct Options {
    /// How long each player is watched.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// One part instead of all.
    #[arg(long)]
    only: Option<Part>,
    /// Frames from one keyframe to the next, at 15 frames a second.
    #[arg(long, default_value_t = 15)]
    gop: u32,
    /// Cargo says so when it runs benchmarks, and not when it runs every target as a test.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Page,
    Hls,
    Tiles,
    Ffmpeg,
}

/// Reads the bars of every `EVERY`th frame of each video that the selector finds, into `window.lags`.
const WATCH: &str = "
    window.lags = [];
    for (const video of document.querySelectorAll(SELECTOR)) {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [512, 64];
        const context = canvas.getContext('2d', { willReadFrequently: true });
        const lags = [];
        window.lags.push(lags);
        let frame = 0;
        const see = () => {
            const now = Date.now();
            video.requestVideoFrameCallback(see);
            frame += 1;
            if (frame % EVERY) return;
            context.drawImage(video, 0, 0, 512, 64, 0, 0, 512, 64);
            const { data } = context.getImageData(0, 0, 512, 64);
            let value = 0;
            for (let bit = 0; bit < 32; bit += 1) {
                const [x, y] = [(bit % 16) * 32 + 16, Math.floor(bit / 16) * 32 + 16];
                value = value * 2 + (data[(y * 512 + x) * 4] > 127 ? 1 : 0);
            }
            lags.push(((now % 4294967296) - value + 4294967296) % 4294967296);
        };
        video.requestVideoFrameCallback(see);
    }";

/// Notes when the focused video shows its first frame, in milliseconds after the navigation began.
const FIRST: &str = "
    const look = setInterval(() => {
        const video = document.querySelector('#focus video');
        if (!video) return;
        clearInterval(look);
        video.requestVideoFrameCallback(() => { window.firstFrame = performance.now(); });
    }, 5);";

struct Bench {
    rows: Vec<Value>,
    seconds: Duration,
}

impl Bench {
    fn add(&mut self, what: &str, goal: &str, mut lags: Vec<f64>, more: &str) {
        lags.sort_by(f64::total_cmp);
        let at = |share: f64| lags.get(((lags.len() as f64 - 1.0) * share).round() as usize).copied();
        let (median, p95) = (at(0.5).unwrap_or(f64::NAN), at(0.95).unwrap_or(f64::NAN));
        println!("{what:<44} {median:>8.3} {p95:>8.3} {:>6}   {goal:<34} {more}", lags.len());
        self.rows.push(json!({
            "what": what, "median_s": median, "p95_s": p95, "frames": lags.len(), "goal": goal, "more": more,
        }));
    }

    /// Watches the videos of a page for a while: seconds behind, one list for each video.
    fn watch(&self, browser: &Browser, selector: &str, every: u32) -> Vec<Vec<f64>> {
        let settled = Instant::now() + SETTLING;
        eventually(LIMIT, "the player to settle", || Instant::now() > settled);
        let script = WATCH.replace("SELECTOR", &format!("{selector:?}")).replace("EVERY", &every.to_string());
        browser.eval(&script);
        let until = Instant::now() + self.seconds;
        eventually(LIMIT + self.seconds, "the measurement", || Instant::now() > until);
        let lags = browser.eval("return window.lags");
        let seconds = |lags: &Value| {
            lags.as_array().unwrap().iter().map(|lag| lag.as_f64().unwrap() / 1000.0).collect()
        };
        lags.as_array().unwrap().iter().map(seconds).collect()
    }
}

fn main() {
    let options = Options::parse();
    if !options.bench {
        println!("nothing measured: run `cargo bench --bench live`");
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let facts = machine::facts().unwrap();
    println!("{facts:#}\n\n{:<44} {:>8} {:>8} {:>6}   goal", "seconds behind", "median", "p95", "frames");
    let mut bench = Bench { rows: Vec::new(), seconds: Duration::from_secs(options.seconds) };
    let wanted = |part| options.only.is_none_or(|only| only == part);
    for (part, measure) in [
        (Part::Page, page as fn(&mut Bench, u32)),
        (Part::Hls, hls_js),
        (Part::Ffmpeg, ffmpeg),
        (Part::Tiles, tiles),
    ] {
        if wanted(part) {
            measure(&mut bench, options.gop);
        }
    }
    let report = json!({ "machine": facts, "gop": options.gop, "rows": bench.rows });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/live-bench.json");
    std::fs::write(&path, format!("{report:#}\n")).unwrap();
    println!("\nwritten to {}", path.display());
}

fn cameras(count: usize, gop: u32) -> Vec<Camera> {
    let options = CameraOptions {
        width: 1280,
        height: 720,
        gop,
        bitrate_kbps: 2000,
        barcode: true,
        ..CameraOptions::default()
    };
    (0..count).map(|_| Camera::start(options.clone()).unwrap()).collect()
}

/// The program with these cameras in passthrough; `measure` is called when all of them are recorded.
fn recorded(cameras: &[Camera], measure: impl FnOnce(&Program<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3Server::start(folder.path(), S3Options::default()).unwrap();
    let mut settings = Settings::new(&s3);
    settings
        .set("capture.mode", "passthrough")
        .set("capture.segment_duration", 10)
        .set("logging.level", "info");
    for (number, camera) in cameras.iter().enumerate() {
        settings.camera(&format!("gate-{number}"), camera);
    }
    let workspace = Workspace::new(&settings, &s3);
    let program = Program::start(&workspace);
    eventually(LIMIT, "all cameras to be recorded", || {
        let health = program.health();
        let all = health["cameras"].as_array().unwrap().iter().all(|camera| camera["state"] == "recording");
        if all { Ok(()) } else { Err(health.to_string()) }
    });
    measure(&program);
}

/// The page's own player, over the WebSocket; and how long it takes to its first frame.
fn page(bench: &mut Bench, gop: u32) {
    let cameras = cameras(1, gop);
    recorded(&cameras, |program| {
        let url = program.url("/#/gate-0");
        for (what, goal) in [
            ("page to first frame, live not open", "≤ 1 s + GOP"),
            ("page to first frame, live open", "≤ 1 s"),
        ] {
            let browser = Browser::start();
            browser.before_each_page(FIRST);
            browser.open(&url);
            let first =
                eventually(LIMIT, "the first frame", || browser.eval("return window.firstFrame").as_f64());
            bench.add(what, goal, vec![first / 1000.0], "");
        }
        let browser = Browser::start();
        browser.open(&url);
        let lags = bench.watch(&browser, "#focus video", 1).remove(0);
        bench.add("page, WebSocket", "median ≤ 0.35", lags, "");
    });
}

fn hls_js(bench: &mut Bench, gop: u32) {
    let cameras = cameras(1, gop);
    recorded(&cameras, |program| {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/players/hls.html");
        let site = Site::start(vec![page, npm::modules().join("hls.js/dist/hls.min.js")]);
        let browser = Browser::start();
        browser.open(&site.url(&format!("hls.html?src={}", program.url("/live.m3u8"))));
        let lags = bench.watch(&browser, "video", 1).remove(0);
        let errors = browser.eval("return window.errors");
        bench.add("hls.js, low-latency HLS", "median ≤ 1.0, p95 ≤ 1.2", lags, &format!("errors: {errors}"));
    });
}

fn ffmpeg(bench: &mut Bench, gop: u32) {
    let cameras = cameras(1, gop);
    recorded(&cameras, |program| {
        let url = program.url("/cameras/gate-0/live.mp4");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-fflags", "nobuffer", "-probesize", "4096", "-analyzeduration", "0"]);
        command.args(["-i", &url, "-vf", "crop=512:64:0:0", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
        let mut child = tools::spawn("ffmpeg", command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut out = child.stdout.take().unwrap();
        let mut frame = vec![0; barcode::SIDE * barcode::COLUMNS * barcode::SIDE * barcode::ROWS];
        let (mut lags, begin) = (Vec::new(), Instant::now());
        while begin.elapsed() < SETTLING / 2 + bench.seconds {
            out.read_exact(&mut frame).unwrap();
            let lag = barcode::now_ms().wrapping_sub(barcode::read(&frame));
            if begin.elapsed() > SETTLING / 2 {
                lags.push(f64::from(lag) / 1000.0);
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        bench.add("ffmpeg -fflags nobuffer, live.mp4", "median ≤ 0.4", lags, "");
    });
}

/// All tiles of the overview move at once, or the page says that the machine is too slow.
fn tiles(bench: &mut Bench, gop: u32) {
    let cameras = cameras(TILES, gop);
    recorded(&cameras, |program| {
        let browser = Browser::start();
        browser.become_screen(1280, 1600, false);
        browser.open(&program.url("/"));
        eventually(LIMIT, "the cards", || {
            browser.eval("return document.querySelectorAll('.card').length") == json!(TILES)
        });
        browser.press("l");
        let all = bench.watch(&browser, ".card video", 5);
        let slow = browser.eval("return !document.getElementById('slow').hidden");
        let dropped = browser.eval(
            "return [...document.querySelectorAll('.card video')].map((one) => one.getVideoPlaybackQuality())\
             .reduce((sum, one) => sum + one.droppedVideoFrames / Math.max(1, one.totalVideoFrames), 0) / 8",
        );
        let more =
            format!("dropped: {:.0} %, fell back to stills: {slow}", dropped.as_f64().unwrap_or(0.0) * 100.0);
        for (number, lags) in all.into_iter().enumerate() {
            let more = if number == 0 { more.as_str() } else { "" };
            bench.add(
                &format!("tile {} of {TILES}, WebSocket", number + 1),
                "median ≤ 0.7, or stills",
                lags,
                more,
            );
        }
    });
}
