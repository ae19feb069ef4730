//! A file of an older version is read, and the person is told what to write now.

use std::path::Path;

use toml::de::DeTable;

use super::{BUCKET, CAMERA, env};
use crate::config::obsolete::Obsolete;
use crate::config::reader::Reader;
use crate::config::{Config, load};

/// What a later version might have renamed: a key, one in each camera, a whole section; and one that it dropped.
const RENAMED: &[Obsolete] = &[
    Obsolete { section: "server", old: "http_port", new: Some("port") },
    Obsolete { section: "server", old: "tcp_port", new: Some("port") },
    Obsolete { section: "camera", old: "host", new: Some("ip") },
    Obsolete { section: "", old: "disk", new: Some("storage") },
    Obsolete { section: "s3", old: "threads", new: None },
];

/// The configuration with its warnings, or all problems.
fn read(text: &str) -> Result<(Config, Vec<String>), String> {
    let reader = Reader::new("config.toml", ".env".into(), text, &env).with_obsolete(RENAMED);
    let document = DeTable::parse(text).unwrap();
    let config = load::read(&reader, document.get_ref());
    let warnings = reader.take_warnings();
    match reader.into_error() {
        Some(error) => Err(error.to_string()),
        None => Ok((config, warnings)),
    }
}

#[test]
fn an_obsolete_key_is_read_under_its_new_name_with_a_warning() {
    let camera = CAMERA.replace("ip =", "host =");
    let text = format!("{camera}{BUCKET}threads = 4\n[disk]\nmin_free_mb = 7\n[server]\nhttp_port = 9000\n");
    let (config, warnings) = read(&text).unwrap();
    assert_eq!(config.cameras[0].url, "rtsp://10.0.0.1:554/cam/realmonitor?channel=1&subtype=0");
    assert_eq!((config.server.port, config.storage.min_free_bytes), (9000, 7 << 20));
    assert_eq!(
        warnings,
        [
            "config.toml:3: camera \"gate\".host is obsolete; it is read as ip: rename it to that",
            "config.toml:9: s3.threads is obsolete and does nothing any more; take it out",
            "config.toml:10: disk is obsolete; it is read as storage: rename it to that",
            "config.toml:13: server.http_port is obsolete; it is read as port: rename it to that",
        ]
    );
}

#[test]
fn of_both_names_the_new_one_counts() {
    let (config, warnings) = read(&format!("{CAMERA}{BUCKET}[server]\ntcp_port = 1\nport = 9000\n")).unwrap();
    assert_eq!(config.server.port, 9000);
    let warning =
        "config.toml:10: server.tcp_port is obsolete and not used, because port is there too; take it out";
    assert_eq!(warnings, [warning]);
}

#[test]
fn a_wrong_value_under_an_old_name_is_still_refused() {
    let problem = read(&format!("{CAMERA}{BUCKET}[server]\nhttp_port = \"x\"\n")).err().unwrap();
    assert!(problem.starts_with("config.toml:10: server.port: found a string, allowed"), "{problem}");
}

#[test]
fn a_file_of_today_has_no_warnings() {
    let config = Config::parse(&format!("{CAMERA}{BUCKET}"), Path::new("config.toml"), &env).unwrap();
    assert_eq!(config.warnings, [""; 0]);
}
