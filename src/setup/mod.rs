//! The first configuration: what a person said → the text of the two files. Pure but for [`discover`].
//!
//! Called by the command `setup`, which asks, tests and writes. What stands in a file already stays, comments included.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::error::{Error, Kind, Result};

pub mod discover;

/// What must be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub name: String,
    pub address: Address,
    /// Empty: the camera wants no login.
    pub username: String,
    pub bucket: String,
    pub region: String,
    /// Another store than AWS.
    pub endpoint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// With the path of Dahua's and CP Plus' main stream.
    Ip(String),
    Url(String),
}

impl Default for Address {
    fn default() -> Address {
        Address::Ip(String::new())
    }
}

/// The variable that holds a camera's password: each camera has its own.
pub fn password_variable(camera: &str) -> String {
    let word: String = camera
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    format!("{word}_PASSWORD")
}

/// `existing` with this camera and bucket: a camera of that name is changed, one that is switched off and nobody filled in yet is
/// taken, else one is added.
///
/// # Errors
/// [`Kind::Config`]: `existing` is no TOML that can be kept.
pub fn config(existing: &str, answers: &Answers) -> Result<String> {
    let broken = |why: String| {
        Error::new(Kind::Config, format!("read the configuration: {why}; correct it, or move it away"))
    };
    let mut document: DocumentMut =
        existing.parse().map_err(|error: toml_edit::TomlError| broken(error.message().to_owned()))?;
    let cameras = document.entry("camera").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let cameras =
        cameras.as_array_of_tables_mut().ok_or_else(|| broken("camera is no list of tables".to_owned()))?;
    let is_own = |table: &Table| table.get("name").and_then(Item::as_str) == Some(&answers.name);
    let is_off = |table: &Table| table.get("enabled").and_then(Item::as_bool) == Some(false);
    let place = cameras.iter().position(is_own).or_else(|| cameras.iter().position(is_off));
    let place = place.unwrap_or_else(|| {
        cameras.push(Table::new());
        cameras.len() - 1
    });
    let camera = cameras.get_mut(place).ok_or_else(|| broken("a camera is missing".to_owned()))?;
    set(camera, "name", &answers.name);
    match &answers.address {
        Address::Ip(ip) => {
            camera.remove("url");
            set(camera, "ip", ip);
        }
        Address::Url(url) => {
            for key in ["ip", "port", "rtsp_path"] {
                camera.remove(key);
            }
            set(camera, "url", url);
        }
    }
    if answers.username.is_empty() {
        camera.remove("username");
        camera.remove("password");
    } else {
        set(camera, "username", &answers.username);
        set(camera, "password", &format!("${{{}}}", password_variable(&answers.name)));
    }
    camera.remove("enabled");
    let s3 = document.entry("s3").or_insert(Item::Table(Table::new()));
    let s3 = s3.as_table_mut().ok_or_else(|| broken("s3 is no table".to_owned()))?;
    set(s3, "bucket", &answers.bucket);
    set(s3, "region", &answers.region);
    match &answers.endpoint {
        Some(endpoint) => set(s3, "endpoint", endpoint),
        None => drop(s3.remove("endpoint")),
    }
    Ok(document.to_string())
}

/// Keeps the comment in front of a key that is there.
fn set(table: &mut Table, key: &str, text: &str) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = text.into();
            *old.decor_mut() = decor;
        }
        None => drop(table.insert(key, value(text))),
    }
}

/// `existing` with these secrets, each `NAME='value'`; lines of that name, also those that are commented out, are replaced.
///
/// # Errors
/// [`Kind::Config`]: a value that such a file cannot hold.
pub fn secrets(existing: &str, secrets: &[(String, String)]) -> Result<String> {
    let mut lines: Vec<String> = existing.lines().map(str::to_owned).collect();
    for (name, secret) in secrets {
        if secret.contains(['\'', '\n', '\r', '\0']) {
            let what = format!(
                "{name}: found a single quote or a line break, which the file cannot hold; choose another password"
            );
            return Err(Error::new(Kind::Config, what));
        }
        let line = format!("{name}='{secret}'");
        let begins = format!("{name}=");
        match lines.iter_mut().find(|line| line.trim_start_matches(['#', ' ']).starts_with(&begins)) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, EXAMPLE};

    fn answers() -> Answers {
        Answers {
            name: "gate".into(),
            address: Address::Ip("10.0.0.9".into()),
            username: "viewer".into(),
            bucket: "shop-7".into(),
            region: "eu-west-1".into(),
            endpoint: None,
        }
    }

    fn read(text: &str) -> Config {
        let env =
            |name: &str| (name == "GATE_PASSWORD" || name == "CAMERA_PASSWORD").then(|| "s3kret".to_owned());
        Config::parse(text, Path::new("config.toml"), &env).unwrap()
    }

    #[test]
    fn a_camera_that_is_off_is_filled_in_and_the_manual_around_it_stays() {
        let packaged = EXAMPLE.replacen("# enabled = true", "enabled = false", 1);
        let text = config(&packaged, &answers()).unwrap();
        let made = read(&text);
        assert_eq!(made.cameras.len(), 1);
        let camera = &made.cameras[0];
        assert_eq!(
            (camera.name.as_str(), camera.url.as_str()),
            ("gate", "rtsp://10.0.0.9:554/cam/realmonitor?channel=1&subtype=0")
        );
        assert_eq!((camera.username.as_str(), camera.password.reveal()), ("viewer", "s3kret"));
        assert_eq!((made.s3.bucket.as_str(), made.s3.region.as_str()), ("shop-7", "eu-west-1"));
        assert!(
            text.contains("# The camera's IP address, version 4 or 6.") && !text.contains("s3kret"),
            "{text}"
        );
        assert_eq!(config(&text, &answers()).unwrap(), text, "said again, nothing changes");
    }

    #[test]
    fn another_camera_is_added_and_the_first_stays() {
        let first = config(&EXAMPLE.replacen("# enabled = true", "enabled = false", 1), &answers()).unwrap();
        let yard = Answers {
            name: "yard".into(),
            address: Address::Url("rtsp://10.0.0.8/stream1".into()),
            username: String::new(),
            endpoint: Some("http://10.0.0.1:9000".into()),
            ..answers()
        };
        let made = read(&config(&first, &yard).unwrap());
        let names: Vec<&str> = made.cameras.iter().map(|camera| camera.name.as_str()).collect();
        assert_eq!(names, ["gate", "yard"]);
        assert_eq!(made.cameras[1].url, "rtsp://10.0.0.8:554/stream1");
        assert_eq!(made.s3.endpoint.as_deref(), Some("http://10.0.0.1:9000"));
        assert!(config("[[camera", &yard).unwrap_err().to_string().contains("move it away"));
    }

    #[test]
    fn secrets_replace_their_lines_and_nothing_else() {
        let existing = "# who\nGATE_PASSWORD='old'\n#AWS_ACCESS_KEY_ID=''\nRUST_LOG=debug\n";
        let pair = |name: &str, secret: &str| (name.to_owned(), secret.to_owned());
        let made = secrets(
            existing,
            &[pair("GATE_PASSWORD", "n$w #1"), pair("AWS_ACCESS_KEY_ID", "AK"), pair("X", "y")],
        );
        assert_eq!(
            made.unwrap(),
            "# who\nGATE_PASSWORD='n$w #1'\nAWS_ACCESS_KEY_ID='AK'\nRUST_LOG=debug\nX='y'\n"
        );
        assert!(secrets("", &[pair("X", "it's")]).unwrap_err().to_string().contains("single quote"));
        assert_eq!(password_variable("warehouse-cam-01"), "WAREHOUSE_CAM_01_PASSWORD");
    }
}
