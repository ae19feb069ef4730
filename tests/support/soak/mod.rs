//! The soak: the real program as a process of its own between cameras that fail, a store that fails and kill -9, by a plan
//! made from a seed; at the end everything is compared.
//!
//! Used by `examples/soak.rs` for an hour and by `tests/soak.rs` for three minutes. Never judges while it runs but for what
//! no end could mend: an exit that nobody asked for, a word in the log that must not be there.

use std::time::{Duration, Instant};

mod driver;
mod excuses;
pub mod ledger;
mod life;
pub mod plan;
pub mod report;
mod world;

use cctv_s3_pipeline::error::Result;
use cctv_s3_pipeline::segment::Timestamp;
use driver::Driver;
use ledger::Span;
use plan::{Event, Wish};
pub use report::Report;
use world::World;

use super::Workspace;

/// Between two looks at the program and the plan.
const TICK: Duration = Duration::from_millis(50);
const PROGRESS: Duration = Duration::from_secs(10);

/// Plays the plan of `wish` and compares everything. `prepare` may change the workspace before the first start; `say` gets
/// a line about every ten seconds. An error means that the soak itself could not be set up.
pub fn run(wish: &Wish, prepare: &dyn Fn(&mut Workspace), say: &mut dyn FnMut(&str)) -> Result<Report> {
    let mut world = World::start(wish.cameras)?;
    let mut workspace = world.workspace();
    prepare(&mut workspace);
    let began = Instant::now();
    let mut driver = Driver::start(&workspace, &mut world);
    let from_ms = now_ms();
    play(wish, began, &mut driver, say);
    driver.drain();
    let span = Span::new(from_ms, now_ms());
    let played = driver.stop();
    let facts = world::facts(&world, &workspace, &played, span);
    let verdict = ledger::judge(&facts);
    let mut report = Report::new(wish, began.elapsed(), played.tally, verdict);
    if report.is_broken() {
        workspace.keep();
        world.keep();
        report.kept = vec![workspace.path().to_owned(), world.store.folder()];
    }
    Ok(report)
}

fn play(wish: &Wish, began: Instant, driver: &mut Driver<'_>, say: &mut dyn FnMut(&str)) {
    let mut plan = plan::plan(wish).into_iter().peekable();
    let mut told = Instant::now();
    let mut again: Vec<Event> = Vec::new();
    while began.elapsed() < wish.length {
        // what could not be done a moment ago, for want of a port, comes before what is due now
        again.retain(|event| !driver.act(*event));
        while let Some(due) = plan.next_if(|planned| planned.at <= began.elapsed()) {
            if !driver.act(due.event) {
                again.push(due.event);
            }
        }
        driver.look();
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            say(&driver.progress(began.elapsed()));
        }
        std::thread::sleep(TICK);
    }
    driver.heal();
}

fn now_ms() -> i64 {
    Timestamp::now().as_millis()
}
