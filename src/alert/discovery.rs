//! What an MQTT broker keeps of us, and how Home Assistant learns of it. Pure.
//!
//! Below the topic of the configuration: `status` (`online`, `offline`), `alert` (each event as JSON), `camera/NAME` (its
//! state as JSON). All but `alert` are retained, so that whoever comes later knows how it is.

use serde_json::{Value, json};

use crate::config::MqttConfig;
use crate::segment::{CameraName, Timestamp};
use crate::status::{CameraState, Snapshot};

pub const ONLINE: &str = "online";
pub const OFFLINE: &str = "offline";
/// No camera is called so: their names have no underscore.
const RECORDER: &str = "recorder_status";

pub fn status(mqtt: &MqttConfig) -> String {
    format!("{}/status", mqtt.topic)
}

pub fn alert(mqtt: &MqttConfig) -> String {
    format!("{}/alert", mqtt.topic)
}

/// Of one camera, or of all with `+`.
pub fn camera(mqtt: &MqttConfig, name: &str) -> String {
    format!("{}/camera/{name}", mqtt.topic)
}

/// Where Home Assistant looks for a thing of ours; `None` where nothing is announced.
pub fn entity(mqtt: &MqttConfig, name: &str) -> Option<String> {
    let prefix = mqtt.discovery.as_ref()?;
    Some(format!("{prefix}/binary_sensor/{}/{name}/config", node(mqtt)))
}

fn node(mqtt: &MqttConfig) -> String {
    mqtt.topic.replace('/', "_")
}

/// How a camera is.
pub fn state(snapshot: &Snapshot, name: &CameraName) -> Value {
    let notice = snapshot.cameras.get(name);
    json!({
        "state": notice.map_or("unknown", |notice| notice.state.as_str()),
        "recording": notice.is_some_and(|notice| notice.state == CameraState::Recording),
        "reason": notice.and_then(|notice| notice.reason.clone()),
        "since": notice.map(|notice| Timestamp::rfc3339(notice.since)),
    })
}

/// Topic and content of each thing that Home Assistant is to show.
pub fn entities(mqtt: &MqttConfig, cameras: &[CameraName]) -> Vec<(String, Value)> {
    let node = node(mqtt);
    let device = json!({
        "identifiers": [node],
        "name": "CCTV recorder",
        "manufacturer": "cctv-s3-pipeline",
        "sw_version": env!("CARGO_PKG_VERSION"),
    });
    let recorder = json!({
        "name": "Recorder",
        "unique_id": format!("{node}_status"),
        "device_class": "connectivity",
        "state_topic": status(mqtt),
        "payload_on": ONLINE,
        "payload_off": OFFLINE,
        "device": device,
    });
    let of = |name: &CameraName| {
        let thing = json!({
            "name": format!("Camera {name}"),
            "unique_id": format!("{node}_{name}"),
            "device_class": "connectivity",
            "state_topic": camera(mqtt, name.as_str()),
            "value_template": "{{ 'ON' if value_json.recording else 'OFF' }}",
            "json_attributes_topic": camera(mqtt, name.as_str()),
            "availability_topic": status(mqtt),
            "device": device,
        });
        (entity(mqtt, name.as_str()), thing)
    };
    let all = cameras.iter().map(of).chain([(entity(mqtt, RECORDER), recorder)]);
    all.filter_map(|(topic, thing)| Some((topic?, thing))).collect()
}
