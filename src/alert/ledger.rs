//! Which alerts are on, and what must be told: conditions and time → events. Pure.
//!
//! One for each `[[alert]]`. Each trouble is told once when it begins and once when it ends:
//! - it begins when it lasted for `min_duration`. Time without it counts backwards, so that a camera that is away most of
//!   the time is told, and one that was away for a moment is not;
//! - it ends when it was gone for `min_duration` (at least [`LEAST_CALM`]), twice as long for each time it was told since
//!   there was none for an hour: what comes and goes all day becomes one alert.

use std::collections::BTreeMap;
use std::time::Duration;

use super::condition::{Condition, Presence};
use super::event::{Event, Key};
use crate::config::AlertKind;
use crate::segment::Timestamp;

const LEAST_CALM: Duration = Duration::from_secs(1);
const LONGEST_CALM: Duration = Duration::from_secs(3600);
/// After so long without trouble all is forgotten.
const MEMORY: Duration = Duration::from_secs(3600);
/// More begins than this change nothing any more.
const MOST_BEGINS: u32 = 12;

#[derive(Debug)]
pub struct Ledger {
    min_duration: Duration,
    entries: BTreeMap<Key, Entry>,
    /// How often each was told to begin, and when there was trouble with it last.
    begins: BTreeMap<Key, (u32, Duration)>,
    looked_at: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    began_at: Timestamp,
    /// Time with it, less time without it; counts until it is told.
    score: Duration,
    told: bool,
    /// Since when it is away.
    gone: Option<(Duration, Timestamp)>,
}

impl Ledger {
    /// `told`: what the receiver knows from a life before this one.
    pub fn new(min_duration: Duration, told: impl IntoIterator<Item = (Key, Timestamp)>) -> Ledger {
        let entry = |began_at| Entry { began_at, score: Duration::ZERO, told: true, gone: None };
        Ledger {
            min_duration,
            entries: told.into_iter().map(|(key, began_at)| (key, entry(began_at))).collect(),
            begins: BTreeMap::new(),
            looked_at: None,
        }
    }

    /// Takes in one look, at `clock` (monotonic) and `now`; returns what to tell, in this order.
    pub fn look(&mut self, conditions: &[Condition], clock: Duration, now: Timestamp) -> Vec<Event> {
        let passed = clock.saturating_sub(self.looked_at.replace(clock).unwrap_or(clock));
        self.forget(clock);
        let mut events = Vec::new();
        let keys: Vec<Key> = self.entries.keys().cloned().collect();
        for key in keys {
            if !conditions.iter().any(|condition| condition.key == key) {
                events.extend(self.absent(&key, passed, clock, now));
            }
        }
        for condition in conditions {
            match condition.presence {
                Presence::Present => events.extend(self.present(condition, passed, now)),
                Presence::Hushed => self.hushed(&condition.key),
                Presence::Unknown => {
                    if let Some(entry) = self.entries.get_mut(&condition.key) {
                        entry.gone = None;
                    }
                }
            }
        }
        events
    }

    fn present(&mut self, condition: &Condition, passed: Duration, now: Timestamp) -> Option<Event> {
        let key = &condition.key;
        let entry = match self.entries.get_mut(key) {
            Some(entry) => {
                if entry.gone.take().is_none() {
                    entry.score += passed;
                }
                entry
            }
            None => self.entries.entry(key.clone()).or_insert(Entry {
                began_at: now,
                score: Duration::ZERO,
                told: false,
                gone: None,
            }),
        };
        // what is lost is lost, however soon it stops
        let at_once = key.kind == AlertKind::FootageLost;
        if entry.told || (entry.score < self.min_duration && !at_once) {
            return None;
        }
        entry.told = true;
        let began_at = entry.began_at;
        let (begins, _) = self.begins.entry(key.clone()).or_default();
        *begins = (*begins + 1).min(MOST_BEGINS);
        Some(Event::begin(key.clone(), condition.message.clone(), began_at))
    }

    /// Something else tells it: one that was not told yet begins anew later.
    fn hushed(&mut self, key: &Key) {
        match self.entries.get_mut(key) {
            Some(entry) if entry.told => entry.gone = None,
            _ => drop(self.entries.remove(key)),
        }
    }

    fn absent(&mut self, key: &Key, passed: Duration, clock: Duration, now: Timestamp) -> Option<Event> {
        let calm = self.calm(key);
        let entry = self.entries.get_mut(key)?;
        let (gone, ended_at) = *entry.gone.get_or_insert((clock, now));
        if !entry.told {
            entry.score = entry.score.saturating_sub(passed);
            if entry.score.is_zero() {
                self.entries.remove(key);
            }
            return None;
        }
        if clock.saturating_sub(gone) < calm {
            return None;
        }
        let entry = self.entries.remove(key)?;
        Some(Event::end(key.clone(), entry.began_at, ended_at))
    }

    fn calm(&self, key: &Key) -> Duration {
        let doublings = self.begins.get(key).map_or(0, |(begins, _)| begins.saturating_sub(1));
        let calm = self.min_duration.max(LEAST_CALM);
        calm.saturating_mul(1 << doublings).min(LONGEST_CALM.max(calm))
    }

    fn forget(&mut self, clock: Duration) {
        let entries = &self.entries;
        self.begins.retain(|key, (_, trouble)| {
            if entries.contains_key(key) {
                *trouble = clock;
            }
            clock.saturating_sub(*trouble) < MEMORY
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::CameraName;

    fn key() -> Key {
        Key::of(AlertKind::CameraDown, Some(&CameraName::new("gate").unwrap()))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_763_906_400).plus(Duration::from_secs(seconds))
    }

    /// A ledger looked at once a second. `.` is well, `x` wrong, `h` hushed, `?` unknown; what was told comes back as
    /// `begin@second since second` and `end@second since second`.
    fn told(ledger: &mut Ledger, kind: AlertKind, course: &[(char, u64)]) -> Vec<String> {
        let (mut told, mut second) = (Vec::new(), 0);
        let from = at(0);
        for (mood, seconds) in course {
            for _ in 0..*seconds {
                let presence = match mood {
                    'x' => Some(Presence::Present),
                    'h' => Some(Presence::Hushed),
                    '?' => Some(Presence::Unknown),
                    _ => None,
                };
                let condition = |presence| Condition {
                    key: Key { kind, ..key() },
                    presence,
                    message: "camera gate does not record".into(),
                };
                let conditions: Vec<_> = presence.map(condition).into_iter().collect();
                for event in ledger.look(&conditions, Duration::from_secs(second), at(second)) {
                    let of = event.ended_at.unwrap_or(event.began_at).since(from).as_secs();
                    told.push(format!("{}@{second} since {of}", event.phase.as_str()));
                }
                second += 1;
            }
        }
        told
    }

    fn course(min_duration: u64, course: &[(char, u64)]) -> Vec<String> {
        let mut ledger = Ledger::new(Duration::from_secs(min_duration), []);
        told(&mut ledger, AlertKind::CameraDown, course)
    }

    #[test]
    fn each_trouble_is_told_once_when_it_begins_and_once_when_it_ends() {
        assert_eq!(
            course(60, &[('.', 10), ('x', 500), ('.', 500)]),
            ["begin@70 since 10", "end@570 since 510"]
        );
        assert_eq!(course(0, &[('x', 5), ('.', 5)]), ["begin@0 since 0", "end@6 since 5"]);
    }

    #[test]
    fn what_is_shorter_than_min_duration_is_not_told_at_all() {
        assert_eq!(course(60, &[('x', 60), ('.', 500)]), [""; 0]);
        // the next one, long after it, does not inherit its time
        assert_eq!(course(60, &[('x', 50), ('.', 60), ('x', 50), ('.', 99)]), [""; 0]);
    }

    #[test]
    fn a_camera_that_is_away_most_of_the_time_is_told_although_it_comes_back_for_moments() {
        let away = [('x', 50), ('.', 5), ('x', 50), ('.', 5), ('x', 50)];
        assert_eq!(course(60, &away), ["begin@71 since 0"]);
    }

    #[test]
    fn what_comes_and_goes_all_day_becomes_one_alert() {
        let flaps: Vec<_> = [('x', 120), ('.', 120)].repeat(360);
        let told = course(60, &flaps);
        assert!(told.len() <= 6, "{} messages in a day: {told:?}", told.len());
        let fast: Vec<_> = [('x', 5), ('.', 5)].repeat(8640);
        let told = course(0, &fast);
        assert!(told.len() <= 24, "{} messages in a day: {told:?}", told.len());
    }

    #[test]
    fn the_hushed_begins_nothing_and_ends_nothing() {
        assert_eq!(course(10, &[('h', 100), ('.', 50)]), [""; 0]);
        let told = course(10, &[('x', 20), ('h', 100), ('.', 50)]);
        assert_eq!(told, ["begin@10 since 0", "end@130 since 120"]);
        // its time counts from when nothing else tells it any more
        assert_eq!(course(10, &[('x', 9), ('h', 5), ('x', 20)]), ["begin@24 since 14"]);
    }

    #[test]
    fn what_nobody_knows_changes_nothing() {
        let told = course(10, &[('x', 20), ('?', 100), ('x', 5), ('?', 9), ('.', 50)]);
        assert_eq!(told, ["begin@10 since 0", "end@144 since 134"]);
        assert_eq!(course(10, &[('?', 100)]), [""; 0]);
    }

    #[test]
    fn what_was_told_before_a_restart_is_not_told_again_and_gets_its_end() {
        let known = || Ledger::new(Duration::from_secs(10), [(key(), at(0))]);
        let kind = AlertKind::CameraDown;
        assert_eq!(told(&mut known(), kind, &[('x', 100)]), [""; 0]);
        assert_eq!(told(&mut known(), kind, &[('?', 30), ('.', 30)]), ["end@40 since 30"]);
    }

    #[test]
    fn lost_footage_is_told_at_once() {
        let mut ledger = Ledger::new(Duration::from_secs(600), []);
        assert_eq!(told(&mut ledger, AlertKind::FootageLost, &[('x', 1)]), ["begin@0 since 0"]);
    }
}
