//! What operators' machines see: Prometheus with our rules, and systemd by its notify socket.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::tools::{output, spawn};
use crate::support::wait::throughout;
use crate::support::{Program, Settings, Workspace, eventually, http};

const PASSWORD: &str = "Scrapes-for-9";

/// Killed when dropped.
struct Prometheus {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Scrapes `target` every second by password, with the rules that the documents give away.
    fn start(target: &str) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring/alerts.yml");
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "cctv",
                "basic_auth": { "username": "monitor", "password": PASSWORD },
                "static_configs": [{ "targets": [target] }],
            }],
        });
        // JSON is YAML
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        output("promtool", &["check", "config", file.to_str().unwrap()]);
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.args(["--web.listen-address=127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::null());
        Prometheus { child: spawn("prometheus", &mut command), _folder: folder }
    }

    /// It does not say on which port it listens; the kernel does.
    fn address(&self) -> Option<std::net::SocketAddr> {
        let process = procfs::process::Process::new(i32::try_from(self.child.id()).ok()?).ok()?;
        let sockets = process.fd().ok()?.filter_map(|file| match file.ok()?.target {
            procfs::process::FDTarget::Socket(inode) => Some(inode),
            _ => None,
        });
        let sockets: Vec<u64> = sockets.collect();
        let mut listening =
            procfs::net::tcp().ok()?.into_iter().filter(|entry| entry.state == procfs::net::TcpState::Listen);
        listening.find(|entry| sockets.contains(&entry.inode)).map(|entry| entry.local_address)
    }

    fn ask(&self, path: &str) -> Result<Value, String> {
        let address = self.address().ok_or("it does not listen yet")?;
        http::get(address, path).and_then(|answer| answer.json()).map_err(|error| error.to_string())
    }

    /// The values of a metric, each with its labels.
    fn values(&self, query: &str) -> Result<Vec<Value>, String> {
        let answer = self.ask(&format!("/api/v1/query?query={query}"))?;
        answer["data"]["result"].as_array().cloned().ok_or_else(|| answer.to_string())
    }
}

#[test]
fn prometheus_scrapes_by_password_and_its_alerts_see_a_dead_camera() {
    let bucket = Bucket::new();
    let (gate, mut yard) = (camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate).camera("yard", &yard).set("server.auth.enabled", true);
    let workspace = Workspace::new(&settings, &bucket.server);
    let made = workspace.run_with(&["user", "add", "monitor", "--role", "admin"], PASSWORD);
    assert!(made.status.success(), "{made:?}");
    let program = Program::start(&workspace);
    uploaded(&workspace, "yard", 2);
    assert_eq!(program.get("/metrics").status, 401);

    let prometheus = Prometheus::start(&program.http_address().to_string());
    let value = |query: &str| -> Result<f64, String> {
        let found = prometheus.values(query)?;
        let text = found.first().and_then(|one| one["value"][1].as_str()).ok_or("no value yet")?;
        text.parse::<f64>().map_err(|error| error.to_string())
    };
    let reaches = |query: &str, least: f64| {
        eventually(LIMIT, query, || {
            value(query).and_then(|now| if now >= least { Ok(()) } else { Err(now.to_string()) })
        });
    };
    reaches("sum(cctv_camera_up)", 2.0);
    reaches("cctv_uploads_total", 2.0);
    reaches("cctv_upload_duration_seconds_count", 2.0);
    reaches("cctv_camera_frames_total{camera=\"gate\"}", 30.0);
    reaches("cctv_camera_footage_seconds_total{camera=\"yard\"}", 1.0);
    reaches("process_resident_memory_bytes", 1e6);
    let rules = prometheus.ask("/api/v1/rules").unwrap();
    let all = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert!(all.len() >= 14 && all.iter().all(|rule| rule["health"] != "err"), "{rules}");
    eventually(LIMIT, "no alert", || {
        let alerts = prometheus.ask("/api/v1/alerts")?["data"]["alerts"].clone();
        if alerts == json!([]) { Ok(()) } else { Err(alerts.to_string()) }
    });

    yard.stop();
    reaches("sum(cctv_camera_reconnects_total{camera=\"yard\"})", 1.0);
    eventually(LIMIT, "the alert of the dead camera", || {
        let alerts = prometheus.ask("/api/v1/alerts")?["data"]["alerts"].clone();
        let names: Vec<_> =
            alerts.as_array().into_iter().flatten().map(|alert| &alert["labels"]).cloned().collect();
        let is_it = |labels: &Value| labels["alertname"] == "CctvCameraDown" && labels["camera"] == "yard";
        if names.len() == 1 && is_it(&names[0]) { Ok(()) } else { Err(alerts.to_string()) }
    });
}

/// What the service manager was told. It reads all the time, as systemd does: who tells waits until it is heard.
struct Manager {
    told: Receiver<String>,
}

impl Manager {
    fn new(workspace: &mut Workspace, watchdog: Duration) -> Manager {
        let path = workspace.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        workspace.set_env("NOTIFY_SOCKET", path.to_str().unwrap());
        workspace.set_env("WATCHDOG_USEC", &watchdog.as_micros().to_string());
        let (sender, told) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                if sender.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                    break;
                }
            }
        });
        Manager { told }
    }

    /// Forgets what was told so far.
    fn forget(&self) {
        while self.told.try_recv().is_ok() {}
    }

    #[track_caller]
    fn wait_for(&self, what: &str) -> String {
        let mut others = Vec::new();
        while let Ok(message) = self.told.recv_timeout(LIMIT) {
            if message.contains(what) {
                return message;
            }
            others.push(message);
        }
        panic!("the service manager was never told {what}, but {others:?}");
    }
}

#[test]
fn systemd_is_told_ready_alive_how_it_is_and_stopping() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera);
    let mut workspace = Workspace::new(&settings, &bucket.server);
    let manager = Manager::new(&mut workspace, Duration::from_secs(4));
    let mut program = Program::start(&workspace);
    manager.wait_for("READY=1");
    for path in ["/health/live", "/health/ready"] {
        let answer = program.get(path);
        assert_eq!(
            (answer.status, answer.json().unwrap()),
            (200, json!({ "ok": true, "reasons": [] })),
            "{path}"
        );
    }
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    uploaded(&workspace, "gate", 1);
    let status = manager.wait_for("last upload 20");
    assert!(status.contains("STATUS=1 of 1 cameras recording; "), "{status}");
    program.sigterm();
    manager.wait_for("STOPPING=1");
    assert!(program.wait_exit(LIMIT).success());
}

/// One thread of the program that stands still as if in its driver; the others go on.
struct Frozen(Pid);

impl Frozen {
    fn new(thread: Pid) -> Frozen {
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        // it can be let go only once it has stopped
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Frozen(thread)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}

#[test]
fn a_camera_thread_that_hangs_is_told_and_starves_the_watchdog() {
    let bucket = Bucket::new();
    let (gate, yard) = (camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate).camera("yard", &yard);
    let mut workspace = Workspace::new(&settings, &bucket.server);
    let manager = Manager::new(&mut workspace, Duration::from_secs(4));
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let tasks = format!("/proc/{}/task", program.id());
    let tasks = std::fs::read_dir(tasks).unwrap().map(|task| task.unwrap());
    let is_gates = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "gate")
    };
    let tasks: Vec<_> = tasks.filter(is_gates).collect();
    assert_eq!(tasks.len(), 1, "the camera's thread bears its name");
    let thread = Pid::from_raw(tasks[0].file_name().to_str().unwrap().parse().unwrap());
    let frozen = Frozen::new(thread);
    program.wait_for_log(
        Duration::from_secs(200),
        "camera gate has stood still for 120 s; the service manager will start the program anew",
    );
    let answer = program.get("/health/live");
    assert_eq!(answer.status, 503);
    assert!(!answer.text().contains("gate"), "anybody may ask: {}", answer.text());
    assert_eq!(program.get("/health/ready").status, 200);
    manager.forget();
    throughout(Duration::from_secs(8), "the watchdog is fed no more", || {
        let fed = manager.told.try_iter().find(|told| told.contains("WATCHDOG"));
        fed.map_or(Ok(()), Err)
    });
    // it was no more than slow
    drop(frozen);
    program.wait_for_log(LIMIT, "camera gate goes on again");
    manager.wait_for("WATCHDOG=1");
}
