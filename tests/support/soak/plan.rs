//! What will go wrong and when: a list made from a seed, the same at every run. Pure.

use std::time::Duration;

use crate::support::Fault;

/// The program gets this long before the first fault, and all is well this long before the end.
const WARM_UP: Duration = Duration::from_secs(6);
const COOL_DOWN: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub seed: u64,
    pub length: Duration,
    pub kills: usize,
    pub cameras: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraFault {
    /// As a power cut: port and connections close.
    Dead,
    /// The connection stays, and nothing comes over it.
    Frozen,
    /// Connections are cut; new ones are accepted and carry nothing.
    Mute,
    /// Connections are cut, and the camera is well at once.
    Kicked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// kill -9, then started again.
    Kill,
    /// SIGTERM, then started again when it has ended.
    Terminate,
    Camera(usize, CameraFault),
    CameraWell(usize),
    /// The next so many PUTs are spoilt.
    Spoil(usize, Fault),
    /// Any request may fail, in a way that the seed decides.
    Storm {
        seed: u64,
        percent: u8,
    },
    StoreAway,
    StoreWell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Since the start of the soak.
    pub at: Duration,
    pub event: Event,
}

/// All events in order. Faults of cameras and store end before the soak does; there are exactly `wish.kills` kills.
pub fn plan(wish: &Wish) -> Vec<Planned> {
    let mut rng = fastrand::Rng::with_seed(wish.seed);
    let end = wish.length.saturating_sub(COOL_DOWN).max(WARM_UP);
    let mut events = Vec::new();
    kills(&mut rng, wish.kills, end, &mut events);
    let mut stops = Duration::from_secs(rng.u64(10..40));
    while stops < end {
        events.push(Planned { at: stops, event: Event::Terminate });
        stops += Duration::from_secs(rng.u64(20..90));
    }
    for camera in 0..wish.cameras {
        camera_faults(&mut rng, camera, end, &mut events);
    }
    store_faults(&mut rng, end, &mut events);
    events.sort_by_key(|planned| planned.at);
    events
}

/// Spread evenly, each at a random moment of its share. Some come while the program still recovers from the kill before,
/// some while it stops.
fn kills(rng: &mut fastrand::Rng, kills: usize, end: Duration, events: &mut Vec<Planned>) {
    let share = (end - WARM_UP) / u32::try_from(kills.max(1)).unwrap_or(u32::MAX);
    let mut number = 0;
    while number < kills {
        let at = WARM_UP + share * u32::try_from(number).unwrap_or(u32::MAX) + share.mul_f64(rng.f64());
        let mut push = |after_ms: u64, event| {
            events.push(Planned { at: (at + Duration::from_millis(after_ms)).min(end), event });
        };
        match rng.u32(0..5) {
            0 if number + 1 < kills => {
                push(0, Event::Kill);
                push(rng.u64(20..1500), Event::Kill);
                number += 2;
            }
            1 => {
                push(0, Event::Terminate);
                push(rng.u64(1..600), Event::Kill);
                number += 1;
            }
            _ => {
                push(0, Event::Kill);
                number += 1;
            }
        }
    }
}

fn camera_faults(rng: &mut fastrand::Rng, camera: usize, end: Duration, events: &mut Vec<Planned>) {
    let mut at = WARM_UP + Duration::from_millis(rng.u64(0..25_000));
    while at < end {
        let (fault, lasts_ms) = match rng.u32(0..4) {
            0 => (CameraFault::Dead, rng.u64(300..10_000)),
            1 => (CameraFault::Frozen, rng.u64(300..12_000)),
            2 => (CameraFault::Mute, rng.u64(1000..10_000)),
            _ => (CameraFault::Kicked, 0),
        };
        events.push(Planned { at, event: Event::Camera(camera, fault) });
        at = (at + Duration::from_millis(lasts_ms)).min(end);
        events.push(Planned { at, event: Event::CameraWell(camera) });
        // long enough for the recorder to come back and count as healthy, so that waits do not grow without end
        at += Duration::from_millis(rng.u64(30_000..75_000));
    }
}

/// Most of the time any request may fail in any way; between storms there is calm, a spell of one fault that stores and
/// does not say so, or no store at all.
fn store_faults(rng: &mut fastrand::Rng, end: Duration, events: &mut Vec<Planned>) {
    let spoils = [
        Fault::CommitThenRefuse(500, "InternalError"),
        Fault::CommitThenReset,
        Fault::CommitThenHangUp,
        Fault::CommitThenStall,
        Fault::ResetMidBody,
        Fault::Slow(50_000),
    ];
    let mut at = WARM_UP + Duration::from_millis(rng.u64(0..5000));
    while at < end {
        let (event, lasts_ms) = match rng.u32(0..4) {
            0 => (Event::StoreAway, rng.u64(500..12_000)),
            1 => {
                let fault = spoils[rng.usize(0..spoils.len())];
                // each of these costs the recorder its whole patience
                let count = if fault == Fault::CommitThenStall { 1 } else { rng.usize(1..6) };
                (Event::Spoil(count, fault), 5000)
            }
            _ => (Event::Storm { seed: rng.u64(..), percent: rng.u8(20..60) }, rng.u64(6000..25_000)),
        };
        events.push(Planned { at, event });
        at = (at + Duration::from_millis(lasts_ms)).min(end);
        events.push(Planned { at, event: Event::StoreWell });
        at += Duration::from_millis(rng.u64(1000..8000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: Wish = Wish { seed: 7, length: Duration::from_secs(600), kills: 40, cameras: 3 };

    #[test]
    fn a_seed_gives_the_same_plan_every_time_and_another_seed_another_one() {
        assert_eq!(plan(&WISH), plan(&WISH));
        assert_ne!(plan(&WISH), plan(&Wish { seed: 8, ..WISH }));
    }

    #[test]
    fn it_has_the_kills_that_were_asked_for_and_all_is_well_before_the_end() {
        for (seed, kills) in [(1, 0), (2, 1), (3, 7), (4, 200)] {
            let events = plan(&Wish { seed, kills, ..WISH });
            let count = |event: Event| events.iter().filter(|planned| planned.event == event).count();
            assert_eq!(count(Event::Kill), kills);
            let store = |event: &Event| {
                matches!(event, Event::Spoil(..) | Event::Storm { .. } | Event::StoreAway | Event::StoreWell)
            };
            let of_store = events.iter().rfind(|planned| store(&planned.event));
            assert_eq!(of_store.unwrap().event, Event::StoreWell);
            assert!(events.iter().all(|planned| planned.at <= WISH.length - COOL_DOWN));
            for camera in 0..WISH.cameras {
                let of_camera = events.iter().rfind(|planned| {
                    matches!(planned.event, Event::Camera(one, _) | Event::CameraWell(one) if one == camera)
                });
                assert_eq!(of_camera.unwrap().event, Event::CameraWell(camera));
            }
        }
    }

    #[test]
    fn every_kind_of_fault_comes_up_within_ten_minutes() {
        let events = plan(&WISH);
        let has = |wanted: &dyn Fn(&Event) -> bool| events.iter().any(|planned| wanted(&planned.event));
        for fault in [CameraFault::Dead, CameraFault::Frozen, CameraFault::Mute, CameraFault::Kicked] {
            assert!(has(&|event| matches!(event, Event::Camera(_, found) if *found == fault)), "{fault:?}");
        }
        assert!(has(&|event| matches!(event, Event::Spoil(..))) && has(&|event| *event == Event::StoreAway));
        assert!(
            has(&|event| matches!(event, Event::Storm { .. })) && has(&|event| *event == Event::Terminate)
        );
    }
}
