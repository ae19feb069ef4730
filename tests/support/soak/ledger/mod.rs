//! The comparison at the end: camera time, rows, files and objects must tell the same story. Pure.
//!
//! A hole is time between two segments of a camera. It must lie within an excuse, a span in which something that the
//! plan did can have kept the camera from being recorded, and a gap row must tell of it. Inside one run there is no
//! excuse at all.

use std::collections::{BTreeMap, BTreeSet};

mod spans;
#[cfg(test)]
mod tests;

pub use spans::Span;

/// What a kill costs at most: the second that waits in memory for the disk, the frames that are on their way, and a second
/// for a machine that has much to do.
pub const KILL_MS: i64 = 2500;
/// Clocks are read a little apart: shorter holes are none.
const NO_HOLE_MS: i64 = 150;
/// The file of an adopted segment names its start to the second only.
const BY_NAME_MS: i64 = 1000;
/// From a run's last frame to the note of its end, on a machine that has much to do.
const TEARDOWN_MS: i64 = 5000;
/// A camera that sends nothing is left after this long.
const STALL_MS: i64 = 5000;

/// A row of `segments`.
#[derive(Clone, Debug)]
pub struct Segment {
    pub camera: String,
    pub run: i64,
    pub span: Span,
    /// Its start is known from the file's name only.
    pub by_name: bool,
    pub key: String,
    pub file: String,
    pub sha256: String,
    pub state: String,
}

/// A row of `runs`.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: i64,
    pub camera: String,
    pub ended_ms: Option<i64>,
    pub reason: String,
}

/// A row of `gaps`.
#[derive(Clone, Debug)]
pub struct Gap {
    pub camera: String,
    pub span: Span,
    pub cause: String,
}

/// Why a camera may be without footage in this span.
#[derive(Clone, Debug)]
pub struct Excuse {
    /// `None`: all of them.
    pub camera: Option<String>,
    pub span: Span,
    pub why: &'static str,
}

/// Everything that is known at the end.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By camera, then by sequence.
    pub segments: Vec<Segment>,
    pub runs: Vec<Run>,
    pub gaps: Vec<Gap>,
    pub excuses: Vec<Excuse>,
    /// When the program was killed.
    pub kills_ms: Vec<i64>,
    /// How often bytes were stored under each key.
    pub commits: BTreeMap<String, usize>,
    /// SHA-256 of each object in the bucket.
    pub objects: BTreeMap<String, String>,
    /// Segment files on disk, as `camera/name`, with their SHA-256.
    pub files: BTreeMap<String, String>,
    /// From the program's first start to the request of its last stop.
    pub span: Option<Span>,
}

/// Time and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: usize,
    pub ms: i64,
}

/// What came out; each list holds a sentence for each broken promise.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub segments: usize,
    pub recorded_ms: i64,
    /// By cause, as the gap rows say.
    pub gaps: BTreeMap<String, Sum>,
    /// By what the plan did; `unexplained` for the rest.
    pub holes: BTreeMap<&'static str, Sum>,
    /// Footage that each kill cost a camera that was being recorded: what of the open segment was not on disk.
    pub kill_costs_ms: Vec<i64>,
    /// Time that is neither footage nor gap.
    pub unaccounted: Vec<String>,
    pub unaccounted_ms: i64,
    /// Footage that is gone: holes without an excuse, rows that are not uploaded, objects that are missing.
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    pub wrong: Vec<String>,
    /// Files and objects of nobody, time that is told twice.
    pub strange: Vec<String>,
}

impl Verdict {
    /// Every broken promise.
    pub fn broken(&self) -> impl Iterator<Item = &String> {
        [&self.unaccounted, &self.lost, &self.doubled, &self.wrong, &self.strange].into_iter().flatten()
    }
}

pub fn judge(facts: &Facts) -> Verdict {
    let mut verdict = Verdict { segments: facts.segments.len(), ..Verdict::default() };
    verdict.recorded_ms = facts.segments.iter().map(|segment| segment.span.length_ms()).sum();
    for gap in &facts.gaps {
        add(verdict.gaps.entry(gap.cause.clone()).or_default(), gap.span.length_ms());
    }
    objects(facts, &mut verdict);
    files(facts, &mut verdict);
    tails(facts, &mut verdict);
    let cameras: BTreeSet<&str> = facts.segments.iter().map(|segment| segment.camera.as_str()).collect();
    for camera in cameras {
        time(facts, camera, &mut verdict);
    }
    verdict
}

/// Every row is uploaded, once, with its own bytes; the bucket holds nothing else.
fn objects(facts: &Facts, verdict: &mut Verdict) {
    let mut known = BTreeSet::new();
    for segment in &facts.segments {
        let Segment { key, state, .. } = segment;
        known.insert(key.as_str());
        if !["uploaded", "cleaned"].contains(&state.as_str()) {
            verdict.lost.push(format!("{key} is {state} at the end"));
        }
        match facts.objects.get(key) {
            None => verdict.lost.push(format!("{key} is not in the bucket")),
            Some(found) if *found != segment.sha256 => {
                verdict.wrong.push(format!("{key} has other bytes than its row says"));
            }
            Some(_) => {}
        }
        match facts.commits.get(key).copied().unwrap_or_default() {
            0 | 1 => {}
            times => verdict.doubled.push(format!("{key} was stored {times} times")),
        }
    }
    let others = facts.objects.keys().filter(|key| key.ends_with(".ts") && !known.contains(key.as_str()));
    verdict.strange.extend(others.map(|key| format!("{key} is in the bucket without a row")));
}

/// A file that is still there is its row's.
fn files(facts: &Facts, verdict: &mut Verdict) {
    let rows = facts.segments.iter().map(|segment| (format!("{}/{}", segment.camera, segment.file), segment));
    let rows: BTreeMap<String, &Segment> = rows.collect();
    for (file, sha256) in &facts.files {
        match rows.get(file) {
            None => verdict.strange.push(format!("file {file} has no row")),
            Some(row) if row.sha256 != *sha256 => {
                verdict.wrong.push(format!("file {file} has other bytes than its row says"));
            }
            Some(_) => {}
        }
    }
}

/// What was open when a run ended in good order is footage up to its end.
fn tails(facts: &Facts, verdict: &mut Verdict) {
    let last = facts.segments.iter().map(|segment| ((segment.camera.as_str(), segment.run), segment.span));
    let last: BTreeMap<_, Span> = last.collect();
    for run in &facts.runs {
        let (Some(span), Some(ended_ms)) = (last.get(&(run.camera.as_str(), run.id)), run.ended_ms) else {
            continue;
        };
        let stalled = if run.reason.contains("stalled") { STALL_MS } else { 0 };
        let missing_ms = ended_ms - span.until_ms;
        if missing_ms > TEARDOWN_MS + stalled {
            verdict.lost.push(format!(
                "run {} of {} ended at {ended_ms} ({}), its last segment {missing_ms} ms earlier",
                run.id, run.camera, run.reason
            ));
        }
    }
}

fn time(facts: &Facts, camera: &str, verdict: &mut Verdict) {
    let mut footage: Vec<&Segment> =
        facts.segments.iter().filter(|segment| segment.camera == camera).collect();
    footage.sort_by_key(|segment| segment.span);
    for pair in footage.windows(2) {
        let by_name = pair.iter().any(|segment| segment.by_name);
        let slack_ms = NO_HOLE_MS + if by_name { BY_NAME_MS } else { 0 };
        let (end, start) = (pair[0].span.until_ms, pair[1].span.from_ms);
        if end - start > slack_ms {
            let text = format!("{} and {} overlap by {} ms", pair[0].key, pair[1].key, end - start);
            verdict.strange.push(text);
        }
        if pair[0].run == pair[1].run && start - end > slack_ms {
            let text = format!("{} ms between {} and {} of one run", start - end, pair[0].key, pair[1].key);
            verdict.lost.push(text);
        }
    }
    let spans = || footage.iter().map(|segment| segment.span);
    let gaps = || facts.gaps.iter().filter(|gap| gap.camera == camera).map(|gap| gap.span);
    if let (Some(first), Some(last)) = (footage.first(), footage.last()) {
        let whole = Span::new(first.span.from_ms, last.span.until_ms);
        for hole in whole.without(spans()).into_iter().flat_map(|hole| hole.without(gaps())) {
            if hole.length_ms() > NO_HOLE_MS {
                verdict.unaccounted_ms += hole.length_ms();
                verdict.unaccounted.push(format!("{}: neither footage nor gap", describe(camera, hole)));
            }
        }
    }
    for hole in facts.span.into_iter().flat_map(|span| span.without(spans())) {
        explain(facts, camera, hole, verdict);
        let in_hole = facts.kills_ms.iter().find(|kill| (hole.from_ms..hole.until_ms).contains(*kill));
        // of a camera that was away already, the hole before the kill is not the kill's
        verdict.kill_costs_ms.extend(in_hole.map(|kill| kill - hole.from_ms).filter(|cost| *cost <= KILL_MS));
    }
}

/// Finds out what the plan did in this hole.
fn explain(facts: &Facts, camera: &str, hole: Span, verdict: &mut Verdict) {
    if hole.length_ms() <= NO_HOLE_MS {
        return;
    }
    let excuses = facts
        .excuses
        .iter()
        .filter(|excuse| excuse.camera.as_deref().is_none_or(|excused| excused == camera));
    let overlap =
        |span: Span| Span::new(span.from_ms.max(hole.from_ms), span.until_ms.min(hole.until_ms)).length_ms();
    // of two that explain as much, the narrower one says more
    let fit = |excuse: &&Excuse| (overlap(excuse.span), -excuse.span.length_ms());
    let main = excuses.clone().max_by_key(fit).filter(|excuse| overlap(excuse.span) > 0);
    add(verdict.holes.entry(main.map_or("unexplained", |excuse| excuse.why)).or_default(), hole.length_ms());
    for left in hole.without(excuses.map(|excuse| excuse.span)) {
        if left.length_ms() > NO_HOLE_MS {
            let (hole, left) = (describe(camera, hole), describe(camera, left));
            verdict.lost.push(format!("nothing recorded in {hole}; nothing explains {left}"));
        }
    }
}

fn describe(camera: &str, span: Span) -> String {
    format!("{camera} {}..{} ({:.1} s)", span.from_ms, span.until_ms, span.length_ms() as f64 / 1000.0)
}

fn add(sum: &mut Sum, ms: i64) {
    sum.count += 1;
    sum.ms += ms;
}
