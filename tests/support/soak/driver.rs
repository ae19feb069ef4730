//! Does what the plan says, keeps the program running, and writes down what happened when.

use std::time::{Duration, Instant};

use super::excuses::Excuses;
use super::ledger::Excuse;
use super::life::{Life, Peaks};
use super::plan::Event;
use super::world::World;
use super::{TICK, now_ms};
use crate::support::{Workspace, s3 as faults};

/// Cameras drain for 10 s at most and uploads for 15 s; a loaded machine gets as much again.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// The longest wait between two attempts at the store is a minute, and then there is a backlog.
const DRAIN_LIMIT: Duration = Duration::from_secs(240);
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What happened, in figures.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Milliseconds since 1970.
    pub kills_ms: Vec<i64>,
    pub restarts: usize,
    pub camera_faults: usize,
    pub store_faults: usize,
    pub store_outages: usize,
    /// From each start of the process to "ready", and to the first row of new footage.
    pub ready: Vec<Duration>,
    pub first_rows: Vec<Duration>,
    pub peaks: Peaks,
    pub broken: Vec<String>,
}

/// What is left when the program has stopped for the last time.
pub struct Played {
    pub tally: Tally,
    pub excuses: Vec<Excuse>,
}

pub struct Driver<'w> {
    workspace: &'w Workspace,
    world: &'w mut World,
    life: Life<'w>,
    excuses: Excuses,
    tally: Tally,
    sampled: Instant,
    looked: Instant,
}

impl<'w> Driver<'w> {
    pub fn start(workspace: &'w Workspace, world: &'w mut World) -> Self {
        let mut excuses = Excuses::new(&world.names);
        excuses.started(now_ms());
        let life = Life::begin(workspace);
        let now = Instant::now();
        Self { workspace, world, life, excuses, tally: Tally::default(), sampled: now, looked: now }
    }

    /// Carries out an event. `false`: it could not be done now and must be tried again.
    pub fn act(&mut self, event: Event) -> bool {
        match event {
            Event::Kill => self.kill(),
            Event::Terminate => {
                self.excuses.terminated(now_ms());
                self.life.terminate();
                self.tally.restarts += 1;
            }
            Event::Camera(camera, fault) => {
                self.excuses.ill(camera, now_ms());
                self.world.strike(camera, fault);
                self.tally.camera_faults += 1;
            }
            Event::CameraWell(camera) => {
                if self.world.mend(camera).is_err() {
                    return false;
                }
                self.excuses.well(camera, now_ms());
            }
            Event::Spoil(count, fault) => self.world.store.spoil_next(count, fault),
            Event::Storm { seed, percent } => self.world.store.set_faults(faults::Plan::mix(seed, percent)),
            Event::StoreAway => {
                self.world.store.stop();
                self.tally.store_outages += 1;
            }
            Event::StoreWell => {
                self.world.store.heal();
                return self.world.store.start_again().is_ok();
            }
        }
        true
    }

    /// Reads the log, starts a program that has ended, takes a sample now and then.
    pub fn look(&mut self) {
        let late = self.looked.elapsed().saturating_sub(TICK);
        self.excuses.late(i64::try_from(late.as_millis()).unwrap_or_default());
        self.looked = Instant::now();
        self.listen();
        if let Some(status) = self.life.program.exit() {
            self.listen();
            let asked = self.life.stopping.is_some();
            if !(asked && (status.success() || !self.life.has_spoken())) {
                self.broken(format!(
                    "the program ended with {status}; its last words: {}",
                    self.last_words()
                ));
            }
            self.begin_again();
        } else if self.life.stopping.is_some_and(|since| since.elapsed() > STOP_LIMIT) {
            self.broken(format!("the program does not stop within {} s", STOP_LIMIT.as_secs()));
            self.kill();
        }
        if self.sampled.elapsed() >= SAMPLE_EVERY {
            self.sampled = Instant::now();
            self.life.sample(&mut self.tally.peaks);
        }
    }

    /// Everything is well from here on.
    pub fn heal(&mut self) {
        for camera in 0..self.world.names.len() {
            while !self.act(Event::CameraWell(camera)) {
                std::thread::sleep(TICK);
            }
        }
        while !self.act(Event::StoreWell) {
            std::thread::sleep(TICK);
        }
    }

    /// Waits until every camera has new footage and the backlog is no more than what was closed just now: at a stop the
    /// program need not wait for a segment whose next attempt is due later.
    pub fn drain(&mut self) {
        let began = Instant::now();
        let rows_at_the_start = self.segments_by_camera();
        loop {
            self.look();
            let new = self.segments_by_camera();
            let all_record =
                new.len() == self.world.names.len() && new.iter().zip(&rows_at_the_start).all(|(a, b)| a > b);
            let old = format!("{PENDING} AND created_at < {}", now_ms() - JUST_NOW_MS);
            let pending = self.number(&old);
            if all_record && pending == 0 && self.life.stopping.is_none() {
                return;
            }
            if began.elapsed() > DRAIN_LIMIT {
                let limit = DRAIN_LIMIT.as_secs();
                self.broken(format!(
                    "{limit} s after the last fault {pending} segments wait, and the cameras' rows went from \
                     {rows_at_the_start:?} to {new:?}"
                ));
                return;
            }
            std::thread::sleep(TICK);
        }
    }

    /// Stops the program for good and lets its own `check store` look.
    pub fn stop(mut self) -> Played {
        self.excuses.terminated(now_ms());
        self.life.terminate();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.life.program.exit() {
                break Some(status);
            }
            if began.elapsed() > STOP_LIMIT {
                break None;
            }
            std::thread::sleep(TICK);
        };
        self.listen();
        match status {
            Some(status) if status.success() => {}
            Some(status) => self.broken(format!("the last stop ended with {status}: {}", self.last_words())),
            None => {
                self.broken(format!("the last stop took more than {} s", STOP_LIMIT.as_secs()));
                self.life.program.kill9();
            }
        }
        self.note_recovery();
        self.tally.store_faults = self.world.store.faults_met();
        let checked = self.workspace.run(&["check", "store"]);
        if !checked.status.success() {
            let said = String::from_utf8_lossy(&checked.stdout);
            self.broken(format!("check store: {}", said.trim()));
        }
        Played { tally: self.tally, excuses: self.excuses.finish(now_ms()) }
    }

    pub fn progress(&self, elapsed: Duration) -> String {
        let count = |sql| self.number(sql);
        let Tally { kills_ms, restarts, camera_faults, peaks, broken, .. } = &self.tally;
        let (kills, store_faults) = (kills_ms.len(), self.world.store.faults_met());
        let broken = match broken.len() {
            0 => String::new(),
            count => format!("; {count} PROMISES BROKEN, the last: {}", broken[count - 1]),
        };
        format!(
            "{:>5} s: {} segments recorded, {} wait; {kills} kills, {restarts} restarts, {camera_faults} camera \
             faults, {store_faults} store faults; at most {} MB, {} threads, {} files{broken}",
            elapsed.as_secs(),
            count("SELECT sum(segments) AS n FROM totals"),
            count(PENDING),
            peaks.rss_kb / 1024,
            peaks.threads,
            peaks.files
        )
    }

    fn kill(&mut self) {
        self.listen();
        let now = now_ms();
        self.excuses.killed(now);
        self.life.sample(&mut self.tally.peaks);
        self.life.program.kill9();
        self.tally.kills_ms.push(now);
        self.listen();
        self.begin_again();
    }

    fn begin_again(&mut self) {
        self.note_recovery();
        self.life = Life::begin(self.workspace);
    }

    fn note_recovery(&mut self) {
        self.tally.ready.extend(self.life.ready);
        self.tally.first_rows.extend(self.life.first_row);
    }

    fn listen(&mut self) {
        let heard = self.life.listen(&self.world.names);
        for (camera, at_ms) in heard.recording {
            self.excuses.recording(camera, at_ms);
        }
        self.tally.broken.extend(heard.broken);
    }

    fn broken(&mut self, what: String) {
        self.tally.broken.push(what);
    }

    fn last_words(&self) -> String {
        let log = self.life.program.log();
        log[log.len().saturating_sub(5)..].join(" / ")
    }

    fn segments_by_camera(&self) -> Vec<i64> {
        let sql = "SELECT sum(segments) AS n FROM totals GROUP BY camera ORDER BY camera";
        self.workspace.rows(sql).iter().filter_map(|row| row["n"].as_i64()).collect()
    }

    fn number(&self, sql: &str) -> i64 {
        self.workspace.rows(sql).first().and_then(|row| row["n"].as_i64()).unwrap_or_default()
    }
}

/// Uploaded by now, if all is well.
const JUST_NOW_MS: i64 = 4000;
const PENDING: &str = "SELECT count(*) AS n FROM segments WHERE state IN ('created', 'uploading', 'retry')";
