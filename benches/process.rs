//! What a process uses, read from `/proc` by its id, so that only that process is counted.

use std::time::{Duration, Instant};

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};

/// Unit of the times in `/proc`: fixed by Linux for every program, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one process took in one window.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "each bench shows a part of it")]
pub struct Cost {
    /// CPU-seconds per second, of all its threads.
    pub cores: f64,
    /// The most memory it ever had, from its start on.
    pub peak_rss_mib: f64,
    /// At the end of the window: without what only the start needed.
    pub rss_mib: f64,
    pub threads: u64,
    /// CPU-seconds per second that others took, this process excepted: high figures make the others doubtful.
    pub others_cores: f64,
}

/// Watches `id` for so long. Fails if it ends meanwhile.
pub fn watch(id: u32, seconds: u64) -> Result<Cost> {
    let ours = std::process::id();
    let (started, before) = (Instant::now(), [cpu_seconds(id)?, cpu_seconds(ours)?, machine_seconds()?]);
    std::thread::sleep(Duration::from_secs(seconds));
    let (elapsed, after) =
        (started.elapsed().as_secs_f64(), [cpu_seconds(id)?, cpu_seconds(ours)?, machine_seconds()?]);
    let [cores, bench, machine] = std::array::from_fn(|i| (after[i] - before[i]) / elapsed);
    Ok(Cost {
        cores,
        peak_rss_mib: status(id, "VmHWM")? / 1024.0,
        rss_mib: status(id, "VmRSS")? / 1024.0,
        threads: status(id, "Threads")? as u64,
        others_cores: (machine - cores - bench).max(0.0),
    })
}

/// Memory of a process now.
pub fn rss_mib(id: u32) -> Result<f64> {
    Ok(status(id, "VmRSS")? / 1024.0)
}

/// User and system time of all threads, also of those that have ended.
pub fn cpu_seconds(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/stat");
    let text = read(&path)?;
    // the name stands in parentheses and may hold anything: fields are counted from its end
    let fields: Vec<&str> =
        text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    // utime and stime, fields 14 and 15 of proc(5)
    let total = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    total.map(|ticks| ticks / TICKS_PER_SECOND).ok_or_else(|| unreadable(&path))
}

/// What the whole machine worked.
fn machine_seconds() -> Result<f64> {
    let text = read("/proc/stat")?;
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq …; guests stand in user already
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = ticks[..] else {
        return Err(unreadable("/proc/stat"));
    };
    Ok((user + nice + system + irq + softirq) / TICKS_PER_SECOND)
}

/// A number in `/proc/<id>/status`; sizes are in KiB.
fn status(id: u32, name: &str) -> Result<f64> {
    let path = format!("/proc/{id}/status");
    let text = read(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok());
    number.ok_or_else(|| unreadable(&path))
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path)
        .context(Kind::Internal, || format!("read {path}: has the process ended? see its log"))
}

fn unreadable(path: &str) -> Error {
    Error::new(Kind::Internal, format!("read {path}: it does not look as proc(5) says"))
}
