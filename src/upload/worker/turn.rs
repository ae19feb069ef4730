//! The worker's turn with the database: how uploads ended goes in, the next segments come out, in one transaction.
//!
//! A turn runs beside the uploads, and some segments are taken ahead: no upload waits for a sync of the disk, and one
//! sync serves several rows. A segment taken ahead is `uploading` like any other; after a crash it is looked up in S3
//! first. At most one turn runs, so that its rows are nobody else's.

use std::collections::VecDeque;
use std::time::Instant;

use tokio::task::Id;

use super::super::attempt::{self, Options};
use super::super::finish::Finish;
use super::{Conditional, Done, PROBE_CHOICE, Worker};
use crate::config::UploadOrder;
use crate::error::{Error, Result};
use crate::segment::{Segment, SegmentId, Timestamp};
use crate::store::{Moves, Store};

/// Where small segments go faster than the disk syncs, more are taken at once, up to this.
const MOST_AHEAD: usize = 64;

/// Segments on their way between rows and uploads.
pub(super) struct Turns {
    /// How many to take beyond what is uploaded at once; grows while uploads wait for turns.
    ahead: usize,
    /// Taken ahead, in order.
    ready: VecDeque<Segment>,
    /// For the next turn to write.
    ends: Ends,
    running: Option<Running>,
    /// A turn might find something to do.
    look: bool,
    /// It should find out now, and not wait until it is worth a sync of the disk.
    at_once: bool,
}

/// What a turn was sent with; kept until the database took it.
struct Running {
    task: Id,
    asked: usize,
    link_was_up: bool,
    ends: Ends,
}

#[derive(Clone, Default)]
struct Ends {
    uploaded: Vec<(SegmentId, Timestamp)>,
    /// Taken ahead, and not wanted any more.
    returned: Vec<Segment>,
}

/// The outer error is the database's: nothing was written. The inner one is the segment folder's: the ends were
/// written, and nothing was taken.
pub(super) type Turn = Result<Result<Vec<Segment>>>;

impl Default for Turns {
    fn default() -> Self {
        Self {
            ahead: 0,
            ready: VecDeque::new(),
            ends: Ends::default(),
            running: None,
            look: true,
            at_once: true,
        }
    }
}

impl Worker {
    /// A turn may find something new.
    pub(super) fn look(&mut self) {
        self.state.turns.look = true;
        self.state.turns.at_once = true;
    }

    /// Rows were added. Newest first, they go before what was taken ahead.
    pub(super) fn look_at_new(&mut self) {
        if self.config.order == UploadOrder::NewestFirst {
            self.return_ready();
        }
        self.look();
    }

    /// What was taken ahead goes back into the queue with the next turn.
    pub(super) fn return_ready(&mut self) {
        self.state.turns.ends.returned.extend(self.state.turns.ready.drain(..));
    }

    /// How many segments to take now; one to find out whether the outage is over.
    pub(super) fn wanted(&self, now: Instant) -> usize {
        let (under_way, ready) = (self.state.in_flight.len(), self.state.turns.ready.len());
        if self.state.link.is_up() {
            (self.config.concurrency + self.ahead()).saturating_sub(under_way + ready)
        } else {
            self.state.link.free_slots(now, under_way, 1).saturating_sub(ready)
        }
    }

    fn ahead(&self) -> usize {
        self.state.turns.ahead.max(self.config.concurrency)
    }

    /// Starts uploads of what was taken. Returns whether there was any.
    pub(super) fn start_ready(&mut self, now: Instant) -> bool {
        let slots = self.state.link.free_slots(now, self.state.in_flight.len(), self.config.concurrency);
        if slots > self.state.turns.ready.len() && self.turn_runs() {
            self.state.turns.ahead = (2 * self.ahead()).min(MOST_AHEAD);
        }
        let slots = slots.min(self.state.turns.ready.len());
        for segment in self.state.turns.ready.drain(..slots).collect::<Vec<_>>() {
            self.start_upload(segment);
        }
        slots > 0
    }

    fn start_upload(&mut self, segment: Segment) {
        let options = Options {
            conditional: self.state.conditional == Conditional::Known(true),
            multipart_threshold_bytes: self.config.multipart_threshold_bytes,
        };
        let (s3, path, task_segment) = (self.s3.clone(), self.store.path(&segment), segment.clone());
        let upload = async move {
            let began = Instant::now();
            let ended = attempt::run(&s3, &task_segment, &path, options).await;
            Done::Upload(ended, began.elapsed())
        };
        let task = self.state.jobs.spawn(upload);
        self.state.in_flight.insert(task.id(), segment);
    }

    /// Starts a turn that takes `want` segments, if there is anything to do and none runs. Returns whether it did.
    pub(super) fn start_turn(&mut self, want: usize) -> bool {
        if self.state.turns.running.is_some() || !self.state.turns.look {
            return false;
        }
        if want == 0 && self.state.turns.ends.is_empty() {
            return false;
        }
        let low = self.ahead() / 2;
        let ends = self.state.turns.ends.uploaded.len();
        if !self.state.turns.at_once && self.state.turns.ready.len() > low && ends < MOST_AHEAD {
            return false;
        }
        let ends = std::mem::take(&mut self.state.turns.ends);
        self.state.turns.look = false;
        self.state.turns.at_once = false;
        let link_was_up = self.state.link.is_up();
        let probes =
            (!link_was_up).then(|| (0..=PROBE_CHOICE).map(|n| self.state.link.probe_index(n)).collect());
        let (store, order, sent) = (self.store.clone(), self.config.order, ends.clone());
        let turn =
            async move { Done::Turn(store.call(move |store| turn(store, &sent, order, want, probes)).await) };
        let task = self.state.jobs.spawn(turn).id();
        self.state.turns.running = Some(Running { task, asked: want, link_was_up, ends });
        true
    }

    pub(super) fn is_turn(&self, task: Id) -> bool {
        self.state.turns.running.as_ref().is_some_and(|running| running.task == task)
    }

    pub(super) fn turn_runs(&self) -> bool {
        self.state.turns.running.is_some()
    }

    pub(super) fn turn_ended(&mut self, turn: Turn) {
        let Some(Running { asked, link_was_up, ends, .. }) = self.state.turns.running.take() else { return };
        let taken = match turn {
            Err(error) if !ends.is_empty() => {
                // said by the attempt that is made for each
                log::debug!("[upload] write how uploads ended: {error}; they are tried again one by one");
                self.one_by_one(ends);
                return self.look();
            }
            Err(error) | Ok(Err(error)) => return self.rows_fail("take waiting segments", &error),
            Ok(Ok(taken)) => taken,
        };
        if asked > 0 {
            self.rows_work();
        }
        if taken.len() < asked {
            self.state.turns.ahead = 0;
        }
        // there may be more; what comes later is told by a wake or found by the clock
        self.state.turns.look |= taken.len() == asked;
        if taken.is_empty() && asked > 0 && !link_was_up && !self.state.link.is_up() {
            // no segment is left to find out with whether the outage is over
            self.start_probe();
        }
        // where the link broke, or newer ones came while it ran, what it took goes back behind what went back before
        let overtaken =
            !self.state.turns.ends.returned.is_empty() || (link_was_up && !self.state.link.is_up());
        self.state.turns.ready.extend(taken);
        if overtaken {
            self.return_ready();
            self.look();
        }
    }

    /// Writes the ends at the stop. What the database does not take is looked up in S3 at the next start.
    pub(super) async fn last_turn(&mut self) {
        self.return_ready();
        let ends = std::mem::take(&mut self.state.turns.ends);
        if ends.is_empty() {
            return;
        }
        let (order, sent) = (self.config.order, ends.clone());
        if let Err(error) = self.store.call(move |store| turn(store, &sent, order, 0, None)).await {
            log::warn!("[upload] write how uploads ended: {error}; they are tried once more, one by one");
            self.one_by_one(ends);
            self.save().await;
        }
    }

    /// The end of an attempt, for the next turn, which takes many at once, or for a transaction of its own.
    pub(super) fn note_end(&mut self, id: SegmentId, finish: Finish) {
        match finish {
            Finish::Uploaded { at } => self.state.turns.ends.uploaded.push((id, at)),
            other => self.state.unsaved.push_back((id, other)),
        }
        self.state.turns.look = true;
    }

    /// One row that the database refuses must not hold the others up: each goes by itself now.
    fn one_by_one(&mut self, ends: Ends) {
        let uploaded = ends.uploaded.into_iter().map(|(id, at)| (id, Finish::Uploaded { at }));
        let returned = ends.returned.iter().map(|segment| (segment.id, Finish::given_back(segment)));
        self.state.unsaved.extend(uploaded.chain(returned));
    }

    /// The turn's task ended without an answer.
    pub(super) fn turn_lost(&mut self, error: Error) {
        self.turn_ended(Err(error));
    }
}

impl Ends {
    fn is_empty(&self) -> bool {
        self.uploaded.is_empty() && self.returned.is_empty()
    }
}

/// `probes`: which of so many waiting segments finds out whether the outage is over; `None` while there is none.
fn turn(store: &Store, ends: &Ends, order: UploadOrder, want: usize, probes: Option<Vec<usize>>) -> Turn {
    // while the disk is away, every file would look lost
    let folder = if want > 0 { store.require_marker() } else { Ok(()) };
    // an idle uploader must not ask for the write lock each second: a camera's row may be waiting for it
    if ends.is_empty() && (folder.is_err() || store.next_uploads(Timestamp::now(), order, 1)?.is_empty()) {
        return Ok(folder.map(|()| Vec::new()));
    }
    let take = |moves: &Moves<'_>| match &probes {
        _ if want == 0 || folder.is_err() => Ok(Vec::new()),
        None => moves.claim(Timestamp::now(), order, want, |_| {}),
        Some(probes) => moves.claim(Timestamp::now(), order, PROBE_CHOICE, |due| {
            let chosen = probes.get(due.len()).copied().unwrap_or_default();
            due.truncate(chosen.saturating_add(1));
            *due = due.pop().into_iter().collect();
        }),
    };
    let taken = store.together("turn of the uploads", |moves| {
        ends.uploaded.iter().try_for_each(|(id, at)| moves.finish_uploaded(*id, *at))?;
        ends.returned.iter().try_for_each(|segment| moves.give_back(segment))?;
        take(moves)
    })?;
    Ok(folder.map(|()| taken))
}
