//! Numbers of each camera.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Facts;
use crate::counters::{OfCamera, OfCause};
use crate::segment::{CameraName, Cause, State};
use crate::status::CameraState;
use crate::store::CameraStats;

type Seconds = Family<OfCamera, Gauge<f64, AtomicU64>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, prometheus_client::encoding::EncodeLabelSet)]
pub struct OfState {
    pub camera: String,
    pub state: &'static str,
}

pub fn register(registry: &mut Registry, facts: &Facts<'_>) {
    states(registry, facts);
    counted(registry, facts);
    ages(registry, facts);
    footage(registry, facts);
    segments(registry, facts);
}

fn of(camera: &CameraName) -> OfCamera {
    OfCamera { camera: camera.to_string() }
}

fn stats<'a>(facts: &Facts<'a>, camera: &CameraName) -> Option<&'a CameraStats> {
    facts.stats.iter().find(|stats| stats.camera == *camera)
}

/// As this process knows it, else as the process that records wrote it down.
fn state(facts: &Facts<'_>, camera: &CameraName) -> Option<CameraState> {
    let own = facts.snapshot.cameras.get(camera).map(|notice| notice.state);
    own.or_else(|| stats(facts, camera)?.last_state.as_ref().map(|(state, ..)| *state))
}

fn states(registry: &mut Registry, facts: &Facts<'_>) {
    let (up, of_state) = (Family::<OfCamera, Gauge>::default(), Family::<OfState, Gauge>::default());
    for camera in facts.cameras {
        let now = state(facts, camera);
        up.get_or_create(&of(camera)).set(i64::from(now == Some(CameraState::Recording)));
        for state in CameraState::ALL {
            let labels = OfState { camera: camera.to_string(), state: state.as_str() };
            of_state.get_or_create(&labels).set(i64::from(now == Some(state)));
        }
    }
    registry.register("camera_up", "1 while the camera is being recorded, else 0", up);
    registry.register("camera_state", "1 for the state that the camera is in, 0 for the others", of_state);
}

fn counted(registry: &mut Registry, facts: &Facts<'_>) {
    let counters = facts.counters;
    registry.register("camera_frames", "Frames recorded since the program's start", counters.frames.clone());
    registry.register(
        "camera_segments",
        "Segments closed since the program's start",
        counters.segments.clone(),
    );
    registry.register_with_unit(
        "camera_recorded",
        "Bytes of the segments closed since the program's start",
        Unit::Bytes,
        counters.bytes.clone(),
    );
    registry.register(
        "camera_reconnects",
        "Times that the camera had to be started again since the program's start, by what had ended it",
        counters.reconnects.clone(),
    );
}

fn ages(registry: &mut Registry, facts: &Facts<'_>) {
    let (segment, frame) = (Seconds::default(), Seconds::default());
    for camera in facts.cameras {
        if let Some(end) = stats(facts, camera).and_then(|stats| stats.newest_end) {
            segment.get_or_create(&of(camera)).set(facts.now.since(end).as_secs_f64());
        }
        if let Some(age) = facts.snapshot.pictures.get(camera).and_then(|picture| picture.frame_age()) {
            frame.get_or_create(&of(camera)).set(age.as_secs_f64());
        }
    }
    registry.register_with_unit(
        "camera_last_segment_age",
        "Time since the end of the camera's newest segment",
        Unit::Seconds,
        segment,
    );
    registry.register_with_unit(
        "camera_last_frame_age",
        "Time since the camera's last frame in this process",
        Unit::Seconds,
        frame,
    );
}

fn footage(registry: &mut Registry, facts: &Facts<'_>) {
    let elapsed = Family::<OfCamera, Counter<f64, AtomicU64>>::default();
    let recorded = Family::<OfCamera, Counter<f64, AtomicU64>>::default();
    let gaps = Family::<OfCause, Counter<f64, AtomicU64>>::default();
    for footage in facts.footage {
        let of = of(&footage.camera);
        elapsed.get_or_create(&of).inc_by(footage.covered.as_secs_f64());
        recorded.get_or_create(&of).inc_by(footage.recorded().as_secs_f64());
        for cause in Cause::ALL {
            let gap =
                footage.gaps.iter().find(|(of, _)| *of == cause).map_or(0.0, |(_, gap)| gap.as_secs_f64());
            let labels = OfCause { camera: footage.camera.to_string(), cause: cause.as_str() };
            gaps.get_or_create(&labels).inc_by(gap);
        }
    }
    registry.register_with_unit(
        "camera_elapsed",
        "Time from the camera's first run to the end of its newest segment, of all time",
        Unit::Seconds,
        elapsed,
    );
    registry.register_with_unit(
        "camera_footage",
        "Time of that of which there is footage",
        Unit::Seconds,
        recorded,
    );
    registry.register_with_unit(
        "camera_gap",
        "Time of that of which there is none, by cause",
        Unit::Seconds,
        gaps,
    );
}

fn segments(registry: &mut Registry, facts: &Facts<'_>) {
    let (count, bytes) = (Family::<OfState, Gauge>::default(), Family::<OfState, Gauge>::default());
    for stats in facts.stats {
        for state in State::ALL {
            let (segments, size) = stats
                .by_state
                .iter()
                .find(|(of, ..)| *of == state)
                .map_or((0, 0), |(_, segments, size)| (*segments, *size));
            let labels = OfState { camera: stats.camera.to_string(), state: state.as_str() };
            count.get_or_create(&labels).set(i64::try_from(segments).unwrap_or(i64::MAX));
            bytes.get_or_create(&labels).set(i64::try_from(size).unwrap_or(i64::MAX));
        }
    }
    registry.register("segments", "Segments by state, of all time", count);
    registry.register_with_unit(
        "segments",
        "Bytes of the segments in each state, of all time",
        Unit::Bytes,
        bytes,
    );
}
