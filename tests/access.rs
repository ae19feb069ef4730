//! Who may look, as people meet it: the first start, the page's login, VLC with a password, links, and strangers.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use crate::page::plays;
use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::browser::Browser;
use crate::support::files::Site;
use crate::support::tools::video_stream;
use crate::support::vlc::vlc;
use crate::support::{Camera, Program, Settings, Workspace, eventually, http, npm};

const PASSWORD: &str = "Sesame-opens-9";

fn guarded(bucket: &Bucket, camera: &Camera) -> Workspace {
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", camera).set("server.auth.enabled", true);
    Workspace::new(&settings, &bucket.server)
}

#[track_caller]
fn done(workspace: &Workspace, args: &[&str], input: &str) -> String {
    let output = workspace.run_with(args, input);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[track_caller]
fn refused(workspace: &Workspace, args: &[&str], input: &str, words: &str) {
    let output = workspace.run_with(args, input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(words), "{args:?}: {said}");
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn log_in(server: SocketAddr, user: &str, password: &str) -> http::Response {
    let body = json!({ "user": user, "password": password }).to_string();
    let headers = [("Content-Type", "application/json")];
    http::request(server, "POST", "/login", &headers, body.as_bytes()).unwrap()
}

#[test]
fn the_first_administrator_logs_in_by_the_page_watches_and_logs_out() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = guarded(&bucket, &camera);
    let program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "made the user admin; its password is in data/admin-password");
    let file = std::fs::read_to_string(workspace.path().join("data/admin-password")).unwrap();
    let password = file.lines().find_map(|line| line.strip_prefix("password: ")).unwrap().to_owned();
    assert_eq!(program.get("/health").status, 401);

    let browser = Browser::start();
    browser.open(&program.url("/"));
    let here = |browser: &Browser| browser.eval("return location.pathname").as_str().unwrap().to_owned();
    assert_eq!(here(&browser), "/login");
    let enter = |password: &str| {
        browser.eval(&format!(
            "document.getElementById('user').value = 'admin'; document.getElementById('password').value = {};\
             document.querySelector('#login button').click()",
            json!(password)
        ));
    };
    enter("not the password");
    let words = "return document.getElementById('wrong')?.textContent ?? ''";
    eventually(LIMIT, "the page to say that it is wrong", || {
        let said = browser.eval(words).as_str().unwrap().to_owned();
        if said == "Name or password is wrong." { Ok(()) } else { Err(said) }
    });
    browser.picture("login");
    enter(&password);
    eventually(LIMIT, "the page", || (here(&browser) == "/").then_some(()));
    eventually(LIMIT, "the way out", || {
        browser.eval("return !(document.getElementById('logout')?.hidden ?? true)").as_bool().filter(|is| *is)
    });
    browser.open(&program.url("/#/gate"));
    plays(&browser, "live", LIMIT);
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    browser.picture("logged-in");
    browser.become_screen(390, 844, true);
    browser.open(&program.url("/"));
    eventually(LIMIT, "the way out on a phone", || {
        browser.eval(
            "const [box, page] = [document.getElementById('logout').getBoundingClientRect(), document.body]; \
             return box.width > 0 && box.right <= 390 && page.scrollWidth <= 390",
        )
        .as_bool()
        .filter(|fits| *fits)
    });
    browser.picture("logged-in-phone");

    browser.eval("document.getElementById('logout').click()");
    eventually(LIMIT, "the login", || (here(&browser) == "/login").then_some(()));
    browser.open(&program.url("/"));
    assert_eq!(here(&browser), "/login");

    // commands on this machine need no password; the log holds none
    let status: Value = serde_json::from_str(&done(&workspace, &["status", "--json"], "")).unwrap();
    assert_eq!(status["cameras"][0]["state"], "recording");
    let log = program.log().join("\n");
    assert!(!log.contains(&password) && !log.contains("not the password"), "{log}");
}

#[test]
fn a_session_that_was_ended_elsewhere_leads_the_open_page_to_the_login() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = guarded(&bucket, &camera);
    done(&workspace, &["user", "add", "vic"], PASSWORD);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let browser = Browser::start();
    browser.open(&program.url("/login"));
    browser.eval(&format!(
        "document.getElementById('user').value = 'vic'; document.getElementById('password').value = '{PASSWORD}';\
         document.querySelector('#login button').click()"
    ));
    eventually(LIMIT, "the card", || {
        browser.eval("return document.querySelectorAll('.card').length").as_u64().filter(|count| *count == 1)
    });
    done(&workspace, &["user", "passwd", "vic", "--random"], "");
    // its stream of events is cut off within seconds
    eventually(LIMIT, "the login", || {
        browser.eval("return location.pathname").as_str().filter(|path| *path == "/login").map(drop)
    });
}

#[test]
fn vlc_and_hls_js_play_by_password_and_by_link_until_it_is_revoked() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = guarded(&bucket, &camera);
    done(&workspace, &["user", "add", "vic"], &format!("{PASSWORD}\n"));
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 3);
    let server = program.http_address();
    let played = |url: &str| {
        let folder = vlc(url, 4);
        let file = folder.path().join("played.ts");
        if std::fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
            return 0;
        }
        video_stream(file.to_str().unwrap())["nb_read_frames"].as_str().unwrap_or("0").parse::<u32>().unwrap()
    };
    // a machine that has much to do may use up VLC's seconds before the first picture
    let plays = |url: &str| eventually(LIMIT, "VLC to play", || played(url) > 30);
    let address = |path: &str| format!("http://vic:{PASSWORD}@{server}{path}");
    for path in ["/live.m3u8", "/cameras/gate/recent.m3u8", "/cameras/gate/live.mp4"] {
        plays(&address(path));
    }

    let said = done(&workspace, &["share", "add", "--hours", "1", "--note", "the neighbour"], "");
    let tokens: Vec<&str> =
        said.lines().filter_map(|line| line.split_once("?token=")).map(|(_, token)| token).collect();
    assert!(tokens.len() == 2 && tokens[0] == tokens[1] && tokens[0].len() == 43, "{said}");
    let link = |file: &str| format!("http://{server}/cameras/gate/{file}?token={}", tokens[0]);
    plays(&link("recent.m3u8"));

    // hls.js on another site
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/players");
    let site = Site::start(vec![folder.join("hls.html"), npm::modules().join("hls.js/dist/hls.min.js")]);
    let browser = Browser::start();
    browser.open(&site.url(&format!("hls.html?src={}", link("live.m3u8"))));
    let time = || browser.eval("return document.getElementById('v').currentTime").as_f64().unwrap();
    let begun = eventually(LIMIT, "hls.js to play", || Some(time()).filter(|time| *time > 0.5));
    eventually(LIMIT, "hls.js to play on", || (time() > begun + 4.0).then_some(()));

    let listed = done(&workspace, &["share", "list"], "");
    assert!(listed.contains("the neighbour") && !listed.contains(tokens[0]), "{listed}");
    let mut endless = std::net::TcpStream::connect(server).unwrap();
    std::io::Write::write_all(
        &mut endless,
        format!("GET /cameras/gate/live.mp4?token={} HTTP/1.1\r\nHost: x\r\n\r\n", tokens[0]).as_bytes(),
    )
    .unwrap();
    done(&workspace, &["share", "revoke", listed.split_whitespace().next().unwrap()], "");
    eventually(LIMIT, "the link to end", || {
        let status =
            http::get(server, &format!("/cameras/gate/live.m3u8?token={}", tokens[0])).unwrap().status;
        if status == 401 { Ok(()) } else { Err(status) }
    });
    // who watches by it is cut off, too
    endless.set_read_timeout(Some(LIMIT)).unwrap();
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut endless, &mut all).unwrap();
    let log = program.log().join("\n");
    assert!(!log.contains(tokens[0]) && !log.contains(PASSWORD), "a secret is in the log");
}

#[test]
fn a_thousand_wrong_passwords_open_nothing_and_hold_up_nobody() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = guarded(&bucket, &camera);
    for user in ["vic", "ada"] {
        done(&workspace, &["user", "add", user], PASSWORD);
    }
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let server = program.http_address();
    let right = basic("vic", PASSWORD);
    let asks = || http::request(server, "GET", "/cameras/gate/live.m3u8", &[("Authorization", &right)], &[]);
    assert_eq!(asks().unwrap().status, 200);
    let (mut wrong, mut slowed, began) = (0, 0, Instant::now());
    for number in 0..1000 {
        let answer = log_in(server, "vic", &format!("guess number {number}"));
        assert!(answer.header("set-cookie").is_none());
        match answer.status {
            401 => wrong += 1,
            429 => {
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=60).contains(&wait), "{wait}");
                slowed += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
        if number % 100 == 0 {
            // who is in stays in
            assert_eq!(asks().unwrap().status, 200);
        }
    }
    // six at first, and one for every twelve seconds
    let allowed = 7 + began.elapsed().as_secs() / 12;
    assert!(wrong <= allowed && wrong + slowed == 1000, "{wrong} of 1000 were tried");
    // who was not in before waits his turn at this address, also with the right one
    assert_eq!(log_in(server, "ada", PASSWORD).status, 429);
    uploaded(&workspace, "gate", 3);
}

#[test]
fn users_are_made_by_command_and_mistakes_are_told_in_words() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = guarded(&bucket, &camera);
    done(&workspace, &["user", "add", "ada", "--role", "admin"], &format!("{PASSWORD}\n"));
    done(&workspace, &["user", "add", "vic"], PASSWORD);
    let random = done(&workspace, &["user", "add", "guest", "--random"], "");
    let random = random.lines().find_map(|line| line.strip_prefix("password: ")).unwrap();
    let listed = done(&workspace, &["user", "list"], "");
    assert!(listed.contains("admin   ada ") && listed.contains("viewer  vic "), "{listed}");
    assert!(!listed.contains("argon2"), "{listed}");
    refused(&workspace, &["user", "add", "vic"], PASSWORD, "there is one of this name");
    refused(&workspace, &["user", "add", "Vic Tor"], PASSWORD, "allowed 1 to 32 of a-z");
    refused(&workspace, &["user", "add", "eve"], "short", "found 5 characters, allowed 8 to 256");
    refused(&workspace, &["user", "passwd", "eve"], PASSWORD, "there is ada, guest, vic");
    refused(&workspace, &["user", "remove", "eve"], "", "there is no such user");
    refused(&workspace, &["share", "add", "--camera", "yard"], "", "the file has gate");
    refused(&workspace, &["share", "revoke", "77"], "", "there is no link 77");

    let program = Program::start(&workspace);
    let server = program.http_address();
    assert!(
        !program.log().iter().any(|line| line.contains("made the user admin")),
        "somebody is there already"
    );
    let asks = |user: &str, password: &str, path: &str| {
        http::request(server, "GET", path, &[("Authorization", &basic(user, password))], &[]).unwrap().status
    };
    assert_eq!(asks("ada", PASSWORD, "/api/v1/shares"), 200);
    assert_eq!(asks("vic", PASSWORD, "/api/v1/shares"), 403);
    assert_eq!(asks("vic", PASSWORD, "/api/v1/status"), 200);
    assert_eq!(asks("guest", random, "/api/v1/status"), 200);
    done(&workspace, &["user", "remove", "guest"], "");
    eventually(Duration::from_secs(20), "the guest to be let in no more", || {
        Some(asks("guest", random, "/api/v1/status")).filter(|status| matches!(status, 401 | 429)).map(drop)
    });
}
