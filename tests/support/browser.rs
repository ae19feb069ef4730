//! A real Chromium without a window, driven through chromedriver: what it shows, and what it complains of.
//!
//! Every browser has a driver, a profile and a port of its own. Dropping it ends all of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::{ParseError, Url};

use super::tools;

/// What the driver says before its port.
const STARTED: &str = "started successfully on port ";
/// Nothing is fetched from anywhere, and nothing needs a screen, a user's session or shared memory.
const ARGUMENTS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-GB",
    // a certificate of its own making is what most recorders have
    "--ignore-certificate-errors",
    "--window-size=1280,800",
];

pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    driver: Child,
    _said: BufReader<ChildStdout>,
    _profile: tempfile::TempDir,
}

/// Commands of chromedriver beyond WebDriver.
#[derive(Debug)]
struct Vendor(&'static str, Value);

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("the system's temporary folder is writable");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", profile.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = tools::spawn("chromedriver", &mut command);
        let mut said = BufReader::new(driver.stdout.take().expect("standard output was asked for as a pipe"));
        let port = port(&mut said);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs nothing but a few files");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(profile.path()));
        let connected = runtime.block_on(builder.connect(&format!("http://127.0.0.1:{port}")));
        let client = connected
            .unwrap_or_else(|error| panic!("start chromium: {error}; sudo apt-get install chromium"));
        Self { runtime, client: Some(client), driver, _said: said, _profile: profile }
    }

    pub fn open(&self, url: &str) {
        self.run(self.client().goto(url), &format!("open {url}"));
    }

    /// Runs this in every page that is opened from now on, before the page's own scripts.
    pub fn before_each_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Runs the body of a function in the page, and returns what it returns.
    #[track_caller]
    pub fn eval(&self, script: &str) -> Value {
        self.run(self.client().execute(script, Vec::new()), script)
    }

    /// Presses a key wherever the page's focus is; `key` as in `KeyboardEvent.key`.
    #[track_caller]
    pub fn press(&self, key: &str) {
        let code = match key.len() {
            1 => key.to_uppercase().bytes().next().map(u32::from),
            _ => None,
        };
        for kind in ["keyDown", "keyUp"] {
            let text = (kind == "keyDown" && key.len() == 1).then_some(key);
            self.devtools(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "text": text.unwrap_or_default(), "windowsVirtualKeyCode": code.unwrap_or(0) }),
            );
        }
    }

    /// Presses and lets go of the mouse, or a finger, at a point of the window.
    #[track_caller]
    pub fn click(&self, x: f64, y: f64) {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            self.mouse(kind, x, y);
        }
    }

    /// Moves the mouse to a point of the window.
    #[track_caller]
    pub fn point(&self, x: f64, y: f64) {
        self.mouse("mouseMoved", x, y);
    }

    #[track_caller]
    fn mouse(&self, kind: &str, x: f64, y: f64) {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
        self.devtools("Input.dispatchMouseEvent", event);
    }

    /// Puts the window out of sight, as another tab in front of it would.
    #[track_caller]
    pub fn hide(&self) {
        self.run(self.client().minimize_window(), "minimize the window");
    }

    #[track_caller]
    pub fn show(&self) {
        self.run(self.client().set_window_rect(0, 0, 1280, 800), "show the window again");
    }

    /// Becomes a screen of this size whose user prefers dark or light.
    #[track_caller]
    pub fn become_screen(&self, width: u32, height: u32, is_dark: bool) {
        let is_phone = width < 600;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.devtools("Emulation.setDeviceMetricsOverride", screen);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Leaves a picture of what is shown at `target/page/NAME.png`, for people.
    #[track_caller]
    pub fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page");
        std::fs::create_dir_all(&folder).expect("cargo's own folder is writable");
        let png = self.run(self.client().screenshot(), "take a picture");
        assert!(png.starts_with(b"\x89PNG"), "a picture is a PNG");
        std::fs::write(folder.join(name).with_extension("png"), png).expect("cargo's own folder is writable");
    }

    /// What stands in the console since this was last asked, but for answers that did not come: scripts that failed,
    /// and everything that the page's own policy forbade.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let log = self.vendor("se/log", json!({ "type": "browser" }));
        let entries = log.as_array().cloned().unwrap_or_default();
        let said = entries.iter().filter(|entry| entry["source"] != "network");
        said.map(|entry| format!("{} {}: {}", entry["level"], entry["source"], entry["message"])).collect()
    }

    #[track_caller]
    fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.vendor("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    #[track_caller]
    fn vendor(&self, path: &'static str, body: Value) -> Value {
        let what = body.to_string();
        self.run(self.client().issue_cmd(Vendor(path, body)), &what)
    }

    #[track_caller]
    fn run<T>(&self, command: impl Future<Output = Result<T, CmdError>>, what: &str) -> T {
        self.runtime.block_on(command).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it is there until the browser is dropped")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // chromium ends with its session; a driver that is only killed would leave it behind
        if let Some(client) = self.client.take() {
            let close = async { tokio::time::timeout(Duration::from_secs(10), client.close()).await };
            let _ = self.runtime.block_on(close);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn port(said: &mut impl BufRead) -> u16 {
    let mut text = String::new();
    loop {
        let begins = text.len();
        let read = said.read_line(&mut text).unwrap_or_default();
        assert!(read > 0, "chromedriver ended before it was ready: {text}");
        if let Some((_, port)) = text[begins..].split_once(STARTED) {
            return port
                .trim_end_matches(['.', '\n'])
                .parse()
                .unwrap_or_else(|_| panic!("no port in {text:?}"));
        }
    }
}

fn capabilities(profile: &Path) -> Capabilities {
    let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.join("chromium").display()));
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
    capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
    capabilities
}
