//! Messages on their way to one receiver, in order: tried again with a growing pause until it takes them.
//!
//! For webhooks and programs; MQTT has a connection that lasts and a task of its own.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::command::Program;
use super::event::Event;
use super::note;
use super::webhook::Webhook;
use crate::repeats::Repeats;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// Messages that wait for one receiver: each kind of trouble has two at most under way, and ledgers slow down.
const MOST: usize = 500;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// What nobody took for a day is of no use to anybody.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);
/// A program that fails does so because of itself.
const RUNS: u32 = 3;

/// Where the ledger's events go in.
pub struct Outbox(mpsc::Sender<Event>);

/// Where they come out.
pub type Letters = mpsc::Receiver<Event>;

impl Outbox {
    pub fn new() -> (Outbox, Letters) {
        let (sender, receiver) = mpsc::channel(MOST);
        (Outbox(sender), receiver)
    }

    /// Never waits.
    pub fn put(&self, name: &str, event: Event) {
        log::info!("[alert {name}] {}: {}", event.phase.as_str(), event.message);
        if self.0.try_send(event).is_err() {
            log::error!("[alert {name}] {MOST} messages wait already; this one is not sent");
        }
    }
}

/// How one attempt failed, in words without secrets.
pub type Sent = Result<(), String>;

/// One receiver.
pub struct Carrier {
    pub name: String,
    pub way: Way,
    pub store: Store,
}

/// How it is reached.
pub enum Way {
    Webhook(Webhook),
    Program(Program),
}

impl Way {
    async fn send(&self, event: &Event) -> Sent {
        match self {
            Way::Webhook(webhook) => webhook.send(event).await,
            Way::Program(program) => program.run(event).await,
        }
    }
}

impl Carrier {
    pub async fn run(self, mut letters: Letters, shutdown: Shutdown) {
        let mut repeats = Repeats::default();
        // the ledger's end of the channel goes at the stop: what lies in it then is tried once
        while let Some(event) = letters.recv().await {
            if self.carry(&event, &mut repeats, &shutdown).await {
                note(&self.store, &self.name, &event).await;
            }
        }
    }

    /// Returns whether the receiver has it.
    async fn carry(&self, event: &Event, repeats: &mut Repeats, shutdown: &Shutdown) -> bool {
        let (began, name) = (Instant::now(), &self.name);
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            match self.way.send(event).await {
                Ok(()) => {
                    if let Some(line) = repeats.recovered(Instant::now()) {
                        log::info!("[alert {name}] {line}");
                    }
                    return true;
                }
                Err(why) => {
                    if let Some(line) = repeats.failed(&why, Instant::now()) {
                        log::warn!("[alert {name}] not told: {line}");
                    }
                }
            }
            let is_hopeless = matches!(self.way, Way::Program(_)) && attempt >= RUNS;
            if is_hopeless || began.elapsed() >= GIVE_UP {
                log::error!("[alert {name}] given up: {}", event.message);
                return false;
            }
            let jittered = pause.mul_f64(0.75 + fastrand::f64() / 2.0);
            tokio::select! {
                () = shutdown.requested() => return false,
                () = tokio::time::sleep(jittered) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        false
    }
}
