//! SIGHUP: takes a new configuration over while everything runs. Checked whole before anything is touched; then only what
//! changed is stopped and started.

use std::sync::atomic::{AtomicBool, Ordering};

use super::load_templates;
use super::plan::{Plan, effective};
use super::recorder::Recorder;
use super::running::Running;
use crate::error::Result;
use crate::logging;

/// Set by the signal, taken by the thread that watches the parts.
#[derive(Default)]
pub struct Wish(AtomicBool);

impl Wish {
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Recorder {
    /// Reloads if that was asked for. Whatever goes wrong, what runs goes on.
    pub(super) fn reload_if_asked(&mut self, running: &mut Running) {
        if !self.wish.take() {
            return;
        }
        self.watchdog().reloading();
        if let Err(error) = self.reload(running) {
            log::error!("reload refused, the old configuration runs on: {error}");
        }
        self.watchdog().ready();
    }

    fn reload(&mut self, running: &mut Running) -> Result<()> {
        let new = (self.again)()?;
        // a pipeline that cannot be built must be found while the old one still runs
        let codecs = self.prepared.codecs.clone();
        let templates = if self.parts.capture { load_templates(&new, &codecs)? } else { Vec::new() };
        let plan = Plan::of(&self.config, &new);
        if !plan.later.is_empty() {
            log::warn!(
                "reload: a restart is needed for {}; the old values stay until then",
                plan.later.join(", ")
            );
        }
        self.config = effective(&self.config, new);
        self.prepared.templates = templates;
        if plan.level {
            logging::set_level(&self.config.logging.level);
        }
        running.apply(&plan, &self.config, self.parts, &self.prepared, &self.runtime)?;
        log::info!("reload: {}", plan.words());
        Ok(())
    }
}
