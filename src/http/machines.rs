//! What machines ask: `/metrics`, and the two questions of whoever starts and watches programs.

use std::time::Instant;

use hyper::StatusCode;
use serde_json::json;

use super::answer::{self, Answer};
use super::handler::Handler;
use super::route::{Probe, Refusal};
use crate::metrics;
use crate::segment::{CameraName, Timestamp};
use crate::status::StorageTrouble;

impl Handler {
    /// 200 or 503 with the reasons, which name no camera: anybody may ask.
    pub(super) fn probe(&self, probe: Probe) -> Answer {
        let snapshot = self.board.snapshot();
        let mut reasons = Vec::new();
        match probe {
            Probe::Live => {
                if !snapshot.hearts.stuck(Instant::now()).is_empty() {
                    reasons.push("a part of the recorder stands still");
                }
            }
            Probe::Ready => {
                if !snapshot.is_ready {
                    reasons.push("the recorder is starting");
                }
                if snapshot.stopping {
                    reasons.push("the recorder is stopping");
                }
                if snapshot.storage_reason.is_some_and(|trouble| trouble.fatal) {
                    reasons.push("rows or files cannot be written");
                }
            }
        }
        let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer::json(status, &json!({ "ok": reasons.is_empty(), "reasons": reasons }))
    }

    /// Also where the database does not answer: that is when numbers are looked at.
    pub(super) async fn metrics(&self) -> Result<Answer, Refusal> {
        let mut snapshot = self.board.snapshot();
        let read = self.rows(|store| Ok((store.stats()?, store.footage()?))).await;
        let (stats, footage) = read.unwrap_or_else(|error| {
            self.warn("read what is measured", &error);
            snapshot.storage_reason = Some(StorageTrouble { fatal: true, reason: error.to_string() });
            (Vec::new(), Vec::new())
        });
        let store = self.store.clone();
        let sizes =
            tokio::task::spawn_blocking(move || (store.free_bytes().ok(), store.database_bytes())).await;
        let (free_bytes, database_bytes) = sizes.unwrap_or_default();
        let cameras: Vec<CameraName> = self.cameras.now().iter().map(|camera| camera.name.clone()).collect();
        let text = metrics::text(&metrics::Facts {
            snapshot: &snapshot,
            counters: self.board.counters(),
            stats: &stats,
            footage: &footage,
            cameras: &cameras,
            free_bytes,
            database_bytes,
            now: Timestamp::now(),
        });
        Ok(answer::text(StatusCode::OK, metrics::CONTENT_TYPE, text))
    }
}
