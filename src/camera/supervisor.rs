//! One camera's thread: run after run, with the waits between them that [`super::state`] decides.
//!
//! Nothing in here is fatal: whatever happens to a run, the camera is tried again, and its neighbours never notice.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::CameraParts;
use super::book::Book;
use super::choice::Latches;
use super::codec::{Chosen, Codec};
use super::failure::Failure;
use super::glimpse;
use super::pipeline::{self, CameraPipeline};
use super::reach;
use super::receive::{Client, Preference};
use super::rows::Rows;
use super::run::Run;
use super::segments::Opener;
use super::state::{Machine, Next};
use super::tap::Tap;
use super::template::Template;
use crate::config::CameraConfig;
use crate::error::{Error, Kind};
use crate::heartbeat::Heart;
use crate::repeats::Repeats;
use crate::segment::Timestamp;
use crate::shutdown::Shutdown;
use crate::status::CameraState;

/// Even a run that may start at once leaves the camera this long to end the session before: some answer 503 meanwhile.
const BREATH: Duration = Duration::from_millis(300);
/// How often a camera that failed is asked whether it lives, and how long it may take to connect and to answer.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks, however long the first one took.
const LEAST_PAUSE: Duration = Duration::from_millis(200);

/// How often a long wait says that it goes on.
const PULSE: Duration = Duration::from_secs(10);

pub struct Supervisor {
    camera: CameraConfig,
    template: Template,
    parts: CameraParts,
    shutdown: Shutdown,
    epoch: Instant,
    repeats: Repeats,
    /// What the last notice said, so that only changes are written.
    told: Option<(CameraState, Option<String>)>,
    /// The last run may have left a file without a row.
    strays: bool,
    book: Book,
    heart: Heart,
    /// Frames of this run that are counted.
    counted: u64,
    /// What earlier runs taught; everything else of a run is thrown away with it.
    lessons: Lessons,
}

struct Lessons {
    codec: Codec,
    client: Preference,
    control_url_fix: bool,
    latches: Latches,
}

impl Supervisor {
    pub fn new(camera: CameraConfig, template: Template, parts: CameraParts, shutdown: Shutdown) -> Self {
        let codec = template.fixed_codec().unwrap_or(Codec::H264);
        let client = Preference::of(&camera.url);
        let lessons = Lessons { codec, client, control_url_fix: false, latches: Latches::default() };
        let heart = Heart::Camera(camera.name.clone());
        parts.board.counters().add_camera(&camera.name);
        Self {
            heart,
            counted: 0,
            camera,
            template,
            parts,
            shutdown,
            epoch: Instant::now(),
            repeats: Repeats::default(),
            told: None,
            strays: false,
            book: Book::default(),
            lessons,
        }
    }

    /// Returns when the stop was requested and the last segment has its row.
    pub fn run(mut self) {
        let mut machine = Machine::new(splay(&self.camera));
        let store = self.parts.store.clone();
        let board = self.parts.board.clone();
        let mut rows = Rows::new(self.camera.name.clone(), store, board, self.parts.wake.clone());
        for attempt in 0u64.. {
            if let (true, Some(cause)) = (attempt > 0, self.book.last()) {
                self.parts.board.count_reconnect(&self.camera.name, cause);
            }
            machine.begin(self.epoch.elapsed());
            self.counted = 0;
            self.tell(&machine);
            // a panic must cost this run only
            let failure = catch_unwind(AssertUnwindSafe(|| self.run_once(&mut machine, &mut rows)))
                .unwrap_or_else(|_| {
                    self.strays = true;
                    Failure::Pipeline("internal error in this run; please report it".into())
                });
            let failure = self.learn(failure, &mut machine);
            self.book.end(&mut rows, &failure, Timestamp::now());
            let next = match machine.ended(&failure, self.epoch.elapsed()) {
                _ if self.shutdown.is_requested() => Next::Stop,
                next => next,
            };
            self.parts.board.set_cause(&self.camera.name, failure.cause());
            self.report(&failure, &next);
            if next == Next::Stop || self.pause(&mut machine, &next) {
                break;
            }
        }
        self.book.close(&mut rows, Timestamp::now());
        // the last chance before the program ends; after it recovery adopts the files
        let left = rows.flush();
        if left > 0 {
            log::error!("[{}] {left} segments have no row yet; the next start adopts them", self.camera.name);
        }
        machine.ended(&Failure::Stopped, self.epoch.elapsed());
        self.tell(&machine);
        self.parts.board.heart_ends(&self.heart);
    }

    /// Waits until the next run is due. Returns whether the stop was requested.
    fn pause(&mut self, machine: &mut Machine, next: &Next) -> bool {
        match next {
            Next::Stop => true,
            Next::AtOnce => self.shutdown.wait(BREATH),
            Next::Wait(wait) => {
                self.tell(machine);
                self.rest(*wait)
            }
            Next::Watch(wait) => {
                self.tell(machine);
                self.watch(machine, *wait)
            }
        }
    }

    /// Waits, and says meanwhile that it does so by right.
    fn rest(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            self.parts.board.heartbeat(&self.heart);
            let left = until.saturating_duration_since(Instant::now());
            if self.shutdown.wait(left.min(PULSE)) {
                return true;
            }
            if left <= PULSE {
                return false;
            }
        }
    }

    /// Waits like [`Supervisor::pause`], but no longer than the camera is away.
    fn watch(&mut self, machine: &mut Machine, wait: Duration) -> bool {
        let (until, mut took) = (Instant::now() + wait, Duration::ZERO);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.shutdown.wait(left.min(LOOK.saturating_sub(took).max(LEAST_PAUSE))) {
                return true;
            }
            let looked_at = Instant::now();
            if looked_at >= until {
                return false;
            }
            let answered = reach::look(&self.camera.url, LOOK);
            self.parts.board.heartbeat(&self.heart);
            took = looked_at.elapsed();
            if machine.heard(answered.is_ok()) {
                log::debug!("[{}] it answers again", self.camera.name);
                return false;
            }
        }
    }

    fn run_once(&mut self, machine: &mut Machine, rows: &mut Rows) -> Failure {
        rows.flush_when_due();
        if rows.is_empty() {
            // a file whose row waits in memory is no stray
            self.adopt_strays();
        }
        let id = self.book.begin(rows, Timestamp::now());
        let (parts, chosen) = match self.build() {
            Ok(built) => built,
            Err(error) if error.kind() == Kind::Disk => return Failure::Disk(error.to_string()),
            Err(error) => return Failure::Pipeline(error.to_string()),
        };
        if let Some(slot) = self.parts.stills.of(&self.camera.name) {
            glimpse::watch(&parts.pipeline, &parts.sink_pad, &slot);
        }
        let shutdown = self.shutdown.clone();
        let hub = self.parts.live.hub(&self.camera.name);
        let tap = hub.map(|hub| Tap::new(hub, &parts.sink_pad, &parts.bus));
        let (camera, runtime) = (self.camera.clone(), self.parts.runtime.clone());
        let run = Run {
            id,
            parts,
            tap,
            chosen,
            codec: self.lessons.codec,
            codec_is_open: self.template.fixed_codec().is_none(),
            camera: &camera,
            runtime: runtime.handle(),
            reception: None,
            rows: &mut *rows,
            shutdown: &shutdown,
            epoch: self.epoch,
        };
        run.play(machine, &mut |machine| self.tell(machine))
    }

    /// Files that a failed disk or a panic left without a row get it as soon as no file of this camera is open,
    /// not only at the next start of the program.
    fn adopt_strays(&mut self) {
        if !std::mem::take(&mut self.strays) {
            return;
        }
        match self.parts.store.adopt_strays(&self.camera.name, &super::inspect) {
            Ok(0) => {}
            Ok(adopted) => log::info!("[{}] {adopted} files without a row adopted", self.camera.name),
            Err(error) => {
                log::warn!("[{}] adopt files without a row: {error}", self.camera.name);
                self.strays = true;
            }
        }
    }

    fn build(&mut self) -> Result<(CameraPipeline, Chosen), Error> {
        let roles = self.template.roles(self.lessons.codec);
        let capture = &self.camera.capture;
        let alive = || self.parts.board.heartbeat(&self.heart);
        let (chain, chosen) = match self.parts.codecs.chain(&roles, capture, &self.lessons.latches, &alive) {
            Ok(chosen) => chosen,
            Err(error) => {
                // a probe may have failed for want of time, a codec for a broken stream: begin anew next time
                self.parts.codecs.forget_failures(&roles);
                self.lessons.latches = Latches::default();
                return Err(error);
            }
        };
        let lessons = &self.lessons;
        let description = self.template.expand(capture, lessons.codec, lessons.client.client(), &chain)?;
        let opener = Opener::new(self.camera.name.clone(), self.parts.store.clone())?;
        let origin = self.template.origin();
        let parts = pipeline::build(
            &description,
            origin,
            &self.camera,
            lessons.codec,
            lessons.control_url_fix,
            opener,
        )?;
        Ok((parts, chosen))
    }

    /// What this failure says about the next run.
    fn learn(&mut self, failure: Failure, machine: &mut Machine) -> Failure {
        if self.lessons.client.learn(&failure, machine.frames())
            && self.lessons.client.client() == Client::Rtspsrc
            && self.template.uses("source")
        {
            log::info!("[{}] {failure}: rtspsrc receives it from now on", self.camera.name);
        }
        match &failure {
            Failure::OtherCodec(codec) => self.lessons.codec = *codec,
            Failure::Disk(_) => self.strays = true,
            Failure::SetupRefused(_) => self.lessons.control_url_fix = !self.lessons.control_url_fix,
            Failure::CodecFailed { role, element, .. } => {
                let candidate = super::codec::candidate(*role, element);
                let left = candidate.is_some_and(|element| self.lessons.latches.latch(*role, element));
                if !left {
                    return Failure::Pipeline(format!("{failure}; no other {role} is left to try"));
                }
            }
            Failure::Unreachable(_) if !self.shutdown.is_requested() => {
                // GStreamer only says "Generic error"
                match reach::look(&self.camera.url, reach::PATIENCE) {
                    // in the same moment it came back, or it refuses by more than silence
                    Ok(()) => {
                        machine.heard(true);
                    }
                    Err(why) => {
                        machine.heard(false);
                        return Failure::Unreachable(why);
                    }
                }
            }
            _ => {}
        }
        failure
    }

    fn report(&mut self, failure: &Failure, next: &Next) {
        let name = &self.camera.name;
        match next {
            Next::Stop if *failure == Failure::Stopped => log::info!("[{name}] stopped"),
            Next::Stop => log::warn!("[{name}] stopped: {failure}"),
            Next::AtOnce => log::info!("[{name}] {failure}"),
            Next::Wait(wait) | Next::Watch(wait) => {
                let Some(line) = self.repeats.failed(&failure.to_string(), Instant::now()) else {
                    return;
                };
                let seconds = wait.as_secs_f64().ceil();
                let level = if failure.needs_a_person() { log::Level::Error } else { log::Level::Warn };
                let sooner = if matches!(next, Next::Watch(_)) { ", or once it answers again" } else { "" };
                log::log!(level, "[{name}] {line}; next attempt in {seconds} s{sooner}");
            }
        }
    }

    /// Puts the state on the board and into the database, when it changed.
    fn tell(&mut self, machine: &Machine) {
        self.parts.board.heartbeat(&self.heart);
        let new = machine.frames().saturating_sub(self.counted);
        if new > 0 {
            self.parts.board.counters().frames(&self.camera.name, new);
            self.counted += new;
        }
        if let Some(age) = machine.frame_age(self.epoch.elapsed()) {
            self.parts.board.set_frame(&self.camera.name, age);
        }
        let now = Timestamp::now();
        let notice = (machine.state(), machine.reason().map(str::to_owned));
        if self.told.as_ref() == Some(&notice) {
            return;
        }
        let (state, reason) = notice.clone();
        if state == CameraState::Recording {
            let again = self.repeats.is_troubled();
            match self.repeats.recovered(Instant::now()) {
                Some(line) => log::info!("[{}] {line}; recording", self.camera.name),
                None if again => log::debug!("[{}] recording again", self.camera.name),
                None => log::info!("[{}] recording {}", self.camera.name, self.lessons.codec),
            }
        }
        self.parts.board.set_camera(&self.camera.name, state, reason.clone(), now);
        if let Err(error) =
            self.parts.store.set_camera_state(&self.camera.name, state, reason.as_deref(), now)
        {
            log::debug!("[{}] note state: {error}", self.camera.name);
        }
        self.told = Some(notice);
    }
}

/// 0.0 to 1.0, the same for one camera at every start.
fn splay(camera: &CameraConfig) -> f64 {
    let mut hasher = DefaultHasher::new();
    camera.name.hash(&mut hasher);
    f64::from((hasher.finish() % 1000) as u32) / 1000.0
}
