//! Which decoder, scaler and encoder: chosen by running a short real pipeline of each candidate, because an
//! element that exists may still not work (a /dev/video* without its firmware, an encoder that takes no frame).
//!
//! A codec that fails later is latched out by the camera that saw it fail ([`Latches`]); its next run takes the
//! next candidate. The last candidate of a role is never latched: a broken stream must not stop recording for good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::codec::{Chain, Chosen, Role, text};
use super::probe;
use crate::config::CaptureConfig;
use crate::error::{Error, Kind, Result};

/// What one camera saw fail.
#[derive(Clone, Debug, Default)]
pub struct Latches(BTreeSet<(Role, &'static str)>);

impl Latches {
    /// Rules `element` out. Returns whether another candidate is left; if none is, all are allowed again.
    pub fn latch(&mut self, role: Role, element: &'static str) -> bool {
        self.0.insert((role, element));
        let left = role.candidates().iter().any(|other| !self.holds(role, other) && probe::exists(other));
        if !left {
            self.0.retain(|(other, _)| *other != role);
        }
        left
    }

    fn holds(&self, role: Role, element: &'static str) -> bool {
        self.0.contains(&(role, element))
    }
}

/// Between two looks whether another camera has probed.
const TURN: Duration = Duration::from_millis(20);

/// Remembers what was probed, for all cameras of the process.
#[derive(Default)]
pub struct Codecs {
    probed: Mutex<BTreeMap<Probed, Result<(), String>>>,
}

type Probed = (Role, &'static str, Size);

/// What a probe depends on beside the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Size {
    width: u32,
    height: u32,
    framerate: u32,
}

impl Codecs {
    pub fn new() -> Self {
        Self::default()
    }

    /// The first candidate of `role` that works at this size and is not latched. Probes what was not probed yet,
    /// which takes a few tens of milliseconds each.
    ///
    /// `alive` is called before each probe and while another camera probes: hardware that hangs takes ten seconds each.
    pub fn choose(
        &self,
        role: Role,
        capture: &CaptureConfig,
        latches: &Latches,
        alive: &dyn Fn(),
    ) -> Result<&'static str> {
        let size = Size { width: capture.width, height: capture.height, framerate: capture.framerate };
        // held while probing: cameras that start together wait for one probe instead of running many at once
        let mut probed = self.wait(alive);
        let mut tried = Vec::new();
        for element in role.candidates() {
            if latches.holds(role, element) {
                tried.push(format!("{element}: failed while running"));
                continue;
            }
            if !probe::exists(element) {
                tried.push(format!("{element}: not installed ({})", probe::package_of(element)));
                continue;
            }
            let answer = probed.entry((role, element, size)).or_insert_with(|| {
                alive();
                let answer = probe::run(role, &text(role, element, capture), capture);
                match &answer {
                    Ok(()) => log::info!("[codec] {role}: {element} works"),
                    Err(why) => log::warn!("[codec] {role}: {element} does not work: {why}"),
                }
                answer
            });
            match answer {
                Ok(()) => return Ok(element),
                Err(why) => tried.push(format!("{element}: {why}")),
            }
        }
        Err(Error::new(
            Kind::Pipeline,
            format!(
                "choose a {role}: none works ({}); install gstreamer1.0-libav and gstreamer1.0-plugins-ugly",
                tried.join("; ")
            ),
        ))
    }

    fn wait(&self, alive: &dyn Fn()) -> MutexGuard<'_, BTreeMap<Probed, Result<(), String>>> {
        loop {
            match self.probed.try_lock() {
                Ok(probed) => return probed,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    alive();
                    std::thread::sleep(TURN);
                }
            }
        }
    }

    /// Lets the next choice probe again what failed before.
    pub fn forget_failures(&self, roles: &[Role]) {
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        probed.retain(|(role, ..), answer| answer.is_ok() || !roles.contains(role));
    }

    /// Elements and texts for a run that wants these roles.
    pub fn chain(
        &self,
        roles: &[Role],
        capture: &CaptureConfig,
        latches: &Latches,
        alive: &dyn Fn(),
    ) -> Result<(Chain, Chosen)> {
        let (mut chain, mut chosen) = (Chain::default(), Chosen::new());
        for role in roles {
            let element = self.choose(*role, capture, latches, alive)?;
            let text = text(*role, element, capture);
            match role {
                Role::Decoder(_) => chain.decoder = text,
                Role::Scaler => chain.scaler = text,
                Role::Encoder => chain.encoder = text,
            }
            chosen.insert(*role, element);
        }
        Ok((chain, chosen))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn who_waits_for_the_probe_of_another_camera_says_that_it_goes_on() {
        let (codecs, beats) = (Codecs::new(), &AtomicU32::new(0));
        let held = codecs.probed.lock().unwrap();
        std::thread::scope(|scope| {
            let alive = move || {
                beats.fetch_add(1, Ordering::Relaxed);
            };
            let codecs = &codecs;
            let waits = scope.spawn(move || drop(codecs.wait(&alive)));
            while beats.load(Ordering::Relaxed) < 3 {
                assert!(!waits.is_finished(), "it did not wait");
                std::thread::yield_now();
            }
            drop(held);
        });
    }
}
