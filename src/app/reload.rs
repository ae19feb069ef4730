//! SIGHUP: takes a new configuration over while everything runs. Checked whole before anything is touched; then only what
//! changed is stopped and started.

use std::sync::atomic::{AtomicBool, Ordering};

use super::plan::{Plan, effective};
use super::recorder::Recorder;
use super::running::Running;
use super::{Templates, load_templates};
use crate::config::Config;
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
        match self.read_anew() {
            Ok((new, templates)) => self.take_over(running, new, templates),
            Err(error) => log::error!("reload refused, the old configuration runs on: {error}"),
        }
        self.watchdog().ready();
    }

    /// Everything that can be wrong with a new file is found here, while the old one runs.
    fn read_anew(&self) -> Result<(Config, Templates)> {
        let new = (self.again)()?;
        let codecs = &self.prepared.codecs;
        let templates = if self.parts.capture { load_templates(&new, codecs)? } else { Vec::new() };
        Ok((new, templates))
    }

    fn take_over(&mut self, running: &mut Running, new: Config, templates: Templates) {
        new.say_what_is_obsolete();
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
        match running.apply(&plan, &self.config, self.parts, &self.prepared, &self.runtime) {
            Ok(()) => log::info!("reload: {}", plan.words()),
            // what could not be started is missing now, as /health says
            Err(error) => log::error!("reload: the new configuration was taken over in part: {error}"),
        }
    }
}
