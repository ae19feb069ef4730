//! Numbers of the recorder as a whole: backlog, uploads, room.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Facts;
use crate::segment::State;
use crate::status::{SpaceLevel, UploadState};
use crate::store::CameraStats;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfUpload {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSpace {
    level: &'static str,
}

pub fn register(registry: &mut Registry, facts: &Facts<'_>) {
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The program's version", Info::new(version));
    #[expect(clippy::cast_precision_loss, reason = "years of seconds are exact")]
    let uptime = facts.snapshot.uptime_seconds as f64;
    registry.register_with_unit("uptime", "Time since the program's start", Unit::Seconds, number(uptime));
    backlog(registry, facts);
    if facts.snapshot.upload.is_some() {
        uploads(registry, facts);
    }
    ends(registry, facts);
    storage(registry, facts);
}

fn number(value: f64) -> Gauge<f64, AtomicU64> {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    gauge
}

fn whole(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

fn total(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn backlog(registry: &mut Registry, facts: &Facts<'_>) {
    let (segments, bytes) = CameraStats::total(facts.stats, State::is_pending);
    registry.register("backlog_segments", "Segments that are not uploaded yet", whole(segments));
    registry.register_with_unit("backlog", "Bytes that are not uploaded yet", Unit::Bytes, whole(bytes));
    let oldest = facts.stats.iter().filter_map(|stats| stats.oldest_pending).min();
    let age = oldest.map_or(0.0, |oldest| facts.now.since(oldest).as_secs_f64());
    registry.register_with_unit(
        "backlog_oldest_age",
        "Age of the oldest segment that is not uploaded yet; 0 when all are",
        Unit::Seconds,
        number(age),
    );
}

fn uploads(registry: &mut Registry, facts: &Facts<'_>) {
    let Some(upload) = &facts.snapshot.upload else { return };
    let states = Family::<OfUpload, Gauge>::default();
    for state in UploadState::ALL {
        let labels = OfUpload { state: state.as_str() };
        states.get_or_create(&labels).set(i64::from(upload.state == state));
    }
    registry.register("upload_state", "1 for the state that uploads are in, 0 for the others", states);
    let last = upload.last_success_at.map_or(0, |at| at.as_millis().max(0) / 1000);
    registry.register_with_unit(
        "upload_last_success_timestamp",
        "When S3 last confirmed a segment, in seconds since 1970; 0 before the first",
        Unit::Seconds,
        whole(last.unsigned_abs()),
    );
    let counters = facts.counters;
    registry.register(
        "uploads",
        "Segments that S3 confirmed since the program's start",
        counters.uploads.clone(),
    );
    registry.register_with_unit(
        "upload",
        "Bytes that S3 confirmed since the program's start",
        Unit::Bytes,
        counters.upload_bytes.clone(),
    );
    registry.register(
        "upload_retries",
        "Attempts that must be made again, by cause, since the program's start",
        counters.retries.clone(),
    );
    registry.register_with_unit(
        "upload_duration",
        "Time of the attempts that S3 confirmed, from the file's opening to the confirmation",
        Unit::Seconds,
        counters.upload_seconds.clone(),
    );
}

/// What did not get to S3, and never will by itself.
fn ends(registry: &mut Registry, facts: &Facts<'_>) {
    let of = |state: State| CameraStats::total(facts.stats, |of| of == state);
    registry.register(
        "segments_failed",
        "Segments that wait for a person: S3 refuses them",
        whole(of(State::Failed).0),
    );
    registry.register(
        "segments_lost",
        "Segments whose file vanished or changed before S3 had it, of all time",
        total(of(State::Lost).0),
    );
    let (dropped, bytes) = of(State::Dropped);
    registry.register(
        "segments_dropped",
        "Segments given up for room before S3 had them, of all time",
        total(dropped),
    );
    registry.register_with_unit(
        "segments_dropped",
        "Bytes given up for room before S3 had them, of all time",
        Unit::Bytes,
        total(bytes),
    );
}

fn storage(registry: &mut Registry, facts: &Facts<'_>) {
    let (_, bytes) = CameraStats::total(facts.stats, State::has_file);
    registry.register_with_unit("storage_used", "Bytes of the segments on disk", Unit::Bytes, whole(bytes));
    if let Some(free) = facts.free_bytes {
        registry.register_with_unit(
            "storage_free",
            "Free bytes of the disk that holds the segments",
            Unit::Bytes,
            whole(free),
        );
    }
    if let Some(space) = &facts.snapshot.space {
        let levels = Family::<OfSpace, Gauge>::default();
        for level in SpaceLevel::ALL {
            levels.get_or_create(&OfSpace { level: level.as_str() }).set(i64::from(space.level == level));
        }
        registry.register("storage_space", "1 for how the room for footage is, 0 for the others", levels);
    }
    let trouble = facts.snapshot.storage_reason.as_ref().is_some_and(|trouble| trouble.fatal);
    registry.register(
        "storage_writable",
        "1 while rows and files can be written, else 0",
        whole(u64::from(!trouble)),
    );
    registry.register_with_unit(
        "database",
        "Bytes of the database and its log",
        Unit::Bytes,
        whole(facts.database_bytes),
    );
}
