//! The task that gives disk space back: applies the local buffer, the quota and the free-space rule, and says on the
//! board and in the log how much room there is. The rules themselves are the store's.
//!
//! The disk is looked at every second, rows and files every few seconds, and every second while space is low: a
//! machine with fifty cameras writes 25 MB in one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::heartbeat::Heart;
use crate::segment::Timestamp;
use crate::shutdown::Shutdown;
use crate::status::{Board, SpaceLevel, StorageTrouble};
use crate::store::{Low, Retained, Space, Store};

const LOOK: Duration = Duration::from_secs(1);
/// What is too old for the local buffer can wait this long.
const INTERVAL: Duration = Duration::from_secs(5);
/// Footage goes a segment at a time while the disk stays full: that is over when there is room again, or when none
/// went for this long.
const CALM: Duration = Duration::from_secs(600);
/// Between two lines that say the same.
const REPEAT: Duration = Duration::from_secs(60);

/// Runs until `shutdown`. Errors are told on the board and tried again: a recorder must outlive its disk's moods.
pub async fn run(store: Store, board: Board, shutdown: Shutdown) -> Result<()> {
    let mut watch = Watch::default();
    let mut retained_at: Option<Instant> = None;
    loop {
        board.heartbeat(&Heart::Retention);
        let due = watch.level > SpaceLevel::Ok || retained_at.is_none_or(|at| at.elapsed() >= INTERVAL);
        let found = store.call(move |store| look(store, due)).await;
        if found.as_ref().is_ok_and(|(retained, _)| retained.is_some()) {
            retained_at = Some(Instant::now());
        }
        for (level, line) in watch.note(found, Instant::now()) {
            log::log!(level, "[storage] {line}");
        }
        board.count_dropped(std::mem::take(&mut watch.uncounted.0), std::mem::take(&mut watch.uncounted.1));
        board.set_space(watch.level, Timestamp::now());
        board.set_storage(watch.trouble.clone());
        tokio::select! {
            () = shutdown.requested() => {
                board.heart_ends(&Heart::Retention);
                return Ok(());
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Looks at the disk, and gives files up if that is due or the disk says so.
fn look(store: &Store, due: bool) -> Result<(Option<Retained>, Space)> {
    if !due && store.space()?.low(false).is_none() {
        return Ok((None, store.space()?));
    }
    let retained = store.retain(Timestamp::now())?;
    // after the giving up: it is footage that makes room for the database's reserve, not the other way round
    if let Err(error) = store.keep_reserve() {
        log::debug!("[storage] {error}");
    }
    Ok((Some(retained), store.space()?))
}

/// What was found and said so far. Pure: time comes from outside.
#[derive(Default)]
struct Watch {
    level: SpaceLevel,
    trouble: Option<StorageTrouble>,
    /// The trouble that the log knows of. It lags behind where things change to and fro.
    said: Option<StorageTrouble>,
    /// When each line was written last, as far as that matters still.
    said_at: HashMap<String, Instant>,
    low: bool,
    still_short: bool,
    dropped_at: Option<Instant>,
    /// Segments and bytes given up that no line told yet.
    untold: (u64, u64),
    told_at: Option<Instant>,
    /// The same for the board.
    uncounted: (u64, u64),
}

type Lines = Vec<(log::Level, String)>;

impl Watch {
    /// Takes in one look; returns what to log.
    fn note(&mut self, found: Result<(Option<Retained>, Space)>, now: Instant) -> Lines {
        let mut lines = Lines::new();
        self.trouble = None;
        match found {
            Ok((retained, space)) => self.judge(retained, &space, now),
            Err(error) => self.trouble = Some(fatal(&error)),
        }
        self.said_at.retain(|_, at| now.saturating_duration_since(*at) < REPEAT);
        let line = self.changed();
        if self.trouble != self.said && !self.said_at.contains_key(&line.1) {
            self.said_at.insert(line.1.clone(), now);
            self.said = self.trouble.clone();
            lines.push(line);
        }
        lines.extend(self.losses(now));
        lines
    }

    fn judge(&mut self, retained: Option<Retained>, space: &Space, now: Instant) {
        if let Some(retained) = retained {
            self.still_short = retained.still_short;
            if !retained.dropped.is_empty() {
                self.dropped_at = Some(now);
                let (segments, bytes) = (retained.dropped.len() as u64, retained.dropped_bytes);
                for sum in [&mut self.untold, &mut self.uncounted] {
                    *sum = (sum.0 + segments, sum.1 + bytes);
                }
            }
        }
        let dropped_just_now = self.dropped_at == Some(now);
        let calm = self.dropped_at.is_none_or(|at| now.saturating_duration_since(at) >= CALM);
        if calm || (space.has_eased() && !dropped_just_now) {
            self.dropped_at = None;
        }
        let low = space.low(self.low);
        self.low = low.is_some();
        (self.level, self.trouble) = match (self.still_short, self.dropped_at, low) {
            (true, ..) => (SpaceLevel::Full, Some(short(full(space)))),
            (false, Some(_), _) => (SpaceLevel::Dropping, Some(short(dropping(space)))),
            (false, None, Some(low)) => (SpaceLevel::Low, Some(short(announcement(low)))),
            (false, None, None) => (SpaceLevel::Ok, None),
        };
    }

    fn changed(&self) -> (log::Level, String) {
        match (&self.trouble, self.level) {
            (Some(trouble), SpaceLevel::Low) if !trouble.fatal => match self.said {
                Some(_) => (log::Level::Warn, format!("better than before, but {}", trouble.reason)),
                None => (log::Level::Warn, trouble.reason.clone()),
            },
            (Some(trouble), _) => (log::Level::Error, trouble.reason.clone()),
            (None, _) => (log::Level::Info, "space and database are well again".into()),
        }
    }

    /// At once, then once a minute, and what is left when it is over.
    fn losses(&mut self, now: Instant) -> Option<(log::Level, String)> {
        let over = self.dropped_at.is_none();
        let due = over || self.told_at.is_none_or(|at| now.saturating_duration_since(at) >= REPEAT);
        let (segments, bytes) = self.untold;
        if segments == 0 || !due {
            return None;
        }
        self.untold = (0, 0);
        self.told_at = Some(now);
        let plural = if segments == 1 { "" } else { "s" };
        let mb = bytes.div_ceil(100_000) as f64 / 10.0;
        Some((log::Level::Error, format!("{segments} segment{plural} dropped before S3 had them, {mb} MB")))
    }
}

fn short(reason: &str) -> StorageTrouble {
    StorageTrouble { fatal: false, reason: reason.into() }
}

fn fatal(error: &Error) -> StorageTrouble {
    StorageTrouble { fatal: true, reason: error.to_string() }
}

fn dropping(space: &Space) -> &'static str {
    if space.low(true) == Some(Low::Files) {
        return "disk has no inodes left: footage that was not uploaded yet is being dropped, oldest first; remove small \
                files from the disk of storage.segments_dir (df -i counts them)";
    }
    "disk is full: footage that was not uploaded yet is being dropped, oldest first; restore the connection to S3, or \
     give storage.segments_dir a larger disk"
}

fn announcement(low: Low) -> &'static str {
    match low {
        Low::Disk => {
            "disk is getting full: soon uploaded segments go before their time, and then the oldest that S3 does not \
             have are lost; free space on the disk of storage.segments_dir, see that uploads get through, or lower \
             storage.local_buffer_minutes"
        }
        Low::Files => {
            "disk is running out of inodes: soon no file can be created on it, however many bytes are free; remove \
             small files from the disk of storage.segments_dir (df -i counts them)"
        }
        Low::Backlog => {
            "segments that wait for their upload fill storage.max_size_gb: soon the oldest are lost; see that uploads \
             get through, or raise storage.max_size_gb"
        }
        Low::Database => {
            "the database's disk is getting full: soon rows cannot be written; free space on the disk of \
             storage.database"
        }
    }
}

fn full(space: &Space) -> &'static str {
    if space.free_files.is_some_and(|free| free < space.min_free_files) {
        return "disk has no inodes left, and deleting our own files would not help; remove small files from the disk \
                of storage.segments_dir (df -i counts them)";
    }
    "disk is too full, and deleting our own files would not help; free space on the disk of storage.segments_dir, or \
     lower storage.min_free_mb"
}

#[cfg(test)]
mod tests;
