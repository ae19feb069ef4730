//! HTTPS and the socket from systemd, with clients that people have: curl, h2load, a browser, `status`.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Output;

use crate::page;
use crate::scene::{Bucket, LIMIT, camera, camera_state};
use crate::support::browser::Browser;
use crate::support::port::Port;
use crate::support::{Program, Settings, Workspace, eventually, http, tools};

/// A workspace with a certificate of its own making for `localhost`.
struct Secure {
    workspace: Workspace,
    cert: PathBuf,
    key: PathBuf,
}

impl Secure {
    fn new(settings: &mut Settings, bucket: &Bucket) -> Secure {
        settings.set("server.tls.cert", "cert.pem").set("server.tls.key", "key.pem");
        let workspace = Workspace::new(settings, &bucket.server);
        let (cert, key) = (workspace.path().join("cert.pem"), workspace.path().join("key.pem"));
        let secure = Secure { workspace, cert, key };
        secure.renew();
        secure
    }

    /// As certbot and its like do it: written beside, then renamed.
    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for (path, text) in [(&self.cert, made.cert.pem()), (&self.key, made.signing_key.serialize_pem())] {
            let new = path.with_extension("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, path).unwrap();
        }
    }

    /// curl trusts this certificate and nothing else.
    fn curl(&self, args: &[&str]) -> Output {
        let cert = self.cert.to_str().unwrap();
        tools::run(
            "curl",
            &[&["--silent", "--show-error", "--max-time", "20", "--cacert", cert], args].concat(),
        )
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn https(address: SocketAddr, path: &str) -> String {
    format!("https://localhost:{}{path}", address.port())
}

#[test]
fn everything_is_served_over_tls_and_plain_requests_are_led_there() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    let plain = Port::hold(0).unwrap();
    settings.camera("gate", &camera).set("server.tls.redirect_port", i64::from(plain.number()));
    let secure = Secure::new(&mut settings, &bucket);
    let program = Program::start(&secure.workspace);
    let address = program.http_address();
    assert!(program.log().iter().any(|line| line.contains("listening on https://")));
    for protocol in ["--http1.1", "--http2"] {
        let version = if protocol == "--http2" { "2" } else { "1.1" };
        let live = https(address, "/live.m3u8");
        let got = secure.curl(&[protocol, "--write-out", "\n%{http_version} %{http_code}", &live]);
        let said = text(&got.stdout);
        assert!(said.starts_with("#EXTM3U") && said.ends_with(&format!("{version} 200")), "{got:?}");
    }
    // old TLS is refused
    let old = secure.curl(&["--tls-max", "1.1", &https(address, "/health")]);
    assert!(!old.status.success(), "{old:?}");
    // somebody else's certificate would be noticed
    let stranger = tools::run("curl", &["--silent", "--show-error", &https(address, "/health")]);
    assert!(text(&stranger.stderr).contains("certificate"), "{stranger:?}");
    for port in [address.port(), plain.number()] {
        let got = http::get(SocketAddr::new(address.ip(), port), "/live.m3u8?a=b").unwrap();
        assert_eq!(got.status, 308, "{}", got.text());
        let expected = format!("https://{}:{}/live.m3u8?a=b", address.ip(), address.port());
        assert_eq!(got.header("location"), Some(expected.as_str()));
    }
    let health: serde_json::Value =
        serde_json::from_slice(&secure.curl(&[&https(address, "/health")]).stdout).unwrap();
    assert_eq!(health["cameras"][0]["name"], "gate");
}

#[test]
fn a_renewed_certificate_is_taken_without_a_restart() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    let secure = Secure::new(settings.camera("gate", &camera), &bucket);
    let program = Program::start(&secure.workspace);
    let health = https(program.http_address(), "/health");
    eventually(LIMIT, "the first certificate to be shown", || {
        secure.curl(&[&health]).status.success().then_some(())
    });
    secure.renew();
    assert!(!secure.curl(&[&health]).status.success(), "the new one is trusted, the old one is shown");
    eventually(LIMIT, "the new certificate to be shown", || {
        secure.curl(&[&health]).status.success().then_some(())
    });
    std::fs::write(&secure.key, "no key").unwrap();
    program.wait_for_log(LIMIT, "keep the certificate that was read before: server.tls.key");
    assert!(secure.curl(&[&health]).status.success());
}

#[test]
fn http2_carries_many_requests_over_few_connections() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    let secure = Secure::new(settings.camera("gate", &camera), &bucket);
    let program = Program::start(&secure.workspace);
    let page = https(program.http_address(), "/");
    let said = text(&tools::run("h2load", &["-n", "2000", "-c", "4", "-m", "50", &page]).stdout);
    assert!(said.contains("Application protocol: h2"), "{said}");
    assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(said.contains("2000 2xx"), "{said}");
}

#[test]
fn the_page_plays_over_tls_and_status_asks_there() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    let port = Port::hold(0).unwrap();
    settings.camera("gate", &camera).set("server.port", i64::from(port.number()));
    let secure = Secure::new(&mut settings, &bucket);
    let program = Program::start(&secure.workspace);
    let browser = Browser::start();
    browser.open(&https(program.http_address(), "/#/gate"));
    page::plays(&browser, "live", LIMIT);
    page::shows_a_picture(&browser);
    assert_eq!(browser.eval("return location.protocol"), "https:");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // only the running program knows how long it runs
    let said = eventually(LIMIT, "the running program to answer", || {
        let said = text(&secure.workspace.run(&["status", "--json"]).stdout);
        let status: serde_json::Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
        if status["uptime_seconds"].as_u64() > Some(0) { Ok(status) } else { Err(said) }
    });
    assert_eq!(said["cameras"][0]["state"], "recording");
}

#[test]
fn what_is_wrong_with_a_certificate_stops_the_start() {
    let bucket = Bucket::new();
    let mut settings = Settings::new(&bucket.server);
    let secure = Secure::new(settings.camera_at("gate", "rtsp://127.0.0.1:1/", None), &bucket);
    std::fs::remove_file(&secure.key).unwrap();
    let output = secure.workspace.run(&["run"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("server.tls.key: key.pem is not there"), "{said}");
}

#[test]
fn a_socket_that_systemd_opened_is_served() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut program = Program::start_on_socket(&workspace, &listener);
    assert_eq!(program.http_address(), address);
    camera_state(&program, "gate", "recording");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    // the socket is systemd's, and is there for the next start: whoever asks meanwhile waits
    let waiting = std::thread::spawn(move || http::get(address, "/health"));
    let _program = Program::start_on_socket(&workspace, &listener);
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
}
