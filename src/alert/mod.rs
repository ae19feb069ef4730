//! Tells people what is wrong: a webhook, a program or an MQTT broker hears of each trouble once when it begins and once
//! when it ends.
//!
//! A part of its own, started by `app`: it reads the notice board and the counts of the database every second
//! ([`condition`]), one ledger for each `[[alert]]` says what must be told ([`ledger`]), and one task for each carries it
//! there ([`outbox`]). Nothing here can hold up the recording: whatever a receiver does, its messages wait in a bounded
//! list of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::config::{AlertConfig, AlertKind, AlertTarget};
use crate::error::Result;
use crate::segment::{CameraName, Timestamp};
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::store::{Store, ToldAlert};

mod command;
mod condition;
mod discovery;
mod event;
mod ledger;
mod mqtt;
mod outbox;
mod trial;
mod webhook;

pub use condition::{Scope, Watched};
pub use trial::try_out;

use command::Program;
use condition::{Facts, Losses, conditions, lost};
use event::{Event, Key};
use ledger::Ledger;
use outbox::{Carrier, Outbox, Way};
use webhook::Webhook;

const LOOK: Duration = Duration::from_secs(1);
/// What is under way when the program stops may take this long.
const LAST: Duration = Duration::from_secs(3);

/// Everything that alerts are made of.
pub struct Alerts {
    pub configs: Vec<AlertConfig>,
    pub cameras: Vec<Watched>,
    pub scope: Scope,
    pub store: Store,
    pub board: Board,
}

impl Alerts {
    /// Until `shutdown`. What was not told by then is found again at the next start.
    pub async fn run(self, shutdown: Shutdown) -> Result<()> {
        let (store, board) = (self.store.clone(), self.board.clone());
        // where the database does not answer, what was told before this start is told again
        let told = store.call(|store| Ok((store.told_alerts()?, store.losses_seen()?))).await;
        let (told, seen) = told.unwrap_or_default();
        let mut tasks = JoinSet::new();
        let mut targets = self.targets(&told, &mut tasks, &shutdown);
        let (began, mut losses) = (Instant::now(), Losses::known(seen));
        while !shutdown.is_requested() {
            let clock = began.elapsed();
            let stats = store.call(Store::stats).await.ok();
            if let Some(stats) = &stats {
                let total = lost(stats);
                if losses.note(total, clock) {
                    // seen again at worst
                    let _ = store.call(move |store| store.see_losses(total)).await;
                }
            }
            let snapshot = board.snapshot();
            let facts = Facts {
                snapshot: &snapshot,
                stats: stats.as_deref(),
                cameras: &self.cameras,
                losses: &losses,
                scope: self.scope,
                now: Timestamp::now(),
                clock,
            };
            if !snapshot.stopping {
                targets.iter_mut().for_each(|target| target.look(&facts));
            }
            tokio::select! {
                () = shutdown.requested() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        drop(targets);
        let all = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST, all).await;
        Ok(())
    }

    /// Starts a task for each `[[alert]]`.
    fn targets(
        &self,
        told: &BTreeMap<ToldAlert, Timestamp>,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Vec<Target> {
        let start = |config: &AlertConfig| {
            let known = told.iter().filter(|(told, _)| told.target == config.name);
            let known = known.filter_map(|(told, began_at)| Some((key(told)?, *began_at)));
            let ledger = Ledger::new(config.min_duration, known);
            let (outbox, letters) = Outbox::new();
            let (name, store) = (config.name.clone(), self.store.clone());
            match config.target.clone() {
                AlertTarget::Mqtt(mqtt) => {
                    let cameras = self.cameras.iter().map(|camera| camera.name.clone()).collect();
                    let link = mqtt::Link::new(name, mqtt, cameras, self.board.clone(), store);
                    tasks.spawn(link.run(letters, shutdown.clone()));
                }
                AlertTarget::Webhook { url, secret } => {
                    let way = Way::Webhook(Webhook::new(url, secret));
                    tasks.spawn(Carrier { name, way, store }.run(letters, shutdown.clone()));
                }
                AlertTarget::Command(command) => {
                    let way = Way::Program(Program::new(command));
                    tasks.spawn(Carrier { name, way, store }.run(letters, shutdown.clone()));
                }
            }
            Target { config: config.clone(), ledger, outbox }
        };
        self.configs.iter().map(start).collect()
    }
}

impl Target {
    fn look(&mut self, facts: &Facts<'_>) {
        for event in self.ledger.look(&conditions(facts, &self.config), facts.clock, facts.now) {
            self.outbox.put(&self.config.name, event);
        }
    }
}

/// One `[[alert]]`: what is told there, what was, and the way.
struct Target {
    config: AlertConfig,
    ledger: Ledger,
    outbox: Outbox,
}

/// What a row is about; `None` for a kind of another version.
fn key(told: &ToldAlert) -> Option<Key> {
    let camera = match told.camera.as_str() {
        "" => None,
        name => Some(CameraName::new(name).ok()?),
    };
    Some(Key { kind: AlertKind::parse(&told.kind)?, camera })
}

/// Notes in the database what a receiver knows now.
async fn note(store: &Store, target: &str, event: &Event) {
    let Some(key) = &event.key else { return };
    let camera = key.camera.as_ref().map(ToString::to_string).unwrap_or_default();
    let told = ToldAlert { target: target.to_owned(), kind: key.kind.as_str().to_owned(), camera };
    let (phase, began_at) = (event.phase, event.began_at);
    let noted = store
        .call(move |store| match phase {
            event::Phase::Begin => store.tell_alert(&told, began_at),
            event::Phase::End => store.forget_alert(&told),
            event::Phase::Test => Ok(()),
        })
        .await;
    if let Err(error) = noted {
        // after a restart it may be told twice
        log::debug!("[alert {target}] {error}");
    }
}
