//! No secret in any log, answer, list of processes, row or object: neither as it is, nor encoded, nor in what is
//! made of it (headers, signed addresses).

use std::path::Path;
use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::json;

use crate::scene::{Bucket, LIMIT, camera_state, uploaded};
use crate::support::program::files_under;
use crate::support::{Camera, CameraOptions, Program, S3Options, Settings, Workspace, eventually, http};

const GATE: &str = "Gate/Pass:w@rd%7";
const YARD: &str = "Yard@P/ss?wort8";
const WRONG: &str = "Wrong+Pass#9";
const AWAY: &str = "Away=Pass&10";
const VIEWER: &str = "Viewer~Pass?11";
const GUESS: &str = "Guessed^Pass12";
const S3_SECRET: &str = "S3/Secret+Key/abcDEF123==";

/// Nobody needs these words to find a fault, and each can hold or be a secret.
const SIGNED: [&str; 5] = [
    "X-Amz-Signature",
    "X-Amz-Credential",
    "AWS4-HMAC-SHA256",
    "Authorization: Digest",
    "Authorization: Basic",
];

/// Every form in which a secret could come out.
fn needles() -> Vec<String> {
    let mut needles: Vec<String> = SIGNED.map(str::to_lowercase).to_vec();
    for secret in [GATE, YARD, WRONG, AWAY, VIEWER, GUESS, S3_SECRET] {
        let encoded = percent_encode(secret.as_bytes(), NON_ALPHANUMERIC).to_string();
        let basic = ["admin", "vic"].map(|user| STANDARD.encode(format!("{user}:{secret}")));
        let forms = [secret.into(), encoded, STANDARD.encode(secret), hex::encode(secret)];
        let forms = forms.into_iter().chain(basic);
        needles.extend(forms.map(|form: String| form.to_lowercase()));
    }
    needles
}

/// Panics if `bytes` hold a secret; shows where, so that a person can find who wrote it.
#[track_caller]
fn clean(whose: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for needle in needles() {
        if let Some(at) = text.find(&needle) {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
            panic!("{whose} holds {needle:?}: {}", &text[line..end]);
        }
    }
}

#[track_caller]
fn clean_files(folder: &Path, but: &[&str]) -> usize {
    let files = files_under(folder);
    let checked = files.iter().filter(|file| !but.iter().any(|name| file.ends_with(name)));
    checked.map(|file| clean(&file.display().to_string(), &std::fs::read(file).unwrap_or_default())).count()
}

fn with_password(password: &str) -> Camera {
    let login = Some(("admin".to_owned(), password.to_owned()));
    Camera::start(CameraOptions { login, ..CameraOptions::default() }).unwrap()
}

fn with_login(camera: &Camera, password: &str) -> String {
    let password = percent_encode(password.as_bytes(), NON_ALPHANUMERIC);
    camera.url().replace("rtsp://", &format!("rtsp://admin:{password}@"))
}

/// What a setup with every kind of secret needs.
struct Secrets {
    bucket: Bucket,
    workspace: Workspace,
    _cameras: [Camera; 4],
}

impl Secrets {
    /// `gate` has its password in the environment, `yard` in its address; `shed` is given a wrong one; `away` is off.
    fn new() -> Self {
        let mut cameras =
            [with_password(GATE), with_password(YARD), with_password("another"), with_password(AWAY)];
        cameras[3].stop();
        let options = S3Options { secret_key: S3_SECRET.into(), ..S3Options::default() };
        let bucket = Bucket::with(options);
        let mut settings = Settings::new(&bucket.server);
        settings.set("capture.mode", "passthrough").camera("gate", &cameras[0]);
        settings.set("server.auth.enabled", true);
        settings.set("server.auth.public", toml::Value::from(vec!["health", "page", "live"]));
        settings.camera_at("yard", &with_login(&cameras[1], YARD), None);
        settings.camera("shed", &cameras[2]).for_camera("password", "${WRONG_PASSWORD}");
        settings.camera_at("away", &with_login(&cameras[3], AWAY), None);
        let mut workspace = Workspace::new(&settings, &bucket.server);
        workspace.set_env("CAMERA_PASSWORD", GATE);
        workspace.set_env("WRONG_PASSWORD", WRONG);
        workspace.set_env("RUST_LOG", "trace");
        Self { bucket, workspace, _cameras: cameras }
    }

    fn records_and_fails(&self, program: &Program<'_>) {
        uploaded(&self.workspace, "gate", 2);
        uploaded(&self.workspace, "yard", 2);
        camera_state(program, "shed", "waiting");
        camera_state(program, "away", "waiting");
    }
}

/// By every way in, and by wrong ones. The session and the link that were given out.
fn watches(workspace: &Workspace, program: &Program<'_>) -> [String; 2] {
    let said = workspace.run_with(&["user", "add", "vic"], VIEWER);
    assert!(said.status.success(), "{said:?}");
    clean_output(&["user", "add"], &said);
    let made = workspace.run_with(&["share", "add", "--camera", "gate"], "");
    clean_output(&["share", "add"], &made);
    let made = String::from_utf8(made.stdout).unwrap();
    let token = made.lines().find_map(|line| line.split_once("?token=")).unwrap().1.to_owned();
    let server = program.http_address();
    let mut session = String::new();
    for (password, status) in [(GUESS, 401), (VIEWER, 200)] {
        let body = json!({ "user": "vic", "password": password }).to_string();
        let headers = [("Content-Type", "application/json")];
        let answer = http::request(server, "POST", "/login", &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, status);
        clean("/login", format!("{:?} {}", answer.headers, answer.text()).as_bytes());
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(['=', ';']).nth(1));
        session = cookie.unwrap_or_default().to_owned();
        let basic = format!("Basic {}", STANDARD.encode(format!("vic:{password}")));
        let path = "/cameras/gate/recent.m3u8";
        let answer = http::request(server, "GET", path, &[("Authorization", &basic)], &[]).unwrap();
        assert_eq!(answer.status, status);
        clean(path, format!("{:?} {}", answer.headers, answer.text()).as_bytes());
    }
    assert_eq!(program.get(&format!("/cameras/gate/recent.m3u8?token={token}")).status, 200);
    assert_eq!(program.get(&format!("/no-such-page?token={token}")).status, 404);
    [session, token]
}

fn clean_output(args: &[&str], answer: &Output) {
    clean(&format!("{args:?}"), &[answer.stdout.as_slice(), &answer.stderr].concat());
}

#[test]
fn no_secret_leaves_a_program_that_logs_everything_it_can() {
    let mut secrets = Secrets::new();
    let debug_log = secrets.workspace.path().join("gstreamer.log");
    secrets.workspace.set_env("GST_DEBUG", "5");
    secrets.workspace.set_env("GST_DEBUG_FILE", debug_log.to_str().unwrap());
    let mut program = Program::start(&secrets.workspace);
    secrets.records_and_fails(&program);
    let command_line = std::fs::read(format!("/proc/{}/cmdline", program.id())).unwrap();
    assert!(String::from_utf8_lossy(&command_line).contains("config.toml"));
    clean("the list of processes", &command_line);
    for path in ["/", "/health", "/live.m3u8", "/cameras/yard/live.m3u8", "/no-such-page"] {
        let answer = program.get(path);
        clean(path, format!("{:?} {}", answer.headers, answer.text()).as_bytes());
    }
    for args in [&["status"][..], &["status", "--json"]] {
        clean_output(args, &secrets.workspace.run(args));
    }
    let tokens = watches(&secrets.workspace, &program);
    // a store that is away: its address and signature are in every attempt
    secrets.bucket.server.stop();
    eventually(LIMIT, "uploads to wait", || program.health()["upload"]["state"] == "waiting");
    clean("/health", program.get("/health").text().as_bytes());
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    clean("standard error", program.log().join("\n").as_bytes());
    assert!(std::fs::metadata(&debug_log).unwrap().len() > 100_000, "GStreamer logged");
    let log = std::fs::read_to_string(secrets.workspace.path().join("data/logs/pipeline.log")).unwrap();
    assert!(
        log.contains("TRACE") && log.contains("[shed]") && log.contains("[away]"),
        "it logged everything"
    );
    for token in tokens {
        assert!(!program.log().join("\n").contains(&token) && !log.contains(&token), "a token is in the log");
        for file in files_under(&secrets.workspace.path().join("data")) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()), "{}", file.display());
        }
    }
    // database, log files, segments; the configuration holds what its owner wrote into it
    assert!(clean_files(secrets.workspace.path(), &["config.toml"]) > 5);
    assert!(clean_files(&secrets.bucket.server.folder(), &[]) > 4);
    assert!(secrets.bucket.server.keys().iter().any(|key| key.ends_with("manifest.m3u8")));
}

#[test]
fn no_secret_is_in_what_the_checks_say() {
    let mut secrets = Secrets::new();
    for args in [&["check"][..], &["check", "s3"], &["check", "pipeline"]] {
        clean_output(args, &secrets.workspace.run(args));
    }
    // the wrong secret is a secret, too: mostly it is another machine's right one
    secrets.workspace.set_env("AWS_SECRET_ACCESS_KEY", WRONG);
    let refused = secrets.workspace.run(&["check", "s3"]);
    assert_eq!(refused.status.code(), Some(1));
    clean_output(&["check", "s3"], &refused);
    secrets.bucket.server.stop();
    clean_output(&["check", "s3"], &secrets.workspace.run(&["check", "s3"]));
}

#[test]
fn a_configuration_that_is_wrong_is_shown_without_its_secrets() {
    let bucket = Bucket::new();
    let mut settings = Settings::new(&bucket.server);
    settings.camera_at("gate", &format!("http://admin:{GATE}@127.0.0.1/x"), None);
    settings.camera_at("yard", "rtsp://127.0.0.1/x", Some("admin")).for_camera("pasword", YARD);
    settings.set("s3.endpoint", format!("http://key:{WRONG}@127.0.0.1:9"));
    settings.set("s3.secret_key", S3_SECRET);
    let workspace = Workspace::new(&settings, &bucket.server);
    let answer = workspace.run(&["check", "config"]);
    assert_eq!(answer.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&answer.stderr).matches("config.toml:").count() >= 4, "{answer:?}");
    clean_output(&["check", "config"], &answer);
    let line = format!("CAMERA_PASSWORD='{AWAY}\n");
    std::fs::write(workspace.path().join(".env"), line).unwrap();
    let answer = workspace.run(&["check", "config"]);
    assert_eq!(answer.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&answer.stderr).contains(".env:1"), "{answer:?}");
    clean_output(&["check", "config"], &answer);
}

#[test]
fn the_env_file_beside_the_configuration_fills_what_is_missing_and_the_real_environment_wins() {
    let bucket = Bucket::new();
    let mut settings = Settings::new(&bucket.server);
    settings.set("logging.level", "${LOG_LEVEL}").camera_at("gate", "rtsp://127.0.0.1:9/x", None);
    let mut workspace = Workspace::new(&settings, &bucket.server);
    let code = |workspace: &Workspace| workspace.run(&["check", "config"]).status.code();
    let env_file = workspace.path().join(".env");
    assert_eq!(code(&workspace), Some(78), "the variable is nowhere");
    std::fs::write(&env_file, "# levels\nLOG_LEVEL='info'\n").unwrap();
    assert_eq!(code(&workspace), Some(0), "the file fills it");
    std::fs::write(&env_file, "LOG_LEVEL='no level at all'\n").unwrap();
    assert_eq!(code(&workspace), Some(78), "the file is read");
    workspace.set_env("LOG_LEVEL", "warn");
    assert_eq!(code(&workspace), Some(0), "the real environment wins");
    std::fs::write(&env_file, "LOG_LEVEL='info'\n").unwrap();
    workspace.set_env("LOG_LEVEL", "no level at all");
    assert_eq!(code(&workspace), Some(78), "even where it is wrong");
}
