//! Tells the service manager that the recorder is up, how it is, and that it still goes on (`sd_notify`).
//!
//! Ticked every second by `app`, on the thread that watches the parts. It is fed only while every part beats and the
//! database answers: a recorder with one thread that hangs in a driver is started anew by systemd instead of showing
//! "running" for years. Where there is no service manager, a part that stands still is told in the log all the same.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::heartbeat::Heart;
use crate::segment::{State, Timestamp};
use crate::status::{Board, CameraState, Snapshot};
use crate::store::{CameraStats, Store};

/// How often the line of `systemctl status` is made anew.
const STATUS_EVERY: Duration = Duration::from_secs(5);

pub struct Watchdog {
    /// Half of what the service manager allows; `None` where it does not watch.
    feed_every: Option<Duration>,
    fed: Option<Instant>,
    status: Option<(Instant, String)>,
    /// Who was told to stand still.
    stuck: BTreeSet<Heart>,
}

impl Default for Watchdog {
    fn default() -> Watchdog {
        let feed_every = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        Watchdog { feed_every, fed: None, status: None, stuck: BTreeSet::new() }
    }
}

impl Watchdog {
    /// All parts are up.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// A new configuration is being taken over; [`Watchdog::ready`] comes after it.
    pub fn reloading(&self) {
        let now = NotifyState::monotonic_usec_now();
        tell(&[Some(NotifyState::Reloading), now.ok()].into_iter().flatten().collect::<Vec<_>>());
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("closing segments, finishing uploads")]);
    }

    /// Something that takes long by right, such as adopting many files, goes on.
    pub fn goes_on(&mut self) {
        self.feed(Instant::now());
    }

    /// Looks at every part. Asks the database, too: where that hangs, this does, and nobody is fed.
    pub fn tick(&mut self, board: &Board, store: &Store) {
        let (now, snapshot) = (Instant::now(), board.snapshot());
        if self.judge(&snapshot, now) {
            self.feed(now);
        }
        if self.status.as_ref().is_none_or(|(at, _)| now.duration_since(*at) >= STATUS_EVERY) {
            let line = line(&snapshot, store, Timestamp::now());
            if self.status.as_ref().is_none_or(|(_, told)| *told != line) {
                tell(&[NotifyState::Status(&line)]);
            }
            self.status = Some((now, line));
        }
    }

    /// Whether everybody goes on. Who does not is named in the log, once.
    fn judge(&mut self, snapshot: &Snapshot, now: Instant) -> bool {
        let stuck = snapshot.hearts.stuck(now);
        for (heart, silent) in &stuck {
            if self.stuck.insert(heart.clone()) {
                let then = match self.feed_every {
                    Some(_) => "the service manager will start the program anew",
                    None => "restart the program",
                };
                log::error!("{heart} has stood still for {} s; {then}", silent.as_secs());
            }
        }
        let again = |heart: &Heart| stuck.iter().all(|(still, _)| still != heart);
        self.stuck.retain(|heart| {
            if again(heart) {
                log::info!("{heart} goes on again");
            }
            !again(heart)
        });
        stuck.is_empty()
    }

    fn feed(&mut self, now: Instant) {
        let Some(every) = self.feed_every else { return };
        if self.fed.is_none_or(|fed| now.duration_since(fed) >= every) {
            self.fed = Some(now);
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// For people who type `systemctl status`.
fn line(snapshot: &Snapshot, store: &Store, now: Timestamp) -> String {
    let mut parts = Vec::new();
    if !snapshot.cameras.is_empty() {
        let up = snapshot.cameras.values().filter(|camera| camera.state == CameraState::Recording).count();
        parts.push(format!("{up} of {} cameras recording", snapshot.cameras.len()));
    }
    match store.stats() {
        Ok(stats) => {
            let (waiting, _) = CameraStats::total(&stats, State::is_pending);
            let oldest = stats.iter().filter_map(|stats| stats.oldest_pending).min();
            let age =
                oldest.map(|oldest| format!(", the oldest for {} s", now.since(oldest).as_secs() / 10 * 10));
            parts.push(format!("{waiting} segments to upload{}", age.unwrap_or_default()));
        }
        Err(_) => parts.push("the database does not answer".to_owned()),
    }
    if let Some(upload) = &snapshot.upload {
        parts.push(match (&upload.reason, upload.last_success_at) {
            (Some(reason), _) => format!("S3: {reason}"),
            (None, Some(at)) => format!("last upload {}", at.rfc3339()),
            (None, None) => "nothing uploaded yet".to_owned(),
        });
    }
    if let Some(trouble) = &snapshot.storage_reason {
        parts.push(trouble.reason.clone());
    }
    parts.join("; ").replace('\n', " ")
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("tell the service manager: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::CameraName;

    #[test]
    fn one_part_that_stands_still_is_enough_to_feed_no_more() {
        let board = Board::new();
        let gate = Heart::Camera(CameraName::new("gate").unwrap());
        board.heartbeat(&gate);
        board.heartbeat(&Heart::Upload);
        let (snapshot, now) = (board.snapshot(), Instant::now());
        let mut watchdog = Watchdog { feed_every: None, fed: None, status: None, stuck: BTreeSet::new() };
        assert!(watchdog.judge(&snapshot, now));
        let later = now + Heart::Upload.limit() + Duration::from_secs(1);
        assert!(!watchdog.judge(&snapshot, later));
        assert_eq!(watchdog.stuck, BTreeSet::from([Heart::Upload]));
        board.heart_ends(&Heart::Upload);
        assert!(watchdog.judge(&board.snapshot(), later), "what was stopped is not stuck");
        assert!(watchdog.stuck.is_empty());
        assert!(!watchdog.judge(&board.snapshot(), now + gate.limit() * 2));
    }
}
