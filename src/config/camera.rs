//! `[[camera]]`: a name, an address, who we are to the camera, and its own capture settings.
//!
//! Used by `load.rs`. Whatever the address was written as, the checked one is `rtsp://host:port/path`, or `rtsps://…`, without
//! credentials; nothing here may show a password, nor an address that could hold one.

use std::collections::HashMap;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::Url;

use super::sections::capture;
use super::table::{Table, Text};
use super::tls::trust;
use super::{CameraConfig, CaptureConfig, Secret};
use crate::segment::CameraName;

const RTSP_PORT: u16 = 554;
/// RFC 7826, 22.15.
const RTSPS_PORT: u16 = 322;
/// What Dahua, CP Plus and Amcrest call the main stream of the first channel.
const RTSP_PATH: &str = "/cam/realmonitor?channel=1&subtype=0";
const URL_ALLOWED: &str =
    "rtsp://HOST[:PORT]/PATH or rtsps://…; write for example \"rtsp://192.168.1.100:554/stream1\"";

/// An address and the credentials that were written into it.
#[derive(Default)]
struct Address {
    url: String,
    credentials: Option<(String, String)>,
}

/// All cameras that can be read and are not switched off, in the order of the file.
pub(super) fn cameras(root: &Table<'_>, base: &CaptureConfig) -> Vec<CameraConfig> {
    let tables = root.tables("camera");
    if !root.has("camera") {
        let what = "missing; add a [[camera]] block with name, ip, username and password for each camera";
        root.problem("camera", what);
    }
    let mut lines_by_name = HashMap::new();
    tables.into_iter().filter_map(|table| camera(table, base, &mut lines_by_name)).collect()
}

fn camera(
    mut table: Table<'_>,
    base: &CaptureConfig,
    lines_by_name: &mut HashMap<CameraName, usize>,
) -> Option<CameraConfig> {
    if !table.has("name") {
        table.problem(
            "name",
            "missing; add name = \"…\", 1 to 63 of a-z, 0-9 and -, for folders and addresses",
        );
    }
    let name = table.text("name").and_then(|text| name(&mut table, &text, lines_by_name));
    let address = address(&table).unwrap_or_default();
    let trust = trust(&table, address.url.starts_with("rtsps:"));
    let (username, password) = credentials(&table, address.credentials);
    let capture = capture(table.table("capture"), base);
    let is_enabled = table.boolean("enabled").unwrap_or(true);
    table.finish();
    let camera = CameraConfig { name: name?, url: address.url, username, password, trust, capture };
    is_enabled.then_some(camera)
}

fn name(
    table: &mut Table<'_>,
    text: &Text<'_>,
    lines_by_name: &mut HashMap<CameraName, usize>,
) -> Option<CameraName> {
    let Ok(name) = CameraName::new(&text.value) else {
        text.refuse("1 to 63 of a-z, 0-9 and -", "choose another; it names folders, objects and addresses");
        return None;
    };
    if let Some(line) = lines_by_name.get(&name) {
        let todo = format!("choose another; the camera in line {line} has this one");
        text.refuse("a name of its own for each camera", &todo);
        return None;
    }
    // a name that a variable put in is not shown
    if text.is_plain {
        table.rename(format!("camera \"{name}\""));
    }
    lines_by_name.insert(name.clone(), text.line());
    Some(name)
}

/// From `url`, or from `ip`, `port` and `rtsp_path`.
fn address(table: &Table<'_>) -> Option<Address> {
    let port = table.integer("port", 1..=u16::MAX, RTSP_PORT);
    let (ip, path, url) = (table.text("ip"), table.secret("rtsp_path"), table.secret("url"));
    if table.has("url") {
        for key in ["ip", "port", "rtsp_path"] {
            if table.has(key) {
                table.problem_at(
                    key,
                    &format!("found beside url, allowed is one of the two; take {key} or url out"),
                );
            }
        }
        return from_url(&url?);
    }
    if !table.has("ip") {
        table.problem(
            "ip",
            "missing; add ip = \"192.168.1.100\" with the camera's address, or url = \"rtsp://…\"",
        );
    }
    let path = match path {
        Some(path) => checked_path(path),
        None => Some(RTSP_PATH.to_owned()),
    };
    let ip = checked_ip(&ip?);
    let host = match ip? {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Some(Address { url: format!("rtsp://{host}:{port}{}", path?), credentials: None })
}

fn checked_ip(text: &Text<'_>) -> Option<IpAddr> {
    let ip = text.value.parse().ok();
    if ip.is_none() {
        text.refuse("an IP address", "for a host name, write url = \"rtsp://NAME:554/PATH\" instead of ip");
    }
    ip
}

/// Never shown: some cameras want the password in the path.
fn checked_path(text: Text<'_>) -> Option<String> {
    let path = &text.value;
    if !path.starts_with('/') || path.chars().any(|c| c.is_whitespace() || c == '#') {
        let allowed = "a path that starts with / and holds neither spaces nor #";
        text.refuse(allowed, "write for example \"/stream1\", with %20 for a space and %23 for #");
        return None;
    }
    Some(text.value)
}

fn from_url(text: &Text<'_>) -> Option<Address> {
    let refuse = |found: &str| {
        text.problem(&format!("found {found}, allowed {URL_ALLOWED}"));
        None
    };
    let Ok(mut url) = Url::parse(&text.value) else {
        return refuse(
            "no address (in a password, / ? # @ and : must be written as %2F %3F %23 %40 and %3A)",
        );
    };
    match url.scheme() {
        "rtsp" | "rtsps" => {}
        _ => return refuse("an address without rtsp://"),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("no host");
    }
    // `rtsp://admin:12/34@host/` is host admin, port 12 to the RFC, and the rest of a password in the open
    let beyond_host = &url[url::Position::BeforePath..];
    if beyond_host.contains('@') || url.fragment().is_some() {
        return refuse(
            "an @ or # after the host (in a password, write / ? # @ as %2F %3F %23 %40; in a path, # @ as %23 %40)",
        );
    }
    if text.value.contains(char::is_whitespace) || url.port() == Some(0) {
        return refuse("a space or the port 0 in the address");
    }
    let decode = |part: &str| percent_decode_str(part).decode_utf8().map(|text| text.into_owned()).ok();
    let user = decode(url.username());
    let password = url.password().map_or_else(|| Some(String::new()), decode);
    let (Some(user), Some(password)) = (user, password) else {
        return refuse("credentials that are not UTF-8 behind their %");
    };
    let usual = if url.scheme() == "rtsps" { RTSPS_PORT } else { RTSP_PORT };
    let port = url.port().unwrap_or(usual);
    let cleaned = url.set_username("").and_then(|()| url.set_password(None));
    if cleaned.and_then(|()| url.set_port(Some(port)).map(drop)).is_err() {
        return refuse("an address that cannot have a port");
    }
    let credentials = (!user.is_empty() || !password.is_empty()).then_some((user, password));
    Some(Address { url: url.into(), credentials })
}

/// From the keys, or from the address; both at once could differ.
fn credentials(table: &Table<'_>, in_url: Option<(String, String)>) -> (String, Secret) {
    let (username, password) = (table.text("username"), table.secret("password"));
    if let Some((username, password)) = in_url {
        for key in ["username", "password"] {
            if table.has(key) {
                let what = format!(
                    "found beside credentials in url, allowed is one of the two; take {key} out, or take them out of url"
                );
                table.problem_at(key, &what);
            }
        }
        return (username, Secret::new(password));
    }
    let (username, password) = (
        username.map(|text| text.value).unwrap_or_default(),
        password.map(|text| text.value).unwrap_or_default(),
    );
    if !password.is_empty() && !table.has("username") {
        table
            .problem_at("password", "found without username, allowed are both or none; add username = \"…\"");
    }
    (username, Secret::new(password))
}
