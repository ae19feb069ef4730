//! Numbers of the process, under the names that Prometheus' own libraries give them.

use std::sync::atomic::AtomicU64;

use procfs::process::Process;
use procfs::{Current, Uptime};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the kernel does not tell is absent.
pub fn register(registry: &mut Registry) {
    let Ok(process) = Process::myself() else { return };
    let gauge = |value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge
    };
    if let Ok(stat) = process.stat() {
        #[expect(clippy::cast_precision_loss, reason = "years of ticks are exact")]
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        let cpu = Counter::<f64, AtomicU64>::default();
        cpu.inc_by(seconds(stat.utime + stat.stime));
        registry.register("process_cpu_seconds", "CPU time of the process", cpu);
        let resident = stat.rss * procfs::page_size();
        registry.register(
            "process_resident_memory_bytes",
            "Memory that the process has in RAM",
            gauge(resident),
        );
        registry.register(
            "process_virtual_memory_bytes",
            "Memory that the process has mapped",
            gauge(stat.vsize),
        );
        let threads = u64::try_from(stat.num_threads).unwrap_or(0);
        registry.register("process_threads", "Threads of the process", gauge(threads));
        if let Ok(up) = Uptime::current() {
            let age = up.uptime - seconds(stat.starttime);
            let now = crate::segment::Timestamp::now().as_millis();
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of an age")]
            let start = (now - (age * 1000.0) as i64) / 1000;
            registry.register(
                "process_start_time_seconds",
                "When the process began, in seconds since 1970",
                gauge(start.max(0).unsigned_abs()),
            );
        }
    }
    if let Ok(open) = process.fd_count() {
        registry.register("process_open_fds", "Files that the process has open", gauge(open as u64));
    }
    if let Some(most) = process.limits().ok().and_then(|limits| match limits.max_open_files.soft_limit {
        procfs::process::LimitValue::Value(most) => Some(most),
        procfs::process::LimitValue::Unlimited => None,
    }) {
        registry.register("process_max_fds", "Files that the process may have open", gauge(most));
    }
}
