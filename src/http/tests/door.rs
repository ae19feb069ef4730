//! Who may have what, for every route as data, over real connections.

use std::time::Duration;

use base64::Engine;
use serde_json::json;

use super::*;
use crate::access::{Area, Name, Password, Role, add_user};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    Viewer,
    Admin,
    /// With a link to `gate`.
    Link,
    LiveLink,
    /// With a password, a cookie or a token that is none.
    Stranger,
}

const ALL: [Who; 6] = [Who::Nobody, Who::Viewer, Who::Admin, Who::Link, Who::LiveLink, Who::Stranger];

struct Guarded {
    world: World,
    link: String,
    live_link: String,
}

impl Guarded {
    async fn new(public: &[Area]) -> Guarded {
        let auth = AuthConfig { enabled: Some(true), public: public.to_vec(), ..AuthConfig::default() };
        let world = World::behind(Live::default(), Some(auth), |_| {}).await;
        for (name, role) in [("ada", Role::Admin), ("vic", Role::Viewer)] {
            let password = Password::new(&format!("password of {name}")).unwrap();
            add_user(&world.store, &Name::new(name).unwrap(), role, &password).unwrap();
        }
        let run = world.run();
        world.segment(run, FIRST, b"footage");
        let mut guarded = Guarded { world, link: String::new(), live_link: String::new() };
        guarded.link = guarded.made_link(false).await;
        guarded.live_link = guarded.made_link(true).await;
        guarded
    }

    /// Asks as one who may, and returns the token.
    async fn made_link(&self, live_only: bool) -> String {
        let wish = json!({ "camera": "gate", "hours": 1, "live_only": live_only }).to_string();
        let made = self.post("/api/v1/shares", &wish, &[("Authorization", &basic("ada"))]).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["live"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()
    }

    async fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: recorder\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in [("Content-Type", "application/json")].iter().chain(headers) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.world.send(format!("{request}\r\n{body}").as_bytes()).await
    }

    async fn as_who(&self, who: Who, method: &str, path: &str) -> Got {
        let with = |token: &str| format!("{path}{}token={token}", if path.contains('?') { '&' } else { '?' });
        match who {
            Who::Nobody => self.world.ask(method, path, &[]).await,
            Who::Viewer => self.world.ask(method, path, &[("Authorization", &basic("vic"))]).await,
            Who::Admin => self.world.ask(method, path, &[("Authorization", &basic("ada"))]).await,
            Who::Link => self.world.ask(method, &with(&self.link), &[]).await,
            Who::LiveLink => self.world.ask(method, &with(&self.live_link), &[]).await,
            Who::Stranger => {
                self.world.ask(method, &with(&"x".repeat(43)), &[("Cookie", "cctv_session=forged")]).await
            }
        }
    }

    async fn log_in(&self, user: &str, password: &str) -> Got {
        self.post("/login", &json!({ "user": user, "password": password }).to_string(), &[]).await
    }
}

fn basic(user: &str) -> String {
    let both = format!("{user}:password of {user}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both))
}

fn is_let_in(got: &Got) -> bool {
    !matches!(got.status, 303 | 401 | 403)
}

/// (method, path, who is let in)
const ROUTES: &[(&str, &str, &[Who])] = &[
    ("GET", "/", PAGE),
    ("GET", "/ui/app.js", &ALL),
    ("GET", "/ui/login.js", &ALL),
    ("GET", "/login", &ALL),
    ("OPTIONS", "/live.m3u8", &ALL),
    ("GET", "/health", ADMIN),
    ("GET", "/metrics", ADMIN),
    ("GET", "/health/live", &ALL),
    ("GET", "/health/ready", &ALL),
    ("GET", "/live.m3u8", LIVE),
    ("GET", "/cameras/gate/live.m3u8", LIVE),
    ("GET", "/cameras/yard/live.m3u8", PAGE),
    ("GET", "/cameras/gate/live/1.m4s", LIVE),
    ("GET", "/cameras/gate/live/1.0.m4s", LIVE),
    ("GET", "/cameras/gate/live/init_1.mp4", LIVE),
    ("GET", "/cameras/gate/live.mp4", LIVE),
    ("GET", "/cameras/gate/live.ws", LIVE),
    ("GET", "/cameras/gate/snapshot.jpg", LIVE),
    ("GET", "/cameras/gate/recent.m3u8", RECENT),
    ("GET", "/cameras/gate/segments/segment_1763906400.ts", RECENT),
    ("GET", "/cameras/yard/segments/segment_1763906400.ts", PAGE),
    ("GET", "/cameras/gate/play.mp4?start=2025-11-23T14:00:00Z", RECENT),
    ("GET", "/cameras/gate/thumbs?at=2025-11-23T14:00:00Z", RECENT),
    ("GET", "/cameras/gate/thumbs/segment_1763906400.jpg", RECENT),
    ("GET", "/api/v1/status", PAGE),
    ("HEAD", "/api/v1/events", PAGE),
    ("GET", "/api/v1/cameras", PAGE),
    ("GET", "/api/v1/cameras/gate", PAGE),
    ("GET", "/api/v1/cameras/gate/timeline", PAGE),
    ("GET", "/api/v1/session", &ALL),
    ("GET", "/api/v1/shares", ADMIN),
    ("POST", "/api/v1/shares", ADMIN),
    ("DELETE", "/api/v1/shares/999", ADMIN),
    // what there is not: only who is known is told so, and with it the names of the cameras
    ("GET", "/nothing", KNOWN),
    ("GET", "/cameras/cellar/live.m3u8", KNOWN),
    ("PUT", "/live.m3u8", KNOWN),
    ("GET", "/cameras/gate/segments/..%2f..%2fetc%2fpasswd", KNOWN),
    ("GET", "/cameras/gate/segments/../../../etc/passwd", KNOWN),
    ("GET", "//health", KNOWN),
    ("GET", "/Health", KNOWN),
    ("GET", "/health/", KNOWN),
    ("GET", "/ui/../health", KNOWN),
    ("GET", "/%2e/", KNOWN),
];
const ADMIN: &[Who] = &[Who::Admin];
const PAGE: &[Who] = &[Who::Viewer, Who::Admin];
const LIVE: &[Who] = &[Who::Viewer, Who::Admin, Who::Link, Who::LiveLink];
const RECENT: &[Who] = &[Who::Viewer, Who::Admin, Who::Link];
const KNOWN: &[Who] = LIVE;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_who_may_and_nobody_else() {
    let guarded = Guarded::new(&[]).await;
    for (method, path, who_may) in ROUTES {
        for who in ALL {
            let got = guarded.as_who(who, method, path).await;
            let expected = who_may.contains(&who);
            assert_eq!(
                is_let_in(&got),
                expected,
                "{method} {path} as {who:?}: {} {}",
                got.status,
                got.text()
            );
            if !expected {
                assert!(
                    !got.text().contains("gate") && !got.text().contains("yard"),
                    "{path}: {}",
                    got.text()
                );
            }
        }
    }
    guarded.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tricks_with_headers_open_nothing() {
    let guarded = Guarded::new(&[]).await;
    for (name, value) in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Original-URL", "/login"),
        ("X-Rewrite-URL", "/login"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("Host", "localhost"),
        ("Authorization", "Bearer null"),
        ("Authorization", "Basic Og=="),
        ("Authorization", "Basic YWRhOg=="),
        ("Cookie", "cctv_session="),
        ("Cookie", "cctv_session=; cctv_session=../../etc"),
        ("Referer", "http://recorder/"),
        ("Origin", "null"),
        ("Upgrade", "websocket"),
    ] {
        for path in ["/live.m3u8", "/api/v1/status", "/api/v1/shares"] {
            let got = guarded.world.ask("GET", path, &[(name, value)]).await;
            assert!(matches!(got.status, 400 | 401), "{path} with {name}: {value}: {}", got.status);
        }
    }
    guarded.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_area_is_open_and_the_others_are_not() {
    let guarded = Guarded::new(&[Area::Live]).await;
    for (path, is_open) in
        [("/live.m3u8", true), ("/cameras/yard/live.m3u8", true), ("/cameras/gate/recent.m3u8", false)]
    {
        let got = guarded.as_who(Who::Nobody, "GET", path).await;
        assert_eq!(is_let_in(&got), is_open, "{path}");
        assert_eq!(got.header("access-control-allow-origin").is_some(), is_open, "{path}");
    }
    // by a password, other sites' pages see nothing and shared caches keep nothing
    let path = "/cameras/gate/segments/segment_1763906400.ts";
    let got = guarded.as_who(Who::Viewer, "GET", path).await;
    assert_eq!(got.header("access-control-allow-origin"), None);
    assert_eq!(got.header("cache-control"), Some("private, max-age=31536000, immutable"));
    guarded.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_by_password_brings_a_pass_for_looking_only() {
    let guarded = Guarded::new(&[]).await;
    let got = guarded.as_who(Who::Admin, "GET", "/cameras/gate/recent.m3u8").await;
    let cookie = got.header("set-cookie").unwrap();
    assert!(cookie.starts_with("cctv_pass=") && cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(cookie.contains("; Max-Age=120;"), "{cookie}");
    let shown = [("Cookie", cookie.split(';').next().unwrap())];
    let path = "/cameras/gate/segments/segment_1763906400.ts";
    assert_eq!(guarded.world.ask("GET", path, &shown).await.status, 200);
    let again = guarded.world.ask("GET", "/cameras/gate/recent.m3u8", &shown).await;
    assert_eq!((again.status, again.header("set-cookie")), (200, None), "a pass brings no other");
    // an administrator's, too
    assert_eq!(guarded.world.ask("GET", "/api/v1/shares", &shown).await.status, 403);
    // who comes by a link gets none
    let by_link = guarded.as_who(Who::Link, "GET", "/cameras/gate/recent.m3u8").await;
    assert_eq!((by_link.status, by_link.header("set-cookie")), (200, None));
    guarded.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_and_out() {
    let guarded = Guarded::new(&[]).await;
    let world = &guarded.world;
    let page = world.get("/").await;
    assert_eq!((page.status, page.header("location")), (303, Some("/login")));
    let wrong = guarded.log_in("ada", "guess").await;
    assert_eq!(
        (wrong.status, wrong.header("set-cookie"), wrong.header("www-authenticate")),
        (401, None, None)
    );
    let right = guarded.log_in("ada", "password of ada").await;
    assert_eq!((right.status, right.json()), (200, json!({ "user": "ada", "role": "admin" })));
    let cookie = right.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let who = world.ask("GET", "/api/v1/session", &[("Cookie", cookie)]).await.json();
    assert_eq!(who, json!({ "auth": true, "user": "ada", "role": "admin" }));
    assert_eq!(world.ask("GET", "/", &[("Cookie", cookie)]).await.status, 200);

    // another site's page: its post is not taken, and its WebSocket not opened
    for foreign in [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
        let got = guarded.post("/logout", "", &[("Cookie", cookie), foreign]).await;
        assert_eq!(got.status, 403, "{foreign:?}");
        let socket = world.ask("GET", "/cameras/gate/live.ws", &[("Cookie", cookie), foreign]).await;
        assert_eq!(socket.status, 403, "{foreign:?}");
    }
    let own = ("Origin", "http://recorder");
    assert_eq!(guarded.post("/logout", "", &[("Cookie", cookie), own]).await.status, 200);
    let after = world.ask("GET", "/cameras/gate/recent.m3u8", &[("Cookie", cookie)]).await;
    assert_eq!((after.status, after.header("www-authenticate")), (401, None));
    let bare = world.get("/cameras/gate/recent.m3u8").await;
    assert!(bare.header("www-authenticate").unwrap().starts_with("Basic realm="));
    guarded.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_wishes_are_answered_in_words_and_show_no_secret() {
    let guarded = Guarded::new(&[]).await;
    let ada = basic("ada");
    let login = r#"{"user": "ada", "password": "sesame", "x"#;
    for (path, body, kind, status) in [
        ("/login", login, "application/json", 400),
        ("/login", "user=ada&password=sesame", "application/x-www-form-urlencoded", 415),
        ("/login", &"x".repeat(5000), "application/json", 413),
        ("/api/v1/shares", r#"{"camera": "cellar"}"#, "application/json", 400),
        ("/api/v1/shares", r#"{"camera": "gate", "hours": 0}"#, "application/json", 400),
        ("/api/v1/shares", r#"{"camera": "gate", "houers": 3}"#, "application/json", 400),
        ("/api/v1/shares", r#"{"camera": "gate", "note": "a\nb"}"#, "application/json", 400),
    ] {
        let got = guarded.post(path, body, &[("Authorization", &ada), ("Content-Type", kind)]).await;
        let got = if kind == "application/json" {
            got
        } else {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: recorder\r\nConnection: close\r\nContent-Type: {kind}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            guarded.world.send(request.as_bytes()).await
        };
        assert_eq!(got.status, status, "{path} {body}: {}", got.text());
        assert!(!got.text().contains("sesame"), "{}", got.text());
    }
    guarded.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_listed_without_its_token_works_and_is_revoked() {
    let guarded = Guarded::new(&[]).await;
    let playlist = guarded.as_who(Who::Link, "GET", "/cameras/gate/recent.m3u8").await;
    let segment = format!("/cameras/gate/segments/segment_1763906400.ts?token={}", guarded.link);
    assert!(playlist.text().contains(&segment), "{}", playlist.text());
    assert_eq!(playlist.header("access-control-allow-origin"), Some("*"));
    assert_eq!(guarded.world.get(&segment).await.body, b"footage");
    let listed = guarded.as_who(Who::Admin, "GET", "/api/v1/shares").await;
    assert_eq!(listed.json()["shares"].as_array().unwrap().len(), 2);
    assert!(!listed.text().contains(&guarded.link));
    let id = listed.json()["shares"][0]["id"].to_string();
    let path = format!("/api/v1/shares/{id}");
    assert_eq!(guarded.as_who(Who::Admin, "DELETE", &path).await.status, 200);
    assert_eq!(guarded.as_who(Who::Admin, "DELETE", &path).await.status, 404);
    let begin = std::time::Instant::now();
    // believed for a few seconds at most
    loop {
        let got = guarded.world.get(&segment).await;
        if got.status == 401 {
            assert!(got.text().contains("not valid any more") && got.header("www-authenticate").is_none());
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "the link still works");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    guarded.world.stop().await;
}
