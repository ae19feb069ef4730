//! The thread that makes pictures, one at a time.
//!
//! Started and stopped by the composition root. A picture that cannot be made is not made: nothing depends on it.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::picture::{self, Media};
use super::queue::{Job, Offered, Queue};
use super::{Shared, Stills, Thumb};
use crate::error::{Context, Error, Kind, Result};
use crate::segment::CameraName;
use bytes::Bytes;

/// The first keyframe lies within; a whole second of 4 megapixels does.
const HEAD_BYTES: u64 = 2 << 20;
/// Between two lines about pictures that could not be made.
const REPEAT: Duration = Duration::from_secs(600);

pub struct Worker {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

impl Worker {
    pub fn start(stills: &Stills) -> Result<Worker> {
        let shared = stills.0.clone();
        let queue = shared.queue.clone();
        let thread = thread::Builder::new()
            .name("stills".into())
            .spawn(move || run(&shared))
            .context(Kind::Internal, || "start the thread of stills")?;
        Ok(Worker { queue, thread })
    }

    /// Ends after the picture that is being made.
    pub fn stop(self) {
        self.queue.end();
        if self.thread.join().is_err() {
            log::error!("[stills] the thread ended with an internal error; please report it");
        }
    }
}

fn run(shared: &Shared) {
    let mut told: Option<Instant> = None;
    while let Some(job) = shared.queue.next() {
        let began = Instant::now();
        let made = match job {
            Job::Still(camera, offered) => still(shared, &camera, offered),
            // who asked has gone on to another moment
            Job::Thumb(wanted) if wanted.reply.is_closed() => continue,
            Job::Thumb(wanted) => {
                // whoever waits is told of an error, too; a log line for each would be theirs to write
                let _ = wanted.reply.send(thumb(&wanted.thumb));
                Ok(())
            }
        };
        if let Err(error) = made {
            let level = if told.is_none_or(|at| at.elapsed() >= REPEAT) {
                told = Some(began);
                log::Level::Warn
            } else {
                log::Level::Debug
            };
            log::log!(level, "[stills] {error}");
        }
        // at most half of a core, whatever is asked for
        shared.queue.rest(began.elapsed());
    }
}

fn still(shared: &Shared, camera: &CameraName, offered: Offered) -> Result<()> {
    let named = |error: Error| Error::new(error.kind(), format!("make a still of {camera}: {error}"));
    let jpeg = picture::jpeg(Media::Frame(offered.frame)).map_err(named)?;
    if let Some(slot) = shared.of(camera) {
        slot.show(jpeg, offered.taken_at, offered.taken);
    }
    Ok(())
}

fn thumb(thumb: &Thumb) -> Result<Bytes> {
    // somebody else asked for it a moment ago
    if let Ok(jpeg) = fs::read(&thumb.picture) {
        return Ok(jpeg.into());
    }
    let name = thumb.segment.file_name().unwrap_or_default().to_string_lossy();
    let what = || format!("make a thumbnail of {name}");
    let mut head = Vec::new();
    let file = fs::File::open(&thumb.segment).context(Kind::Disk, what)?;
    file.take(HEAD_BYTES).read_to_end(&mut head).context(Kind::Disk, what)?;
    let jpeg = picture::jpeg(Media::Head(head))
        .map_err(|error| Error::new(error.kind(), format!("{}: {error}", what())))?;
    // a full disk keeps nobody from looking
    if let Err(error) = write(&thumb.picture, &jpeg) {
        log::debug!("[stills] keep {}: {error}", thumb.picture.display());
    }
    if !thumb.segment.exists() {
        // retention took the segment meanwhile, and found no picture to take
        let _ = fs::remove_file(&thumb.picture);
    }
    Ok(jpeg.into())
}

/// Whole or not at all, for readers; not synced, for a power cut may take it.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    fs::rename(&part, path)
}
