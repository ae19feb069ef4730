//! What is sent: that something began, that it is over, or a test; as JSON and in words. Pure.
//!
//! Made by the ledger, carried by every sender. docs/ALERTS.md describes the fields: they may grow, never change.

use std::time::Duration;

use serde::Serialize;

use crate::config::AlertKind;
use crate::segment::{CameraName, Timestamp};
use crate::words::ago;

/// What an alert is about: one of a kind, or one of a kind for each camera.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub kind: AlertKind,
    pub camera: Option<CameraName>,
}

impl Key {
    pub fn of(kind: AlertKind, camera: Option<&CameraName>) -> Key {
        Key { kind, camera: camera.cloned() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Begin,
    End,
    Test,
}

impl Phase {
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Begin => "begin",
            Phase::End => "end",
            Phase::Test => "test",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `None` in a test.
    pub key: Option<Key>,
    pub phase: Phase,
    pub message: String,
    pub began_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// The JSON.
#[derive(Serialize)]
struct Body<'e> {
    id: String,
    event: &'e str,
    phase: Phase,
    camera: Option<&'e str>,
    message: &'e str,
    began_at: String,
    ended_at: Option<String>,
    duration_seconds: Option<u64>,
    version: &'e str,
}

impl Event {
    pub fn begin(key: Key, message: String, began_at: Timestamp) -> Event {
        Event { key: Some(key), phase: Phase::Begin, message, began_at, ended_at: None }
    }

    pub fn end(key: Key, began_at: Timestamp, ended_at: Timestamp) -> Event {
        let message = over(&key, ended_at.since(began_at));
        Event { key: Some(key), phase: Phase::End, message, began_at, ended_at: Some(ended_at) }
    }

    pub fn test(now: Timestamp) -> Event {
        let message = "this is a test: nothing is wrong".into();
        Event { key: None, phase: Phase::Test, message, began_at: now, ended_at: None }
    }

    pub fn kind(&self) -> &'static str {
        self.key.as_ref().map_or("test", |key| key.kind.as_str())
    }

    pub fn camera(&self) -> Option<&str> {
        self.key.as_ref()?.camera.as_ref().map(CameraName::as_str)
    }

    /// The same for begin and end, and for every attempt to send them.
    pub fn id(&self) -> String {
        let camera = self.camera().unwrap_or_default();
        format!("{}:{camera}:{}", self.kind(), self.began_at.as_millis())
    }

    pub fn duration(&self) -> Option<Duration> {
        self.ended_at.map(|ended| ended.since(self.began_at))
    }

    pub fn json(&self) -> Vec<u8> {
        let body = Body {
            id: self.id(),
            event: self.kind(),
            phase: self.phase,
            camera: self.camera(),
            message: &self.message,
            began_at: self.began_at.rfc3339(),
            ended_at: self.ended_at.map(Timestamp::rfc3339),
            duration_seconds: self.duration().map(|duration| duration.as_secs()),
            version: env!("CARGO_PKG_VERSION"),
        };
        // strings and numbers only: that cannot fail
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

fn over(key: &Key, lasted: Duration) -> String {
    let camera = key.camera.as_ref().map(CameraName::as_str).unwrap_or_default();
    let what = match key.kind {
        AlertKind::CameraDown => format!("camera {camera} records again"),
        AlertKind::CameraDenied => format!("camera {camera} no longer refuses us"),
        AlertKind::NoSegment => format!("camera {camera} closes segments again"),
        AlertKind::Backlog => "no segment waits too long for its upload any more".into(),
        AlertKind::UploadMisconfigured => "uploads are no longer refused".into(),
        AlertKind::SegmentsRefused => "no refused segment is left".into(),
        AlertKind::DiskLow => "there is room on the disk again".into(),
        AlertKind::DiskFull => "the disk is no longer full".into(),
        AlertKind::FootageLost => "no more footage is lost".into(),
        AlertKind::StorageDown => "rows and files can be written again".into(),
    };
    format!("{what}, after {}", ago(lasted.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_says_what_the_manual_says() {
        let gate = CameraName::new("gate").unwrap();
        let key = Key::of(AlertKind::CameraDown, Some(&gate));
        let (from, to) = (Timestamp::from_seconds(1_763_906_400), Timestamp::from_seconds(1_763_907_120));
        let json = |event: &Event| serde_json::from_slice::<serde_json::Value>(&event.json()).unwrap();
        let begin = json(&Event::begin(key.clone(), "camera gate is waiting".into(), from));
        let expected = serde_json::json!({
            "id": "camera-down:gate:1763906400000", "event": "camera-down", "phase": "begin", "camera": "gate",
            "message": "camera gate is waiting", "began_at": from.rfc3339(), "ended_at": null,
            "duration_seconds": null, "version": env!("CARGO_PKG_VERSION"),
        });
        assert_eq!(begin, expected);
        let end = json(&Event::end(key, from, to));
        assert_eq!((&end["id"], &end["phase"]), (&begin["id"], &"end".into()));
        assert_eq!(end["message"], "camera gate records again, after 12 min");
        assert_eq!((&end["ended_at"], &end["duration_seconds"]), (&to.rfc3339().into(), &720.into()));
        assert_eq!(json(&Event::test(from))["camera"], serde_json::Value::Null);
    }
}
