//! The lives of all parts: opens the store, recovers, starts the parts, watches them, and begins again where the
//! database was damaged, replaced or away. Called by [`super::run`] only.
//!
//! Whatever becomes of the database, footage must go on being recorded: the parts are started anew in this process,
//! because nobody may be there to start it again.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::reload::Wish;
use super::running::Running;
use super::{Again, Parts, Prepared, describe};
use crate::camera;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::memory;
use crate::segment::Timestamp;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::store::{Opened, Reopen, RoleLock, Store};
use crate::watchdog::Watchdog;

/// How often it is looked at whether every part still runs and the database is still the one that it was.
const WATCH: Duration = Duration::from_secs(1);
/// Starting the parts anew costs a moment of footage: after the first time it waits this much longer each time.
const CALM: Duration = Duration::from_secs(10);
const LONGEST_CALM: Duration = Duration::from_secs(600);
/// How often the heap's free pages go back to the kernel: the C library keeps what one busy moment took.
const TIDY: Duration = Duration::from_secs(600);

/// What outlives the parts when they are started anew.
pub(super) struct Recorder {
    pub config: Config,
    pub parts: Parts,
    pub prepared: Prepared,
    pub board: Board,
    pub runtime: Runtime,
    pub shutdown: Shutdown,
    pub watchdog: Mutex<Watchdog>,
    pub again: Again,
    pub wish: Arc<Wish>,
}

impl Recorder {
    /// Until the stop is asked for.
    pub fn run(&mut self) -> Result<()> {
        for life in 0.. {
            let calm = (CALM * life).min(LONGEST_CALM);
            match self.live(calm)? {
                None => break,
                Some(Reopen::Damaged(why)) => log::error!("{why}; all parts start anew over a new database"),
                Some(Reopen::Replaced) => log::error!(
                    "database {} was removed or replaced while in use; all parts start anew, and files without \
                     a row are adopted",
                    self.config.storage.database.display()
                ),
                Some(Reopen::Back) => {
                    log::info!("the database can be used again; all parts start anew over it")
                }
            }
        }
        Ok(())
    }

    /// One life of all parts over one database. Returns why there must be another, or `None` when it was asked to
    /// stop; `calm` must pass before there is another.
    fn live(&mut self, calm: Duration) -> Result<Option<Reopen>> {
        let (store, opened) = Store::open_for_recording(&self.config.storage, &self.config.s3.prefix)?;
        let locks: Vec<RoleLock> = self.parts.roles().map(|role| store.lock(role)).collect::<Result<_>>()?;
        self.tell(&opened);
        let recovered = if self.parts.capture { self.recover(&store) } else { Ok(()) };
        if self.shutdown.is_requested() {
            return Ok(None);
        }
        let unrecovered = match recovered {
            Ok(()) => false,
            Err(error) if error.kind() == Kind::Damaged && !matches!(opened, Opened::SetAside(_)) => {
                return Ok(Some(Reopen::Damaged(error.to_string())));
            }
            Err(_) if matches!(opened, Opened::Closed(_)) => true,
            Err(error) if matches!(error.kind(), Kind::Disk | Kind::Unreachable) => {
                log::error!("[store] compare rows and files: {error}; recording begins all the same");
                true
            }
            Err(error) => return Err(error),
        };
        let mut running =
            Running::start(&self.config, self.parts, &self.prepared, &store, &self.board, &self.runtime)?;
        log::info!("ready: {}", describe(&self.config, self.parts));
        self.board.set_ready(true);
        self.watchdog().ready();
        let next = self.watch(&mut running, &store, calm, unrecovered);
        self.board.set_ready(false);
        if next.is_none() {
            self.watchdog().stopping();
        }
        running.stop(&self.runtime, next.is_some())?;
        drop(locks);
        Ok(next)
    }

    fn watch(
        &mut self,
        running: &mut Running,
        store: &Store,
        calm: Duration,
        unrecovered: bool,
    ) -> Option<Reopen> {
        let began = Instant::now();
        // recovery may have looked at every row
        memory::give_back();
        let mut tidied = began;
        while !self.shutdown.wait(WATCH) {
            running.sweep();
            if tidied.elapsed() >= TIDY {
                memory::give_back();
                tidied = Instant::now();
            }
            self.reload_if_asked(running);
            self.watchdog().tick(&self.board, store);
            if let Some(name) = running.ended_part() {
                log::error!("[{name}] ended by itself; stopping everything, so that it is started again");
                return None;
            }
            if began.elapsed() < calm {
                continue;
            }
            let back = || (unrecovered && store.takes_rows()).then_some(Reopen::Back);
            if let Some(why) = store.reopen_because().or_else(back) {
                return Some(why);
            }
        }
        None
    }

    pub(super) fn watchdog(&self) -> MutexGuard<'_, Watchdog> {
        self.watchdog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, opened: &Opened) {
        match opened {
            Opened::AsItWas => {}
            Opened::SetAside(place) => {
                let said = format!(
                    "the database was damaged and lies at {} now; a new one is made from the files on disk; \
                     check the disk, then remove the old one",
                    place.display()
                );
                log::error!("[store] {said}");
                self.board.set_mended(said);
            }
            Opened::Closed(why) => {
                log::error!("[store] {why}; recording begins all the same, and the files wait for their rows")
            }
        }
    }

    fn recover(&self, store: &Store) -> Result<()> {
        let began = Instant::now();
        let inspect = |path: &Path| match self.shutdown.is_requested() {
            // the next start goes on with the rest
            true => Err(Error::new(Kind::Pipeline, "asked to stop while files are adopted")),
            false => {
                self.watchdog().goes_on();
                camera::inspect(path)
            }
        };
        let recovered = store.recover_files(Timestamp::now(), &inspect)?;
        if recovered != Default::default() {
            log::info!(
                "[store] recovered in {} ms: {} files adopted, {} lost, {} deleted late, {} unplayable kept aside",
                began.elapsed().as_millis(),
                recovered.adopted,
                recovered.lost,
                recovered.unlinked,
                recovered.unplayable
            );
        }
        Ok(())
    }
}
