//! (method, path) → what is asked for, or why it is refused. Pure.
//!
//! Called by the handler for every request. Names that are not exactly ours end here, so that no text of a
//! viewer ever becomes a path on disk.

use hyper::Method;
use percent_encoding::percent_decode_str;

use super::{api, page};
use crate::segment::{CameraName, FileName};

/// What an answer can be made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A file of the page; `index.html` is the page itself.
    Page(&'static page::File),
    /// Where a browser logs in.
    LoginPage,
    /// Name and password come with it.
    Login,
    Logout,
    Health,
    /// Whether the parts go on, and whether footage is kept: for machines.
    Probe(Probe),
    Metrics,
    /// `live.m3u8` of one camera.
    Live(CameraName),
    /// A part of a live segment.
    LivePart(CameraName, u64, usize),
    LiveSegment(CameraName, u64),
    LiveInit(CameraName, u64),
    /// `live.mp4`, without an end.
    LiveStream(CameraName),
    /// `live.ws`, a WebSocket.
    LiveSocket(CameraName),
    /// The whole local buffer of one camera.
    Recent(CameraName),
    Segment(CameraName, FileName),
    /// `play.mp4`: recorded footage from a time on.
    Play(CameraName),
    /// A picture of the camera now.
    Snapshot(CameraName),
    /// The picture of a segment.
    Thumb(CameraName, FileName),
    /// `thumbs?at=`: leads to the picture of a time.
    ThumbAt(CameraName),
    /// Below `/api/`.
    Api(api::Endpoint),
    /// A browser asks whether another site's page may ask.
    Preflight,
}

/// What a machine asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    Live,
    Ready,
}

/// Why there is no answer, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub error: String,
    pub hint: String,
    /// The methods that there are instead.
    pub allow: Option<&'static str>,
}

impl Refusal {
    pub fn new(status: u16, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: hint.into(), allow: None }
    }
}

/// The methods that read.
pub const ALLOWED: &str = "GET, HEAD, OPTIONS";

const PATHS: &str = "there are /, /live.m3u8, /health, /metrics, /api/v1/status, and live.m3u8, live.mp4, live.ws, \
                     recent.m3u8, play.mp4 and snapshot.jpg of each camera under /cameras/NAME/";

/// Whether the answer, also a refusal, may be read by pages of other sites.
pub fn is_media(path: &str) -> bool {
    path == "/live.m3u8" || path.starts_with("/cameras/")
}

/// `cameras` in the order of the file; the first one answers `/live.m3u8`.
pub fn route<'a>(
    method: &Method,
    path: &str,
    cameras: impl Iterator<Item = &'a CameraName> + Clone,
) -> Result<Route, Refusal> {
    if method == Method::OPTIONS && path == "*" {
        return Ok(Route::Preflight);
    }
    let found = find(path, cameras)?;
    let allowed = found.methods();
    if !allowed.split(", ").any(|one| one == method.as_str()) {
        let hint = format!("the methods here are {allowed}");
        let refusal = Refusal::new(405, format!("{method} is not possible here"), hint);
        return Err(Refusal { allow: Some(allowed), ..refusal });
    }
    Ok(match (method, found) {
        (&Method::OPTIONS, _) => Route::Preflight,
        (&Method::POST, Route::LoginPage) => Route::Login,
        (&Method::POST, Route::Api(api::Endpoint::Shares)) => Route::Api(api::Endpoint::NewShare),
        (_, found) => found,
    })
}

impl Route {
    /// What can be done at the path of this route.
    fn methods(&self) -> &'static str {
        match self {
            Route::LoginPage | Route::Login | Route::Api(api::Endpoint::Shares | api::Endpoint::NewShare) => {
                "GET, HEAD, POST, OPTIONS"
            }
            Route::Logout => "POST, OPTIONS",
            Route::Api(api::Endpoint::EndShare(_)) => "DELETE, OPTIONS",
            _ => ALLOWED,
        }
    }

    /// Whether it changes something: then a page of another site must not ask for it.
    pub fn writes(&self) -> bool {
        use api::Endpoint::{EndShare, NewShare};
        matches!(self, Route::Login | Route::Logout | Route::Api(NewShare | EndShare(_)))
    }
}

fn find<'a>(path: &str, cameras: impl Iterator<Item = &'a CameraName> + Clone) -> Result<Route, Refusal> {
    let nothing = || Refusal::new(404, "there is nothing at this path", PATHS);
    let Some(path) = path.strip_prefix('/') else {
        return Err(Refusal::new(400, "the path does not begin with /", PATHS));
    };
    // split first: an encoded slash is part of a name, and no name of ours has one
    let parts = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts[..] {
        [""] => page::find("index.html").map(Route::Page).ok_or_else(nothing),
        ["ui", name] => page::find(name).map(Route::Page).ok_or_else(nothing),
        ["login"] => Ok(Route::LoginPage),
        ["logout"] => Ok(Route::Logout),
        ["health"] => Ok(Route::Health),
        ["health", "live"] => Ok(Route::Probe(Probe::Live)),
        ["health", "ready"] => Ok(Route::Probe(Probe::Ready)),
        ["metrics"] => Ok(Route::Metrics),
        ["live.m3u8"] => {
            let first = cameras.clone().next();
            first.map(|name| Route::Live(name.clone())).ok_or_else(|| no_camera("at all", cameras))
        }
        ["cameras", name, "live.m3u8"] => known(name, cameras).map(Route::Live),
        ["api", ref rest @ ..] => api::find(rest, |name| known(name, cameras)).map(Route::Api),
        ["cameras", name, "live.mp4"] => known(name, cameras).map(Route::LiveStream),
        ["cameras", name, "live.ws"] => known(name, cameras).map(Route::LiveSocket),
        ["cameras", name, "live", file] => {
            let camera = known(name, cameras)?;
            live_file(camera, file).ok_or_else(|| {
                let hint = "live.m3u8 lists them, such as 7.m4s, 8.0.m4s and init_1.mp4";
                Refusal::new(404, "no part of a live stream has such a name", hint)
            })
        }
        ["cameras", name, "recent.m3u8"] => known(name, cameras).map(Route::Recent),
        ["cameras", name, "play.mp4"] => known(name, cameras).map(Route::Play),
        ["cameras", name, "snapshot.jpg"] => known(name, cameras).map(Route::Snapshot),
        ["cameras", name, "thumbs"] => known(name, cameras).map(Route::ThumbAt),
        ["cameras", name, "thumbs", file] => {
            let camera = known(name, cameras)?;
            let file = FileName::parse_thumb(file).ok_or_else(|| {
                let hint = "thumbnails are named segment_SECONDS.jpg; thumbs?at=TIME leads to one";
                Refusal::new(404, "no thumbnail has such a name", hint)
            })?;
            Ok(Route::Thumb(camera, file))
        }
        ["cameras", name, "segments", file] => {
            let camera = known(name, cameras)?;
            let file = FileName::parse(file).ok_or_else(|| {
                Refusal::new(404, "no segment has such a name", "segments are named segment_SECONDS.ts")
            })?;
            Ok(Route::Segment(camera, file))
        }
        _ => Err(nothing()),
    }
}

fn live_file(camera: CameraName, file: &str) -> Option<Route> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| if digits(text) { text.parse::<u64>().ok() } else { None };
    if let Some(id) = file.strip_prefix("init_").and_then(|rest| rest.strip_suffix(".mp4")) {
        return Some(Route::LiveInit(camera, number(id)?));
    }
    let name = file.strip_suffix(".m4s")?;
    Some(match name.split_once('.') {
        None => Route::LiveSegment(camera, number(name)?),
        Some((segment, part)) => {
            let part = usize::try_from(number(part)?).ok()?;
            Route::LivePart(camera, number(segment)?, part)
        }
    })
}

fn decode(part: &str) -> Result<String, Refusal> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| {
        Refusal::new(400, "the path is not UTF-8 once it is decoded", "encode the path as UTF-8")
    })?;
    Ok(text.into_owned())
}

fn known<'a>(
    name: &str,
    mut cameras: impl Iterator<Item = &'a CameraName> + Clone,
) -> Result<CameraName, Refusal> {
    let all = cameras.clone();
    cameras.find(|camera| camera.as_str() == name).cloned().ok_or_else(|| no_camera("of this name", all))
}

fn no_camera<'a>(which: &str, cameras: impl Iterator<Item = &'a CameraName>) -> Refusal {
    let names: Vec<_> = cameras.map(CameraName::as_str).collect();
    Refusal::new(404, format!("there is no camera {which}"), format!("the cameras are: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CameraName {
        CameraName::new(text).unwrap()
    }

    fn ask(method: &Method, path: &str) -> Result<Route, Refusal> {
        let cameras = [name("gate"), name("yard")];
        route(method, path, cameras.iter())
    }

    #[test]
    fn every_path_leads_to_its_route() {
        let file = FileName::new(1_763_906_399);
        for (path, route) in [
            ("/", Route::Page(page::find("index.html").unwrap())),
            ("/ui/app.js", Route::Page(page::find("app.js").unwrap())),
            ("/health", Route::Health),
            ("/login", Route::LoginPage),
            ("/api/v1/session", Route::Api(api::Endpoint::Session)),
            ("/api/v1/shares", Route::Api(api::Endpoint::Shares)),
            ("/live.m3u8", Route::Live(name("gate"))),
            ("/cameras/yard/live.m3u8", Route::Live(name("yard"))),
            ("/cameras/y%61rd/live.m3u8", Route::Live(name("yard"))),
            ("/cameras/gate/recent.m3u8", Route::Recent(name("gate"))),
            ("/cameras/gate/segments/segment_1763906399.ts", Route::Segment(name("gate"), file)),
            ("/cameras/yard/play.mp4", Route::Play(name("yard"))),
            ("/cameras/yard/snapshot.jpg", Route::Snapshot(name("yard"))),
            ("/cameras/yard/thumbs", Route::ThumbAt(name("yard"))),
            ("/cameras/gate/thumbs/segment_1763906399.jpg", Route::Thumb(name("gate"), file)),
            ("/api/v1/status", Route::Api(api::Endpoint::Status)),
            ("/api/v1/cameras/yard/timeline", Route::Api(api::Endpoint::Timeline(name("yard")))),
            ("/cameras/gate/live.mp4", Route::LiveStream(name("gate"))),
            ("/cameras/gate/live.ws", Route::LiveSocket(name("gate"))),
            ("/cameras/gate/live/17.m4s", Route::LiveSegment(name("gate"), 17)),
            ("/cameras/gate/live/17.3.m4s", Route::LivePart(name("gate"), 17, 3)),
            ("/cameras/gate/live/init_4.mp4", Route::LiveInit(name("gate"), 4)),
        ] {
            assert_eq!(ask(&Method::GET, path), Ok(route.clone()), "{path}");
            assert_eq!(ask(&Method::HEAD, path), Ok(route), "{path}");
        }
    }

    #[test]
    fn whatever_is_not_exactly_ours_is_refused() {
        for (path, status) in [
            ("", 400),
            ("health", 400),
            ("*", 400),
            ("/cameras/%ff/live.m3u8", 400),
            ("//", 404),
            ("/health/", 404),
            ("/ui/", 404),
            ("/ui/index.htm", 404),
            ("/ui/..%2fhandler.rs", 404),
            ("/cameras", 404),
            ("/cameras/", 404),
            ("/cameras/cellar/live.m3u8", 404),
            ("/cameras/gate/segments/", 404),
            ("/cameras/gate/segments/segment_1.ts.part", 404),
            ("/cameras/gate/segments/../../etc/passwd", 404),
            ("/cameras/gate/segments/..%2f..%2fetc%2fpasswd", 404),
            ("/cameras/gate/thumbs/segment_1.ts", 404),
            ("/cameras/gate/thumbs/..%2fsegment_1.jpg", 404),
            ("/api/v1/cameras/gate%2ftimeline", 404),
            ("/cameras/gate/segments/%2e%2e%2fsegment_1.ts", 404),
            ("/cameras/gate/segments/segment_1.ts%00", 404),
            ("/cameras/gate%2fsegments/segment_1.ts", 404),
            ("/cameras/../live.m3u8", 404),
            ("/cameras/gate/segments/%252e%252e", 404),
            ("/cameras/gate/live/", 404),
            ("/cameras/gate/live/.m4s", 404),
            ("/cameras/gate/live/+1.m4s", 404),
            ("/cameras/gate/live/1.-2.m4s", 404),
            ("/cameras/gate/live/1.2.3.m4s", 404),
            ("/cameras/gate/live/99999999999999999999.m4s", 404),
            ("/cameras/gate/live/init_x.mp4", 404),
            ("/cameras/cellar/live.ws", 404),
        ] {
            let refusal = ask(&Method::GET, path).expect_err(path);
            assert_eq!(refusal.status, status, "{path}");
            assert!(!refusal.error.is_empty() && !refusal.hint.is_empty());
        }
    }

    #[test]
    fn an_unknown_camera_is_answered_with_the_known_ones() {
        let refusal = ask(&Method::GET, "/cameras/cellar/live.m3u8").unwrap_err();
        assert_eq!(refusal.hint, "the cameras are: gate, yard");
    }

    #[test]
    fn methods_that_write_are_refused_and_unknown_paths_come_first() {
        assert_eq!(ask(&Method::POST, "/live.m3u8").unwrap_err().status, 405);
        assert_eq!(ask(&Method::DELETE, "/health").unwrap_err().status, 405);
        assert_eq!(ask(&Method::POST, "/nowhere").unwrap_err().status, 404);
        assert_eq!(ask(&Method::GET, "/logout").unwrap_err().allow, Some("POST, OPTIONS"));
        assert_eq!(ask(&Method::GET, "/api/v1/shares/7").unwrap_err().allow, Some("DELETE, OPTIONS"));
    }

    #[test]
    fn what_writes_has_its_own_method() {
        use api::Endpoint::{EndShare, NewShare};
        for (method, path, route) in [
            (Method::POST, "/login", Route::Login),
            (Method::POST, "/logout", Route::Logout),
            (Method::POST, "/api/v1/shares", Route::Api(NewShare)),
            (Method::DELETE, "/api/v1/shares/7", Route::Api(EndShare(7))),
        ] {
            assert!(route.writes());
            assert_eq!(ask(&method, path), Ok(route), "{path}");
        }
        assert_eq!(ask(&Method::DELETE, "/api/v1/shares/x").unwrap_err().status, 404);
    }

    #[test]
    fn a_preflight_is_answered_wherever_there_is_something() {
        for path in ["*", "/health", "/live.m3u8", "/cameras/gate/segments/segment_5.ts"] {
            assert_eq!(ask(&Method::OPTIONS, path), Ok(Route::Preflight), "{path}");
        }
        assert_eq!(ask(&Method::OPTIONS, "/nowhere").unwrap_err().status, 404);
    }

    #[test]
    fn playlists_and_segments_are_media_and_the_rest_is_not() {
        for (path, media) in [
            ("/live.m3u8", true),
            ("/cameras/gate/recent.m3u8", true),
            ("/cameras/nobody/segments/x", true),
            ("/", false),
            ("/health", false),
            ("*", false),
        ] {
            assert_eq!(is_media(path), media, "{path}");
        }
    }
}
