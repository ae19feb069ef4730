//! At the door: what each route needs, and how one is answered who may not come in.
//!
//! Called by the handler before and after it follows a route. Who somebody is, `access` finds out.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, BodyStream, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER,
    SET_COOKIE, WWW_AUTHENTICATE,
};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::{self, Answer, Body, set};
use super::api::Endpoint;
use super::handler::Handler;
use super::page;
use super::route::{Refusal, Route};
use crate::access::{
    Area, COOKIE, Caller, Credentials, Gate, Grant, Need, PASS, PASS_COOKIE, Refused, Role, Who,
};
use crate::live::Rendered;

/// What is sent to be read: names, passwords, wishes for links.
const MOST_BYTES: usize = 4096;
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Browsers send a cookie as long as they keep it; whether it still means something is known here alone.
const COOKIE_SECONDS: u64 = 400 * 86_400;

/// Who is at the other end of a connection; the connection puts it into each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: IpAddr,
    pub is_tls: bool,
}

impl Route {
    /// What is asked of who wants this.
    pub fn need(&self) -> Need {
        let area = |area, camera: &_| Need::Area(area, Some(Clone::clone(camera)));
        match self {
            // files of the program, the same everywhere; the page itself is sent to those who may see it
            Route::Page(file) if *file != page::index() => Need::Nothing,
            Route::Page(_) => Need::Area(Area::Page, None),
            Route::LoginPage | Route::Login | Route::Logout | Route::Preflight | Route::Probe(_) => {
                Need::Nothing
            }
            Route::Health => Need::Area(Area::Health, None),
            Route::Metrics => Need::Area(Area::Metrics, None),
            Route::Live(camera)
            | Route::LivePart(camera, ..)
            | Route::LiveSegment(camera, _)
            | Route::LiveInit(camera, _)
            | Route::LiveStream(camera)
            | Route::LiveSocket(camera)
            | Route::Snapshot(camera) => area(Area::Live, camera),
            Route::Recent(camera)
            | Route::Segment(camera, _)
            | Route::Play(camera)
            | Route::Thumb(camera, _)
            | Route::ThumbAt(camera) => area(Area::Recent, camera),
            Route::Api(Endpoint::Session) => Need::Nothing,
            Route::Api(Endpoint::Shares | Endpoint::NewShare | Endpoint::EndShare(_)) => Need::Admin,
            Route::Api(
                Endpoint::Status
                | Endpoint::Events
                | Endpoint::Cameras
                | Endpoint::Camera(_)
                | Endpoint::Timeline(_),
            ) => Need::Area(Area::Page, None),
        }
    }

    /// Whether its answer goes on for as long as somebody watches.
    pub fn is_endless(&self) -> bool {
        matches!(
            self,
            Route::LiveStream(_) | Route::LiveSocket(_) | Route::Play(_) | Route::Api(Endpoint::Events)
        )
    }
}

pub fn caller(request: &Request<Incoming>) -> Caller {
    let peer = peer(request);
    Caller { address: peer.address, credentials: Credentials::of(request.headers(), request.uri().query()) }
}

fn peer(request: &Request<Incoming>) -> Peer {
    let unknown = Peer { address: IpAddr::from([0; 4]), is_tls: false };
    request.extensions().get().copied().unwrap_or(unknown)
}

/// Whether the page of another site asks, in the name of somebody who is logged in here.
pub fn is_foreign(request: &Request<Incoming>) -> bool {
    let text = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(&FETCH_SITE) {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(&ORIGIN) else { return false };
    let host = request.uri().authority().map(|authority| authority.as_str()).or_else(|| text(&HOST));
    origin.split_once("://").map(|(_, authority)| authority) != host
}

/// The answer for somebody who may not come in.
pub fn refused(why: Refused, route: Option<&Route>, caller: &Caller) -> Answer {
    if let (Refused::Unknown | Refused::Wrong, Some(Route::Page(_))) = (&why, route) {
        let mut answer = answer::text(StatusCode::SEE_OTHER, "text/plain", "log in first\n");
        set(&mut answer, LOCATION, "/login");
        return answer;
    }
    let shown = &caller.credentials;
    let refusal = match &why {
        Refused::Unknown => {
            Refusal::new(401, "this needs a login", "log in at /login, or give name and password")
        }
        Refused::Wrong if shown.has_share => {
            Refusal::new(401, "this link is not valid any more", "ask for a new one")
        }
        Refused::Wrong => Refusal::new(
            401,
            "the name, the password or the session is not valid",
            "log in at /login, or give name and password",
        ),
        Refused::Forbidden => {
            Refusal::new(403, "this is not for you", "an administrator can give you the right")
        }
        Refused::Wait(left) => Refusal::new(
            429,
            "there were too many wrong passwords",
            format!("try again in {} s", seconds(*left)),
        ),
        Refused::Unable(words) => Refusal::new(503, words.clone(), "try again"),
    };
    let mut answer = answer::refusal(&refusal);
    if let Refused::Wait(left) = why {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(left)));
    }
    // a browser would ask with a window of its own: for the page there is a better place, and a link has no password
    let is_pages_own =
        shown.has_session || shown.has_share || matches!(route, Some(Route::Api(_) | Route::Login));
    if refusal.status == 401 && !is_pages_own {
        set(&mut answer, WWW_AUTHENTICATE, "Basic realm=\"cctv-s3-pipeline\", charset=\"UTF-8\"");
    }
    answer
}

fn seconds(left: Duration) -> u64 {
    left.as_secs() + 1
}

/// What only some may see, no cache may keep for others.
pub fn keep_private(answer: &mut Answer) {
    let value = answer.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let private = value.and_then(|value| value.strip_prefix("public")).map(|rest| format!("private{rest}"));
    if let Some(value) = private.and_then(|value| HeaderValue::from_str(&value).ok()) {
        answer.headers_mut().insert(CACHE_CONTROL, value);
    }
}

/// The body, cut off where `over` ends first.
pub fn until(answer: Answer, over: impl Future<Output = ()> + Send + 'static) -> Answer {
    answer.map(|body| Body::new(StreamBody::new(BodyStream::new(body).take_until(Box::pin(over)))))
}

/// The playlist for who came by a link: the others share theirs.
pub fn for_link(rendered: Arc<Rendered>, grant: &Grant) -> Arc<Rendered> {
    let Some(token) = &grant.token else { return rendered };
    let text = String::from_utf8_lossy(&rendered.text);
    Arc::new(Rendered::new(with_token(&text, token.as_str())))
}

/// Writes a link's token into every address of a playlist, so that players need nothing else.
fn with_token(playlist: &str, token: &str) -> String {
    let mut text = String::with_capacity(playlist.len() + playlist.len() / 2);
    for line in playlist.lines() {
        match line.split_once("URI=\"").and_then(|(before, rest)| Some((before, rest.split_once('"')?))) {
            Some((before, (uri, after))) if line.starts_with('#') => {
                text.push_str(&format!("{before}URI=\"{uri}?token={token}\"{after}"));
            }
            _ if line.starts_with('#') || line.is_empty() => text.push_str(line),
            _ => text.push_str(&format!("{line}?token={token}")),
        }
        text.push('\n');
    }
    text
}

#[derive(Deserialize)]
struct LogIn {
    user: String,
    password: String,
}

impl Handler {
    pub(super) async fn log_in(&self, request: &mut Request<Incoming>) -> Result<Answer, Refusal> {
        if !self.access.is_on() {
            return Err(Refusal::new(404, "nobody needs to log in here", "server.auth is off"));
        }
        let peer = peer(request);
        let LogIn { user, password } = read(request, "{\"user\": \"…\", \"password\": \"…\"}").await?;
        let logged_in = match self.access.log_in(peer.address, &user, &password).await {
            Ok(logged_in) => logged_in,
            Err(why) => return Ok(refused(why, Some(&Route::Login), &caller(request))),
        };
        log::info!("[http] {user} logged in from {}", peer.address);
        let mut answer =
            answer::json(StatusCode::OK, &json!({ "user": user, "role": logged_in.role.as_str() }));
        set_cookie(&mut answer, COOKIE, logged_in.token.as_str(), COOKIE_SECONDS, peer.is_tls);
        Ok(answer)
    }

    pub(super) async fn log_out(&self, request: &Request<Incoming>) -> Result<Answer, Refusal> {
        let caller = caller(request);
        if let Err(why) = self.access.log_out(&caller.credentials).await {
            return Ok(refused(why, Some(&Route::Login), &caller));
        }
        let mut answer = answer::json(StatusCode::OK, &json!({ "user": null }));
        set_cookie(&mut answer, COOKIE, "", 0, peer(request).is_tls);
        Ok(answer)
    }

    /// Who is logged in, for the page.
    pub(super) fn who(&self, grant: &Grant) -> serde_json::Value {
        let (user, role) = match &grant.who {
            Some(Who::User { name, role }) => (Some(name.as_str()), Some(*role)),
            _ => (None, None),
        };
        json!({ "auth": self.access.is_on(), "user": user, "role": role.map(Role::as_str) })
    }

    /// Who may come in, with what. The second is the answer for who may not.
    pub(super) async fn admit(
        &self,
        routed: &Result<Route, Refusal>,
        request: &Request<Incoming>,
    ) -> Result<(Caller, Need, Grant), Answer> {
        let caller = caller(request);
        let route = routed.as_ref().ok();
        // what there is not is told to those who may know what there is
        let need = route.map_or(Need::Known, Route::need);
        let foreign = || {
            let hint = "open this recorder's own page";
            answer::refusal(&Refusal::new(403, "a page of another site asks for this", hint))
        };
        if route.is_some_and(Route::writes) && is_foreign(request) {
            return Err(foreign());
        }
        let grant = match self.access.check(&caller, &need).await {
            Ok(grant) => grant,
            Err(why) => return Err(refused(why, route, &caller)),
        };
        // a WebSocket carries the cookie wherever it is opened from
        let is_socket = matches!(route, Some(Route::LiveSocket(_)));
        if is_socket && matches!(grant.who, Some(Who::User { .. })) && is_foreign(request) {
            return Err(foreign());
        }
        Ok((caller, need, grant))
    }

    /// The answer to a playlist, with the pass for what it names where the viewer came by password.
    pub(super) fn with_pass(&self, mut answer: Answer, grant: &Grant, request: &Request<Incoming>) -> Answer {
        if let Some(pass) = self.access.pass(grant) {
            set_cookie(&mut answer, PASS_COOKIE, pass.as_str(), PASS.as_secs(), peer(request).is_tls);
        }
        answer
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.access
    }
}

fn set_cookie(answer: &mut Answer, name: &str, value: &str, seconds: u64, is_tls: bool) {
    let secure = if is_tls { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// The request's body, which is JSON of the form `like`. A form of another site cannot send this type.
pub async fn read<T: DeserializeOwned>(request: &mut Request<Incoming>, like: &str) -> Result<T, Refusal> {
    if !is_json(request.headers()) {
        return Err(Refusal::new(
            415,
            "the body is not JSON",
            format!("send Content-Type: application/json and {like}"),
        ));
    }
    let body = Limited::new(request.body_mut(), MOST_BYTES).collect().await.map(|body| body.to_bytes());
    let body: Bytes =
        body.map_err(|_| Refusal::new(413, format!("the body has more than {MOST_BYTES} bytes"), like))?;
    // its words could show what was sent
    serde_json::from_slice(&body).map_err(|_| Refusal::new(400, "the body is not what is wanted here", like))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_into_every_address_and_nothing_else() {
        let playlist = "#EXTM3U\n#EXT-X-MAP:URI=\"/cameras/a/live/init_1.mp4\"\n\
            #EXT-X-PART:DURATION=0.2,URI=\"/cameras/a/live/1.0.m4s\",INDEPENDENT=YES\n#EXTINF:2.0,\n/cameras/a/live/1.m4s\n";
        let expected = "#EXTM3U\n#EXT-X-MAP:URI=\"/cameras/a/live/init_1.mp4?token=T\"\n\
            #EXT-X-PART:DURATION=0.2,URI=\"/cameras/a/live/1.0.m4s?token=T\",INDEPENDENT=YES\n\
            #EXTINF:2.0,\n/cameras/a/live/1.m4s?token=T\n";
        assert_eq!(with_token(playlist, "T"), expected);
    }

    #[test]
    fn what_not_everybody_may_see_is_kept_by_no_shared_cache() {
        let mut answer = answer::text(StatusCode::OK, "video/mp4", "");
        set(&mut answer, CACHE_CONTROL, "public, max-age=3600, immutable");
        keep_private(&mut answer);
        assert_eq!(answer.headers()[CACHE_CONTROL], "private, max-age=3600, immutable");
        set(&mut answer, CACHE_CONTROL, "no-cache");
        keep_private(&mut answer);
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-cache");
    }
}
