//! `/metrics`: what is known as numbers, in the OpenMetrics text that Prometheus reads.
//!
//! Called by `http` for each scrape. Asks nobody: everything comes with [`Facts`], so a scrape costs what `/health` does.
//! Labels are cameras' names and closed lists of words, so there is no more of them than of those. `docs/metrics.md`
//! lists every family, and a test compares it with what is exported.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::counters::Counters;
use crate::segment::{CameraName, Timestamp};
use crate::status::Snapshot;
use crate::store::{CameraStats, Footage};

mod camera;
mod process;
mod recorder;
#[cfg(test)]
mod tests;

/// The type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that there is a number of.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub snapshot: &'a Snapshot,
    pub counters: &'a Counters,
    pub stats: &'a [CameraStats],
    pub footage: &'a [Footage],
    /// In the order of the file.
    pub cameras: &'a [CameraName],
    /// `None` where the disk could not be asked.
    pub free_bytes: Option<u64>,
    pub database_bytes: u64,
    pub now: Timestamp,
}

/// One line for each number.
pub fn text(facts: &Facts<'_>) -> String {
    let mut registry = Registry::with_prefix("cctv");
    camera::register(&mut registry, facts);
    recorder::register(&mut registry, facts);
    let mut plain = Registry::default();
    process::register(&mut plain);
    let mut text = String::new();
    // writing into a string cannot fail
    let _ = encode(&mut text, &registry);
    // one text, one end
    let mut text = text.trim_end_matches("# EOF\n").to_owned();
    let _ = encode(&mut text, &plain);
    text
}
