//! `[[alert]]`: whom to tell when something is wrong, of what, and how soon.
//!
//! Used by `load.rs`. Addresses are never shown: a webhook's path is often its password.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::table::{Table, Text};
use super::{CameraConfig, Secret};
use crate::segment::CameraName;

const DAY_SECONDS: u64 = 24 * 3600;
const MOST_MINUTES: f64 = 30.0 * 24.0 * 60.0;
const DISCOVERY: &str = "homeassistant";

/// What an alert can be about; the texts are what the file, the messages and the database say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// A camera does not record.
    CameraDown,
    /// A camera refuses password, certificate or path: waiting does not help.
    CameraDenied,
    /// A camera records, but no segment is closed.
    NoSegment,
    /// A segment waits for its upload for too long.
    Backlog,
    /// Bucket, keys or rights are wrong.
    UploadMisconfigured,
    /// S3 refused segments for good; the command `retry` queues them again.
    SegmentsRefused,
    DiskLow,
    DiskFull,
    /// Segments were given up before S3 had them, or their files vanished.
    FootageLost,
    /// Rows or files cannot be written.
    StorageDown,
}

impl AlertKind {
    pub const ALL: [AlertKind; 10] = [
        Self::CameraDown,
        Self::CameraDenied,
        Self::NoSegment,
        Self::Backlog,
        Self::UploadMisconfigured,
        Self::SegmentsRefused,
        Self::DiskLow,
        Self::DiskFull,
        Self::FootageLost,
        Self::StorageDown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CameraDown => "camera-down",
            Self::CameraDenied => "camera-denied",
            Self::NoSegment => "no-segment",
            Self::Backlog => "backlog",
            Self::UploadMisconfigured => "upload-misconfigured",
            Self::SegmentsRefused => "segments-refused",
            Self::DiskLow => "disk-low",
            Self::DiskFull => "disk-full",
            Self::FootageLost => "footage-lost",
            Self::StorageDown => "storage-down",
        }
    }

    pub fn parse(text: &str) -> Option<AlertKind> {
        AlertKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// There is one for each camera.
    pub const fn is_of_a_camera(self) -> bool {
        matches!(self, Self::CameraDown | Self::CameraDenied | Self::NoSegment)
    }
}

/// One `[[alert]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertConfig {
    /// Of a-z, 0-9 and -.
    pub name: String,
    pub target: AlertTarget,
    pub events: Vec<AlertKind>,
    pub cameras: Vec<CameraName>,
    /// What is over sooner is not told.
    pub min_duration: Duration,
    /// A camera that records may be without a new segment for this long; `None` for ever.
    pub no_segment: Option<Duration>,
    /// A segment may wait for its upload for this long; `None` for ever.
    pub backlog: Option<Duration>,
}

/// How it is told.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertTarget {
    /// JSON by POST.
    Webhook {
        url: Secret,
        /// Key of the signature; empty for none.
        secret: Secret,
    },
    /// A program and its arguments, without a shell.
    Command(Vec<Secret>),
    Mqtt(MqttConfig),
}

#[derive(Clone, Debug, PartialEq)]
pub struct MqttConfig {
    pub host: String,
    pub port: u16,
    /// `mqtts://`
    pub tls: bool,
    /// Beside this machine's roots.
    pub ca_file: Option<PathBuf>,
    pub username: String,
    pub password: Secret,
    /// In front of every topic of ours.
    pub topic: String,
    /// Home Assistant's prefix; `None` for no discovery.
    pub discovery: Option<String>,
}

pub(super) fn alerts(root: &Table<'_>, cameras: &[CameraConfig]) -> Vec<AlertConfig> {
    let mut lines = HashMap::new();
    root.tables("alert").into_iter().filter_map(|table| alert(table, cameras, &mut lines)).collect()
}

fn alert(
    mut table: Table<'_>,
    cameras: &[CameraConfig],
    lines: &mut HashMap<String, usize>,
) -> Option<AlertConfig> {
    if !table.has("name") {
        table.problem(
            "name",
            "missing; add name = \"…\", 1 to 63 of a-z, 0-9 and -, for logs and `alert test`",
        );
    }
    let name = table.text("name").and_then(|text| name(&mut table, &text, lines));
    let target = target(&table);
    let seconds = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    let minutes = table.number("backlog_minutes", 0.01..=MOST_MINUTES, 60.0);
    let alert = AlertConfig {
        events: events(&table).unwrap_or_else(|| AlertKind::ALL.to_vec()),
        cameras: names(&table, cameras)
            .unwrap_or_else(|| cameras.iter().map(|camera| camera.name.clone()).collect()),
        min_duration: Duration::from_secs(table.integer("min_duration", 0..=DAY_SECONDS, 60)),
        no_segment: seconds(table.integer("no_segment_seconds", 0..=DAY_SECONDS, 60)),
        backlog: (minutes > 0.0).then(|| Duration::from_secs_f64(minutes * 60.0)),
        // whatever is wrong with these two has been noted
        name: name.unwrap_or_default(),
        target: target.unwrap_or_else(|| AlertTarget::Command(Vec::new())),
    };
    table.finish();
    Some(alert)
}

fn name(table: &mut Table<'_>, text: &Text<'_>, lines: &mut HashMap<String, usize>) -> Option<String> {
    // the same letters as in a camera's name
    if CameraName::new(&text.value).is_err() {
        text.refuse("1 to 63 of a-z, 0-9 and -", "choose another; it stands in logs and in `alert test`");
        return None;
    }
    if let Some(line) = lines.get(&text.value) {
        let todo = format!("choose another; the alert in line {line} has this one");
        text.refuse("a name of its own for each alert", &todo);
        return None;
    }
    if text.is_plain {
        table.rename(format!("alert \"{}\"", text.value));
    }
    lines.insert(text.value.clone(), text.line());
    Some(text.value.clone())
}

fn target(table: &Table<'_>) -> Option<AlertTarget> {
    if !table.has("type") {
        table.problem("type", "missing; add type = \"webhook\", \"mqtt\" or \"command\"");
    }
    let (url, secret) = (table.secret("url"), table.secret("secret"));
    let command = table.texts("command", true);
    let mqtt = mqtt(table);
    let text = table.text("type")?;
    let (own, target): (&[&str], _) = match text.value.as_str() {
        "webhook" => (&["url", "secret"], webhook(table, url, secret)),
        "command" => (&["command"], program(table, command)),
        "mqtt" => (&["broker", "ca_file", "username", "password", "topic", "discovery"], mqtt),
        _ => {
            text.refuse("\"webhook\", \"mqtt\" or \"command\"", "docs/ALERTS.md describes them");
            return None;
        }
    };
    for key in ["url", "secret", "command", "broker", "ca_file", "username", "password", "topic", "discovery"]
    {
        if table.has(key) && !own.contains(&key) {
            let what = format!("found for an alert of type \"{}\"; take it out, or change type", text.value);
            table.problem_at(key, &what);
        }
    }
    target
}

fn webhook(table: &Table<'_>, url: Option<Text<'_>>, secret: Option<Text<'_>>) -> Option<AlertTarget> {
    if !table.has("url") {
        table.problem("url", "missing; add url = \"https://…\", where the JSON is sent to");
    }
    let text = url?;
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if !Url::parse(&text.value).is_ok_and(|url| is_web(&url)) {
        text.refuse("http://HOST/… or https://HOST/…", "write the whole address");
        return None;
    }
    let secret = secret.map(|text| text.value).unwrap_or_default();
    Some(AlertTarget::Webhook { url: Secret::new(text.value), secret: Secret::new(secret) })
}

fn program(table: &Table<'_>, command: Option<Vec<Text<'_>>>) -> Option<AlertTarget> {
    let todo = "write command = [\"/path/of/the/program\", \"argument\", …]; no shell is between";
    if !table.has("command") {
        table.problem("command", &format!("missing; {todo}"));
    }
    let command = command?;
    if command.first().is_none_or(|program| program.value.is_empty()) {
        table.problem_at("command", &format!("found no program; {todo}"));
        return None;
    }
    Some(AlertTarget::Command(command.into_iter().map(|text| Secret::new(text.value)).collect()))
}

fn mqtt(table: &Table<'_>) -> Option<AlertTarget> {
    let broker = table.secret("broker");
    let username = table.text("username").map(|text| text.value).unwrap_or_default();
    let password = table.secret("password").map(|text| text.value).unwrap_or_default();
    let topic = topic(table.text("topic")).unwrap_or_else(|| "cctv".into());
    let discovery = match table.text("discovery") {
        Some(text) if text.value.is_empty() => None,
        text => Some(topic_or(text, DISCOVERY)),
    };
    if !table.has("broker") {
        let is_mqtt = table.has("type") && table.text("type").is_some_and(|text| text.value == "mqtt");
        if is_mqtt {
            table.problem("broker", "missing; add broker = \"mqtt://HOST:1883\" or \"mqtts://HOST:8883\"");
        }
        return None;
    }
    let (host, port, tls) = broker_address(&broker?)?;
    let ca_file = ca_file(table.text("ca_file"), tls);
    let password = Secret::new(password);
    Some(AlertTarget::Mqtt(MqttConfig { host, port, tls, ca_file, username, password, topic, discovery }))
}

fn ca_file(text: Option<Text<'_>>, tls: bool) -> Option<PathBuf> {
    let text = text?;
    let file = PathBuf::from(&text.value);
    if !tls {
        text.problem(
            "found for a broker that is not encrypted; write mqtts:// as its broker, or take it out",
        );
    } else if let Err(error) = crate::tls::authority(&file) {
        text.problem(&error.to_string());
    }
    Some(file)
}

fn topic_or(text: Option<Text<'_>>, default: &str) -> String {
    topic(text).unwrap_or_else(|| default.to_owned())
}

/// `/` may part it; `+` and `#` are for those who subscribe.
fn topic(text: Option<Text<'_>>) -> Option<String> {
    let text = text?;
    let is_edged = text.value.starts_with('/') || text.value.ends_with('/');
    if text.value.is_empty() || text.value.len() > 200 || is_edged || text.value.contains(['+', '#', '$']) {
        text.refuse("a topic without +, # and $, and without / at its ends", "write for example \"cctv\"");
        return None;
    }
    Some(text.value)
}

fn broker_address(text: &Text<'_>) -> Option<(String, u16, bool)> {
    let refuse = |found: &str| {
        let what = format!("found {found}, allowed mqtt://HOST[:PORT] or mqtts://HOST[:PORT]; correct it");
        text.problem(&what);
        None
    };
    let Ok(url) = Url::parse(&text.value) else { return refuse("no address") };
    let (tls, port) = match url.scheme() {
        "mqtt" => (false, 1883),
        "mqtts" => (true, 8883),
        _ => return refuse("an address without mqtt:// or mqtts://"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("credentials in the address (username and password have keys of their own)");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return refuse("more after the host (the topic has its own key)");
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else { return refuse("no host") };
    // the brackets of an IPv6 address belong to the URL
    let host = host.trim_matches(['[', ']']).to_owned();
    Some((host, url.port().unwrap_or(port), tls))
}

fn events(table: &Table<'_>) -> Option<Vec<AlertKind>> {
    let texts = table.texts("events", false)?;
    let known = AlertKind::ALL.map(AlertKind::as_str).join(", ");
    let parse = |text: &Text<'_>| {
        let kind = AlertKind::parse(&text.value);
        if kind.is_none() {
            text.refuse(&known, "leave events out for all of them");
        }
        kind
    };
    let kinds: Vec<_> = texts.iter().filter_map(parse).collect();
    if texts.is_empty() {
        table.problem_at("events", "found an empty list; leave the key out for all of them");
    }
    Some(kinds)
}

fn names(table: &Table<'_>, cameras: &[CameraConfig]) -> Option<Vec<CameraName>> {
    let texts = table.texts("cameras", false)?;
    let known: Vec<&str> = cameras.iter().map(|camera| camera.name.as_str()).collect();
    let find = |text: &Text<'_>| {
        let camera = cameras.iter().find(|camera| camera.name.as_str() == text.value);
        if camera.is_none() {
            text.refuse(
                &format!("the name of a camera ({})", known.join(", ")),
                "correct it, or take it out",
            );
        }
        camera.map(|camera| camera.name.clone())
    };
    Some(texts.iter().filter_map(find).collect())
}
