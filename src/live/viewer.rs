//! A viewer who gets every frame at once: over a WebSocket or an endless answer.
//!
//! Made by the hub, driven by HTTP. Holds no frames: who is slow misses some, and goes on at a keyframe.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::hub::{After, Hub, Init};

/// Counts as somebody who watches until it is dropped.
pub struct Viewer {
    hub: Arc<Hub>,
    changes: watch::Receiver<()>,
    init: Option<u64>,
    next: Option<u64>,
}

/// What a viewer gets.
#[derive(Clone, Debug)]
pub enum Moment {
    /// A run begins: what came before does not go on.
    Init(Arc<Init>),
    Frame(Bytes),
}

impl Viewer {
    pub(super) fn new(hub: Arc<Hub>, changes: watch::Receiver<()>) -> Viewer {
        Viewer { hub, changes, init: None, next: None }
    }

    /// What comes next, whenever that is: an [`Moment::Init`], then frames from the last keyframe on. `None` when
    /// the program ends. Safe to be given up at any moment.
    pub async fn next(&mut self) -> Option<Moment> {
        loop {
            self.changes.mark_unchanged();
            match self.hub.after(self.init, self.next) {
                After::End => return None,
                After::Init(init) => {
                    self.init = Some(init.id);
                    self.next = None;
                    return Some(Moment::Init(init));
                }
                After::Frame(bytes, next) => {
                    self.next = Some(next);
                    return Some(Moment::Frame(bytes));
                }
                After::Nothing => self.changes.changed().await.ok()?,
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.hub.leave();
    }
}
