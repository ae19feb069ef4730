//! One request → one answer: asks the route, then the store and the board.
//!
//! Called by the server for every request of every connection. Reads only; takes at most [`READERS`] turns at
//! the database at once, so that viewers cannot crowd out the recorder that writes to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use tokio::sync::Semaphore;

use super::answer::{self, Answer};
use super::api::{Rates, events::Events};
use super::replay::Replays;
use super::report::{Facts, Report, Verdict};
use super::route::{Refusal, Route, is_media, route};
use super::socket::{self, Session};
use super::{Cameras, ServedCamera, door, file, live, page, playlist};
use crate::access::{Gate, Grant};
use crate::error::{Error, Kind, Result};
use crate::live::{Hub, Live, Rendered, Unavailable};
use crate::segment::{CameraName, FileName, Segment, Timestamp};
use crate::status::{Board, CameraState, Snapshot, StorageTrouble};
use crate::stills::Stills;
use crate::store::{CameraStats, Store};

/// Requests that read rows at once.
const READERS: usize = 4;
/// A day of ten-second segments. A recorder that was cut off for a week lists only the newest.
const RECENT_SEGMENTS: usize = 8640;
/// How long the first picture of a live stream is waited for: a camera's keyframes are seldom further apart, and
/// players give up after ten seconds.
const FIRST_PICTURE: Duration = Duration::from_secs(8);
/// The same trouble is written into the log this often, however many viewers meet it.
const REPEAT: Duration = Duration::from_secs(60);

pub struct Handler {
    pub(super) cameras: Cameras,
    live_segments: usize,
    pub(super) store: Store,
    pub(super) board: Board,
    /// Empty in a process that does not record.
    pub live: Live,
    readers: Semaphore,
    pub(super) rates: Rates,
    pub(super) events: Events,
    pub(super) replays: Replays,
    /// Empty in a process that does not record.
    pub(super) stills: Stills,
    pub(super) access: Gate,
    last_warning: Mutex<Option<Instant>>,
}

/// What a report is made of, as it was found.
pub struct Gathered {
    snapshot: Snapshot,
    stats: Vec<CameraStats>,
    free_bytes: Option<u64>,
}

impl Gathered {
    pub fn facts<'a>(&'a self, cameras: &'a [ServedCamera], now: Timestamp) -> Facts<'a> {
        let Gathered { snapshot, stats, free_bytes } = self;
        Facts { snapshot, stats, cameras, free_bytes: *free_bytes, now }
    }
}

impl Handler {
    pub fn new(cameras: Cameras, live_segments: usize, store: Store, board: Board) -> Handler {
        Handler {
            cameras,
            live_segments,
            store,
            board,
            live: Live::default(),
            readers: Semaphore::new(READERS),
            rates: Rates::default(),
            events: Events::default(),
            replays: Replays::default(),
            stills: Stills::default(),
            access: Gate::open(),
            last_warning: Mutex::default(),
        }
    }

    /// Never fails: what goes wrong is an answer too. What goes on after the answer comes with it.
    pub async fn answer(&self, mut request: Request<Incoming>) -> (Answer, Option<Session>) {
        let begun = Instant::now();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let path = uri.path();
        let cameras = self.cameras.now();
        let names = cameras.iter().map(|camera| &camera.name);
        let routed = route(request.method(), path, names);
        let (mut answer, session) = match self.admit(&routed, &request).await {
            Ok((caller, need, grant)) => {
                let (mut answer, mut session) = self.made(routed.clone(), &mut request, &grant).await;
                let is_endless =
                    routed.is_ok_and(|route| route.is_endless()) && !answer.status().is_client_error();
                if is_endless && !answer.status().is_server_error() && !grant.is_public {
                    let over = self.gate().over(caller.clone(), need.clone(), &grant);
                    answer = door::until(answer, over);
                    let over = self.gate().over(caller, need, &grant);
                    session = session.map(|session| -> Session {
                        Box::pin(async move {
                            tokio::select! { () = session => {}, () = over => {} }
                        })
                    });
                }
                // a page of another site shows what is for everybody, or what it has a link for; never by a cookie
                if is_media(path) && (grant.is_public || grant.token.is_some()) {
                    answer::open_to_other_sites(&mut answer);
                }
                if !grant.is_public {
                    door::keep_private(&mut answer);
                }
                (answer, session)
            }
            Err(refused) => (refused, None),
        };
        answer::secure(&mut answer);
        let status = answer.status().as_u16();
        // the path alone: what follows it may hold a token
        log::debug!("[http] {method} {path} {status} after {} ms", begun.elapsed().as_millis());
        (answer, session)
    }

    async fn made(
        &self,
        routed: Result<Route, Refusal>,
        request: &mut Request<Incoming>,
        grant: &Grant,
    ) -> (Answer, Option<Session>) {
        let result = match routed {
            Ok(Route::LiveSocket(camera)) => match self.socket(camera, request) {
                Ok((answer, session)) => return (answer, Some(session)),
                Err(refusal) => Err(refusal),
            },
            Ok(route) => self.follow(route, request, grant).await,
            Err(refusal) => Err(refusal),
        };
        (result.unwrap_or_else(|refusal| answer::refusal(&refusal)), None)
    }

    async fn follow(
        &self,
        route: Route,
        request: &mut Request<Incoming>,
        grant: &Grant,
    ) -> Result<Answer, Refusal> {
        match route {
            Route::LoginPage => Ok(page::answer(page::login(), request.headers())),
            Route::Login => self.log_in(request).await,
            Route::Logout => self.log_out(request).await,
            Route::Preflight => Ok(answer::preflight(is_media(request.uri().path()))),
            Route::Page(file) => Ok(page::answer(file, request.headers())),
            Route::Health => {
                let report = self.report().await;
                let status = match report.status {
                    Verdict::Down => StatusCode::SERVICE_UNAVAILABLE,
                    Verdict::Ok | Verdict::Degraded => StatusCode::OK,
                };
                Ok(answer::json(status, &report))
            }
            Route::Probe(probe) => Ok(self.probe(probe)),
            Route::Metrics => self.metrics().await,
            Route::Live(camera) => match self.live.hub(&camera) {
                Some(hub) => self.live_playlist(&hub, request, grant).await,
                // recorded by another process: its closed segments are all that can be seen from here
                None => self.playlist(camera, self.live_segments, request, grant).await,
            },
            Route::LivePart(camera, segment, part) => live::part(&*self.hub(&camera)?, segment, part).await,
            Route::LiveSegment(camera, segment) => live::segment(&*self.hub(&camera)?, segment),
            Route::LiveInit(camera, id) => live::init(&*self.hub(&camera)?, id),
            Route::LiveStream(camera) => {
                let hub = self.hub(&camera)?;
                let stream = live::endless(request.method(), &hub, self.patience(&camera)).await;
                stream.map_err(|why| self.explain(&camera, why))
            }
            // taken before: it needs the whole connection
            Route::LiveSocket(camera) => Err(self.explain(&camera, Unavailable::Gone)),
            Route::Recent(camera) => self.playlist(camera, RECENT_SEGMENTS, request, grant).await,
            Route::Segment(camera, file) => self.segment(camera, file, request).await,
            Route::Play(camera) => self.replay(camera, request).await,
            Route::Snapshot(camera) => self.snapshot(&camera, request.headers()).await,
            Route::Thumb(camera, file) => self.thumb(camera, file, request).await,
            Route::ThumbAt(camera) => self.thumb_at(camera, request.uri().query(), grant).await,
            Route::Api(endpoint) => self.api(endpoint, request, grant).await,
        }
    }

    fn hub(&self, camera: &CameraName) -> Result<Arc<Hub>, Refusal> {
        self.live.hub(camera).ok_or_else(|| {
            let hint = "open live.m3u8 or recent.m3u8 here, or ask the process that records";
            Refusal::new(503, format!("camera {camera} is recorded by another process"), hint)
        })
    }

    async fn live_playlist(
        &self,
        hub: &Arc<Hub>,
        request: &Request<Incoming>,
        grant: &Grant,
    ) -> Result<Answer, Refusal> {
        let want = live::want(request.uri().query())?;
        let rendered = hub.playlist(want, self.patience(hub.name())).await;
        let rendered = rendered.map_err(|why| self.explain(hub.name(), why))?;
        let answer = live::playlist(request.headers(), &door::for_link(rendered, grant));
        Ok(self.with_pass(answer, grant, request))
    }

    fn socket(
        &self,
        camera: CameraName,
        request: &mut Request<Incoming>,
    ) -> Result<(Answer, Session), Refusal> {
        let hub = self.hub(&camera)?;
        socket::answer(request, camera, self.board.clone(), move || hub.viewer())
    }

    /// A camera that is known to be away is not waited for.
    fn patience(&self, camera: &CameraName) -> Duration {
        let notice = self.board.snapshot().cameras.remove(camera);
        let is_away = notice.is_some_and(|notice| notice.state == CameraState::Waiting);
        if is_away { Duration::ZERO } else { FIRST_PICTURE }
    }

    fn explain(&self, camera: &CameraName, why: Unavailable) -> Refusal {
        match why {
            Unavailable::NothingYet => self.nothing_yet(camera, "sends no picture now"),
            why => live::unavailable(why),
        }
    }

    async fn playlist(
        &self,
        camera: CameraName,
        limit: usize,
        request: &Request<Incoming>,
        grant: &Grant,
    ) -> Result<Answer, Refusal> {
        let cameras = self.cameras.now();
        let target = cameras.iter().find(|served| served.name == camera);
        let target = target.map(|served| served.segment_duration).unwrap_or_default();
        let name = camera.clone();
        let text = self
            .rows(move |store| Ok(playlist::sliding(&store.newest(&name, limit)?, target)))
            .await
            .map_err(|error| self.trouble("read the playlist", &error))?;
        // players end on an empty playlist without a word; this answer has words and a time to come again
        let text = text.ok_or_else(|| self.nothing_yet(&camera, "has no footage on this machine yet"))?;
        let rendered = Arc::new(Rendered::new(text));
        let answer = live::playlist(request.headers(), &door::for_link(rendered, grant));
        Ok(self.with_pass(answer, grant, request))
    }

    pub(super) fn nothing_yet(&self, camera: &CameraName, what: &str) -> Refusal {
        let notice = self.board.snapshot().cameras.remove(camera);
        let hint = match notice.map(|notice| (notice.state, notice.reason)) {
            Some((state, Some(reason))) => format!("the camera is {}: {reason}", state.as_str()),
            Some((state, None)) => format!("the camera is {}; try again", state.as_str()),
            None => "try again when it records; /health says how it is".to_owned(),
        };
        Refusal::new(503, format!("camera {camera} {what}"), hint)
    }

    async fn segment(
        &self,
        camera: CameraName,
        file: FileName,
        request: &Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let found: Option<Segment> = self
            .rows(move |store| store.find(&camera, file))
            .await
            .map_err(|error| self.trouble("find the segment", &error))?;
        let segment = found.ok_or_else(|| {
            Refusal::new(404, "this camera has no such segment", "the playlists list what there is")
        })?;
        let path = self.store.path(&segment);
        file::answer(request.method(), request.headers(), &segment, path).await
    }

    async fn report(&self) -> Report {
        Report::new(&self.gather().await.facts(&self.cameras.now(), Timestamp::now()))
    }

    /// A database that does not answer is part of the report, not a reason to give none.
    pub(super) async fn gather(&self) -> Gathered {
        let read = self.rows(|store| Ok((store.stats()?, store.free_bytes().ok()))).await;
        let mut snapshot = self.board.snapshot();
        let (stats, free_bytes) = read.unwrap_or_else(|error| {
            self.warn("read the counts", &error);
            snapshot.storage_reason = Some(StorageTrouble { fatal: true, reason: error.to_string() });
            (Vec::new(), self.store.free_bytes().ok())
        });
        Gathered { snapshot, stats, free_bytes }
    }

    /// When the newest still of a camera was taken.
    pub(super) fn still_at(&self, camera: &CameraName) -> Option<Timestamp> {
        Some(self.stills.of(camera)?.newest()?.taken_at)
    }

    /// Runs a reading method of the store, in turn.
    pub(super) async fn rows<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _turn = self
            .readers
            .acquire()
            .await
            .map_err(|closed| Error::with_source(Kind::Internal, "wait for the database", closed))?;
        self.store.call(work).await
    }

    pub(super) fn trouble(&self, what: &str, error: &Error) -> Refusal {
        self.warn(what, error);
        let (status, hint) = match error.kind() {
            Kind::Disk | Kind::Unreachable => (503, "it may heal; try again"),
            _ => (500, "the recorder's log says more"),
        };
        Refusal::new(status, format!("the recorder cannot {what}: {error}"), hint)
    }

    pub(super) fn warn(&self, what: &str, error: &Error) {
        let mut last = self.last_warning.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= REPEAT) {
            *last = Some(Instant::now());
            log::warn!("[http] {what}: {error}");
        }
    }
}
