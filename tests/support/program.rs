//! The real program in an empty folder: started, watched, signalled, and everything it left shown when a test fails.

use std::io::{BufRead, BufReader, Write};
use std::net::{AddrParseError, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};

use super::http::{self, Response};
use super::settings::{PASSWORD_VARIABLE, Settings};
use super::{S3Server, eventually};

/// What the log says before the address of the HTTP server, with or without an `s` and then `://`.
const LISTENING: &str = "listening on http";

/// An empty folder, its `config.toml`, and the environment the program gets. Removed when dropped.
pub struct Workspace {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    /// A program other than the one that cargo built for tests, and its first argument.
    program: Option<(PathBuf, String)>,
}

impl Workspace {
    pub fn new(settings: &Settings, s3: &S3Server) -> Self {
        let folder = tempfile::tempdir().expect("the system's temporary folder is writable");
        let mut workspace = Self { folder, environment: Vec::new(), program: None };
        workspace.configure(settings);
        workspace.set_env("AWS_ACCESS_KEY_ID", &s3.options().access_key);
        workspace.set_env("AWS_SECRET_ACCESS_KEY", &s3.options().secret_key);
        workspace.set_env("AWS_EC2_METADATA_DISABLED", "true");
        workspace.set_env(PASSWORD_VARIABLE, "camera-secret");
        workspace
    }

    /// Writes `config.toml` anew, for the next start.
    pub fn configure(&self, settings: &Settings) {
        settings.write(&self.path().join("config.toml")).expect("a folder of our own is writable");
    }

    pub fn set_env(&mut self, name: &str, value: &str) {
        self.environment.retain(|(have, _)| have != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Cargo builds no program for an example: there the example starts itself, with a first argument that tells it to
    /// be the program.
    pub fn set_program(&mut self, path: PathBuf, first_argument: &str) {
        self.program = Some((path, first_argument.to_owned()));
    }

    /// The folder stays when this is dropped.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program with `--config config.toml` and `args`, in this folder, with no other environment than ours.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match (&self.program, option_env!("CARGO_BIN_EXE_cctv-s3-pipeline")) {
            (Some((program, first_argument)), _) => {
                let mut command = Command::new(program);
                command.arg(first_argument);
                command
            }
            (None, Some(program)) => Command::new(program),
            (None, None) => panic!("cargo builds the program for tests and benches, not for examples"),
        };
        command.arg("--config").arg("config.toml").args(args).current_dir(self.path()).env_clear();
        for name in ["PATH", "LANG", "GST_DEBUG", "GST_PLUGIN_PATH", "GST_REGISTRY", "RUST_BACKTRACE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        // a home of its own hides the developer's ~/.aws; GStreamer's cache is shared, or each start scans all plugins
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
        command.envs(cache.map(|cache| ("XDG_CACHE_HOME", cache)));
        command.env("HOME", self.path()).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("cargo has built the program")
    }

    /// As [`Self::run`], with this on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cargo has built the program");
        // a program that ended already reads nothing
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        child.wait_with_output().expect("its output can be read")
    }

    /// Rows of the database as objects; empty while there is no database yet.
    pub fn rows(&self, sql: &str) -> Vec<Map<String, Value>> {
        query(&self.path().join("data/segments.db"), sql).unwrap_or_default()
    }

    /// Recorded files, sorted by path.
    pub fn segment_files(&self) -> Vec<PathBuf> {
        let mut files = files_under(&self.path().join("data/segments"));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "ts"));
        files
    }

    /// Everything in the folder and the database, for a person who wonders why a test failed.
    fn describe(&self) -> String {
        let config = std::fs::read_to_string(self.path().join("config.toml")).unwrap_or_default();
        let mut text = format!("--- config.toml\n{config}--- files\n");
        for file in files_under(self.path()) {
            let size = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
            text += &format!("{size:>10} {}\n", file.strip_prefix(self.path()).unwrap_or(&file).display());
        }
        for table in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
            let name = table["name"].as_str().unwrap_or_default();
            text += &format!("--- table {name}\n");
            for row in self.rows(&format!("SELECT * FROM \"{name}\" ORDER BY rowid DESC LIMIT 100")) {
                text += &format!("{}\n", Value::Object(row));
            }
        }
        text
    }
}

/// The running program. Killed when dropped; shows everything it left when a test panics.
pub struct Program<'w> {
    workspace: &'w Workspace,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl<'w> Program<'w> {
    /// Starts `run`; returns at once.
    pub fn start(workspace: &'w Workspace) -> Self {
        Self::start_with(workspace, &["run"])
    }

    pub fn start_with(workspace: &'w Workspace, args: &[&str]) -> Self {
        Self::start_command(workspace, workspace.command(args))
    }

    /// Starts a command of the workspace that was changed, or wrapped by another program that `exec`s it.
    pub fn start_command(workspace: &'w Workspace, mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(workspace, command)
    }

    /// Starts `run` with this socket as systemd passes one: descriptor 3, and two variables that say so.
    pub fn start_on_socket(workspace: &'w Workspace, listener: &TcpListener) -> Self {
        let program = workspace.command(&["run"]);
        let mut command = Command::new("sh");
        // the shell becomes the program, so that its number is the one in LISTEN_PID
        command.args(["-c", "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "sh"]);
        command.arg(program.get_program()).args(program.get_args()).current_dir(workspace.path()).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let socket = listener.try_clone().expect("a socket can be passed on");
        command.stdin(Stdio::from(OwnedFd::from(socket)));
        Self::spawn(workspace, command)
    }

    fn spawn(workspace: &'w Workspace, mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cargo has built the program");
        let stderr = child.stderr.take().expect("standard error was asked for as a pipe");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = log.clone();
        let reader = std::thread::spawn(move || {
            // by bytes: a line that is not UTF-8 must not end the capture
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { workspace, child, log, reader: Some(reader) }
    }

    /// Lines on standard error so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lines on standard error but for the first `count`.
    pub fn log_after(&self, count: usize) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.get(count..).unwrap_or_default().to_vec()
    }

    /// Waits for a line that holds `text`.
    #[track_caller]
    pub fn wait_for_log(&self, limit: Duration, text: &str) -> String {
        let what = format!("a log line with {text:?}");
        eventually(limit, &what, || self.log().into_iter().find(|line| line.contains(text)))
    }

    /// The address of the HTTP server; waits until the program says it.
    #[track_caller]
    pub fn http_address(&self) -> SocketAddr {
        let line = self.wait_for_log(Duration::from_secs(30), LISTENING);
        listens_on(&line).unwrap_or_else(|error| panic!("read the address in {line:?}: {error}"))
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        let answer = http::get(self.http_address(), path);
        answer.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// As [`Self::get`], at the address it listens on now, with the answer's text; while it starts anew there is none.
    pub fn look(&self, path: &str) -> std::io::Result<String> {
        let line = self.log().into_iter().rev().find(|line| line.contains(LISTENING)).unwrap_or_default();
        let address = listens_on(&line).map_err(std::io::Error::other)?;
        Ok(http::get(address, path)?.text())
    }

    #[track_caller]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http_address())
    }

    #[track_caller]
    pub fn health(&self) -> Value {
        self.get("/health").json().expect("/health is JSON")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to stop, as systemd does.
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// As a power cut: no time to close anything.
    pub fn kill9(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait_exit(Duration::from_secs(10))
    }

    pub fn signal(&self, signal: Signal) {
        // a process that has ended already needs no signal
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    /// Waits for the program to end by itself.
    #[track_caller]
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        let status = eventually(limit, "the program to end", || child.try_wait().ok().flatten());
        self.join_reader();
        status
    }

    /// How it ended, if it has.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        if status.is_some() {
            self.join_reader();
        }
        status
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn join_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Program<'_> {
    #[allow(clippy::print_stderr, reason = "a failing test shows here what the program left")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_reader();
        if std::thread::panicking() {
            eprintln!("--- log\n{}\n{}", self.log().join("\n"), self.workspace.describe());
        }
    }
}

/// The address in a line of the log that holds [`LISTENING`].
fn listens_on(line: &str) -> Result<SocketAddr, AddrParseError> {
    let address = line.split(LISTENING).nth(1).unwrap_or_default();
    let address = address.trim_start_matches('s').trim_start_matches("://");
    address.split(|c: char| c.is_whitespace() || "/,;".contains(c)).next().unwrap_or_default().parse()
}

/// Every file below a folder, sorted; empty if there is no such folder.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_under(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files.sort();
    files
}

/// Rows of a database that another process may be writing.
pub fn query(database: &Path, sql: &str) -> rusqlite::Result<Vec<Map<String, Value>>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let mut statement = connection.prepare(sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement.query_map([], |row| {
        names.iter().enumerate().map(|(index, name)| Ok((name.clone(), json(row.get_ref(index)?)))).collect()
    })?;
    rows.collect()
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => hex::encode(bytes).into(),
    }
}

/// How long `work` took, with its result.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
