//! The uploader's loop: takes due rows, keeps at most `concurrency` attempts under way, writes down how they ended.
//!
//! Owned by [`super::Uploader::run`]. Every task it starts is in one `JoinSet`, so none outlives it, but for
//! a word to the kernel about a file that is uploaded. Rows are written only in `turn` and `rows`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};

use super::answer::Trouble;
use super::attempt::Ended;
use super::finish::Finish;
use super::link::{Link, object_backoff};
use super::manifests::Manifests;
use super::probe::{self, Found};
use super::s3::S3;
use super::steps::Steps;
use super::suspects::Suspects;
use crate::config::S3Config;
use crate::counters::RetryCause;
use crate::error::{Error, Kind};
use crate::heartbeat::Heart;
use crate::repeats::Repeats;
use crate::segment::{Segment, SegmentId, Timestamp};
use crate::shutdown::Shutdown;
use crate::status::{Board, UploadState};
use crate::store::Store;

mod objects;
mod rows;
mod turn;
use turn::{Turn, Turns};

/// Another process may have added rows, which no channel tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MANIFESTS_EVERY: Duration = Duration::from_secs(5);
/// After an upload there may be one to write; but a backlog's uploads come by the hundred a second.
const MANIFESTS_REST: Duration = Duration::from_secs(1);
/// While the link is down, the probing segment is chosen among this many.
const PROBE_CHOICE: usize = 8;
/// Unfinished multipart uploads older than this belong to no living process.
const STALE_MULTIPART: Duration = Duration::from_secs(24 * 3600);
/// The last manifests may take this long, even if the uploads used up the whole drain.
const LAST_MANIFESTS: Duration = Duration::from_secs(2);

pub struct Worker {
    pub s3: Arc<S3>,
    pub config: S3Config,
    pub store: Store,
    pub board: Board,
    pub wake: Arc<Notify>,
    pub manifests: Manifests,
    state: Loop,
}

/// What changes while it runs.
#[derive(Default)]
struct Loop {
    link: Link,
    /// Manifests have a backoff of their own: their trouble must not hold uploads back.
    manifest_link: Link,
    conditional: Conditional,
    /// Database and segment folder; a backoff only of the log lines.
    rows: Link,
    /// What is wrong with single objects while others get through.
    objects: Repeats,
    /// What a process that died left in `uploading` is taken over.
    recovered: bool,
    suspects: Suspects,
    clock: Steps,
    turns: Turns,
    jobs: JoinSet<Done>,
    /// Segments under way, by their task.
    in_flight: HashMap<Id, Segment>,
    /// Ends that the database has not taken yet.
    unsaved: VecDeque<(SegmentId, Finish)>,
    manifests_running: bool,
    manifests_due: Option<Instant>,
    /// Not before this, even after an upload.
    manifests_rest: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Conditional {
    #[default]
    Unknown,
    Probing,
    Known(bool),
}

enum Done {
    /// With the time it took.
    Upload(Ended, Duration),
    Turn(Turn),
    Probe(Found),
    Manifests(Result<usize, Trouble>),
    Swept,
}

impl Worker {
    pub fn new(
        s3: S3,
        config: S3Config,
        store: Store,
        board: Board,
        wake: Arc<Notify>,
        target: Duration,
    ) -> Self {
        let s3 = Arc::new(s3);
        let manifests = Manifests { s3: s3.clone(), store: store.clone(), target, memory: Arc::default() };
        Self { s3, config, store, board, wake, manifests, state: Loop::default() }
    }

    /// Uploads until `shutdown`; then finishes what is due, for at most `drain`.
    pub async fn run(mut self, shutdown: Shutdown, drain: Duration) {
        self.board.set_upload(UploadState::Ok, None);
        let mut deadline: Option<Instant> = None;
        loop {
            self.board.heartbeat(&Heart::Upload);
            self.save().await;
            let started = self.recover().await && self.start_jobs(deadline.is_some());
            if deadline.is_some() && !started && self.state.jobs.is_empty() {
                break;
            }
            let until_deadline = deadline.map_or(LOOK_EVERY, |end| end.duration_since(Instant::now()));
            let pause = self.pause();
            tokio::select! {
                Some(done) = self.state.jobs.join_next_with_id() => self.ended(done),
                () = shutdown.requested(), if deadline.is_none() => {
                    deadline = Some(Instant::now() + drain);
                    self.look();
                }
                () = tokio::time::sleep(until_deadline), if deadline.is_some() => break,
                () = self.wake.notified() => self.look_at_new(),
                () = tokio::time::sleep(pause) => self.look(),
            }
        }
        self.stop(deadline).await;
    }

    /// Starts what may start now. Returns whether anything was started that leads on.
    fn start_jobs(&mut self, stopping: bool) -> bool {
        let now = Instant::now();
        if self.state.clock.look(now, Timestamp::now()) {
            self.state.link.try_now(now);
            self.state.manifest_link.try_now(now);
        }
        let (mut started, mut want) = (false, 0);
        if self.state.recovered && self.may_upload(now, stopping) {
            self.start_manifests(now, stopping);
            started = self.start_ready(now);
            want = self.wanted(now);
        }
        self.start_turn(want) || started
    }

    fn may_upload(&mut self, now: Instant, stopping: bool) -> bool {
        // while stopping, an outage is not waited out: what is not uploaded stays queued
        if stopping && !self.state.link.is_up() {
            return false;
        }
        if self.state.conditional == Conditional::Unknown && !stopping {
            if self.state.link.free_slots(now, self.state.in_flight.len(), 1) > 0 {
                self.start_probe();
            }
            return false;
        }
        self.state.conditional != Conditional::Probing
    }

    fn start_probe(&mut self) {
        self.state.conditional = Conditional::Probing;
        let (s3, prefix) = (self.s3.clone(), self.config.prefix.clone());
        self.state.jobs.spawn(async move { Done::Probe(probe::conditional(&s3, &prefix).await) });
    }

    fn start_manifests(&mut self, now: Instant, stopping: bool) {
        let due = self.state.manifests_due.is_none_or(|due| now >= due);
        let link_allows = self.state.manifest_link.free_slots(now, 0, 1) > 0 && self.state.link.is_up();
        if stopping || self.state.manifests_running || !due || !link_allows {
            return;
        }
        self.state.manifests_running = true;
        let manifests = self.manifests.clone();
        self.state.jobs.spawn(async move { Done::Manifests(manifests.pass(false).await) });
    }

    fn ended(&mut self, done: Result<(Id, Done), JoinError>) {
        match done {
            Ok((id, Done::Upload(ended, took))) => {
                if let Some(segment) = self.state.in_flight.remove(&id) {
                    self.count(&segment, &ended, took);
                    self.upload_ended(&segment, ended);
                }
            }
            Ok((_, Done::Turn(turn))) => self.turn_ended(turn),
            Ok((_, Done::Probe(found))) => self.probe_ended(found),
            Ok((_, Done::Manifests(result))) => self.manifests_ended(result),
            Ok((_, Done::Swept)) => {}
            Err(stopped) => {
                log::error!("[upload] an upload task stopped: {stopped}; this is a bug, please report it");
                if let Some(segment) = self.state.in_flight.remove(&stopped.id()) {
                    let ended = Ended::Blamed("the upload task stopped".into());
                    self.upload_ended(&segment, ended);
                } else if self.is_turn(stopped.id()) {
                    self.turn_lost(Error::with_source(Kind::Internal, "turn of the uploads", stopped));
                } else if self.state.conditional == Conditional::Probing {
                    self.state.conditional = Conditional::Known(false);
                } else {
                    self.state.manifests_running = false;
                }
            }
        }
    }

    fn count(&self, segment: &Segment, ended: &Ended, took: Duration) {
        let counters = self.board.counters();
        match ended {
            Ended::Uploaded => counters.uploaded(segment.bytes, took),
            Ended::Link(trouble) if trouble.misconfigured => counters.retried(RetryCause::Misconfigured),
            Ended::Link(_) => counters.retried(RetryCause::Link),
            Ended::Later(_) => counters.retried(RetryCause::Conflict),
            Ended::Blamed(_) => counters.retried(RetryCause::Object),
            // the rows tell these
            Ended::Failed(_) | Ended::Lost(_) => {}
        }
    }

    fn upload_ended(&mut self, segment: &Segment, ended: Ended) {
        let mut wait = object_backoff(segment.attempts + 1, fastrand::f64());
        match &ended {
            Ended::Link(trouble) => {
                wait = self.state.suspects.failed(segment.id, fastrand::f64());
                if wait.is_zero() {
                    self.link_failed(trouble);
                } else {
                    self.object_waits(segment, &trouble.reason, wait);
                }
            }
            Ended::Uploaded => {
                self.link_works();
                self.state.suspects.uploaded(segment.id);
                self.board.upload_succeeded(Timestamp::now());
                self.state.manifests_due = self.state.manifests_rest;
                log::debug!("[upload] {} uploaded, {} bytes", segment.key, segment.bytes);
            }
            // S3 answered, about this object
            Ended::Later(_) | Ended::Blamed(_) | Ended::Failed(_) => {
                self.link_works();
                self.state.suspects.settled(segment.id);
            }
            Ended::Lost(_) => self.state.suspects.settled(segment.id),
        }
        let finish = Finish::from_end(segment, ended, self.config.max_retries, Timestamp::now(), wait);
        self.object_ended(segment, &finish);
        self.note_end(segment.id, finish);
    }

    fn probe_ended(&mut self, found: Found) {
        self.state.conditional = match found {
            Found::Conditional(honoured) => {
                self.link_works();
                let place = self.s3.place();
                let how = if honoured { "honours" } else { "ignores" };
                let then = if honoured { "" } else { "; each object is looked up before its upload instead" };
                log::info!(
                    "[upload] bucket {} at {} answers and {how} If-None-Match{then}",
                    place.bucket,
                    place.host
                );
                self.start_sweep();
                Conditional::Known(honoured)
            }
            Found::Denied(trouble) if !self.state.link.is_up() => {
                self.link_failed(&trouble);
                Conditional::Known(false)
            }
            Found::Denied(trouble) => {
                log::info!("[upload] what the store can do is not known: {}", trouble.reason);
                Conditional::Known(false)
            }
            Found::Trouble(trouble) => {
                self.link_failed(&trouble);
                Conditional::Unknown
            }
        };
    }

    fn start_sweep(&mut self) {
        let (s3, root) = (self.s3.clone(), self.config.prefix.root().to_owned());
        self.state.jobs.spawn(async move {
            match s3.sweep_multipart(&root, Timestamp::now().minus(STALE_MULTIPART)).await {
                Ok(0) => {}
                Ok(swept) => log::info!("[upload] aborted {swept} multipart uploads that nobody finished"),
                // not every store can list them, not every key may
                Err(missing) => log::debug!("[upload] list multipart uploads: {}", missing.reason),
            }
            Done::Swept
        });
    }

    fn manifests_ended(&mut self, result: Result<usize, Trouble>) {
        self.state.manifests_running = false;
        let now = Instant::now();
        self.state.manifests_due = Some(now + MANIFESTS_EVERY);
        self.state.manifests_rest = Some(now + MANIFESTS_REST);
        match result {
            Ok(_) => {
                if let Some(line) = self.state.manifest_link.succeeded(now) {
                    log::info!("[upload] manifests: {line}");
                }
            }
            Err(trouble) => {
                if let Some(line) = self.state.manifest_link.failed(now, &trouble, fastrand::f64()) {
                    log::warn!("[upload] manifests: {line}; they are written when it heals");
                }
            }
        }
    }

    fn link_failed(&mut self, trouble: &Trouble) {
        if trouble.stale_credentials {
            self.s3.credentials().mark_stale();
        }
        let state = if trouble.misconfigured { UploadState::Misconfigured } else { UploadState::Waiting };
        self.board.set_upload(state, Some(trouble.reason.clone()));
        self.return_ready();
        match self.state.link.failed(Instant::now(), trouble, fastrand::f64()) {
            Some(line) if trouble.misconfigured => log::error!("[upload] {line}"),
            Some(line) => log::warn!("[upload] {line}; segments wait on disk"),
            None => {}
        }
    }

    fn link_works(&mut self) {
        if let Some(line) = self.state.link.succeeded(Instant::now()) {
            log::info!("[upload] {line}");
            self.look();
        }
        if self.state.rows.is_up() {
            self.board.set_upload(UploadState::Ok, None);
        }
    }

    /// How long to sleep when nothing wakes us.
    fn pause(&self) -> Duration {
        let until_probe = self.state.link.next_probe().map(|at| at.duration_since(Instant::now()));
        // a probe that is due and did not start waits for a row or for an attempt to end
        until_probe.filter(|wait| !wait.is_zero()).map_or(LOOK_EVERY, |wait| wait.min(LOOK_EVERY))
    }

    /// Ends what is still under way, leaves its rows in doubt, and writes the last manifests.
    async fn stop(mut self, deadline: Option<Instant>) {
        // its rows are moved whether or not somebody waits for it
        while self.turn_runs() {
            let Some(done) = self.state.jobs.join_next_with_id().await else { break };
            self.ended(done);
        }
        self.state.jobs.shutdown().await;
        let interrupted: Vec<Segment> = self.state.in_flight.drain().map(|(_, segment)| segment).collect();
        if !interrupted.is_empty() {
            log::info!("[upload] {} uploads interrupted by the stop; they stay queued", interrupted.len());
        }
        for segment in interrupted {
            self.state.unsaved.push_back((segment.id, Finish::interrupted()));
        }
        self.save().await;
        self.last_turn().await;
        if self.state.link.is_up() && self.state.conditional != Conditional::Unknown {
            let left = deadline.map_or(Duration::ZERO, |end| end.duration_since(Instant::now()));
            match tokio::time::timeout(left.max(LAST_MANIFESTS), self.manifests.pass(true)).await {
                Ok(Ok(_)) => {}
                Ok(Err(trouble)) => log::warn!("[upload] last manifests: {}", trouble.reason),
                Err(_) => {
                    log::warn!("[upload] last manifests: no answer in time; the next start writes them")
                }
            }
        }
        self.board.set_upload(UploadState::Stopped, None);
        self.board.heart_ends(&Heart::Upload);
    }
}
