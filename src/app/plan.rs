//! What a new configuration changes, compared with the one that runs. Pure.

use crate::config::{CameraConfig, Config, LoggingConfig, S3Config, ServerConfig, StorageConfig};
use crate::segment::CameraName;

/// What is to be done, and what cannot be done before the program is started again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub removed: Vec<CameraName>,
    pub added: Vec<CameraConfig>,
    pub changed: Vec<CameraConfig>,
    /// Names, order, or what viewers see of a camera.
    pub list: bool,
    pub s3: bool,
    pub alerts: bool,
    pub level: bool,
    /// Keys that keep their old values meanwhile.
    pub later: Vec<&'static str>,
}

impl Plan {
    pub fn of(old: &Config, new: &Config) -> Plan {
        let find = |cameras: &[CameraConfig], name: &CameraName| {
            cameras.iter().find(|camera| camera.name == *name).cloned()
        };
        let names = |config: &Config| -> Vec<CameraName> {
            config.cameras.iter().map(|camera| camera.name.clone()).collect()
        };
        let gone = old.cameras.iter().filter(|camera| find(&new.cameras, &camera.name).is_none());
        let (mut added, mut changed) = (Vec::new(), Vec::new());
        for camera in &new.cameras {
            match find(&old.cameras, &camera.name) {
                None => added.push(camera.clone()),
                Some(before) if before != *camera => changed.push(camera.clone()),
                Some(_) => {}
            }
        }
        let seen = |camera: &CameraConfig| (camera.capture.segment_duration, camera.capture.mode);
        let looks = |config: &Config| config.cameras.iter().map(seen).collect::<Vec<_>>();
        let longest = |config: &Config| looks(config).into_iter().map(|(duration, _)| duration).max();
        let list = names(old) != names(new) || looks(old) != looks(new);
        Plan {
            removed: gone.map(|camera| camera.name.clone()).collect(),
            added,
            changed,
            list,
            // the prefix belongs to the store, which stays
            s3: old.s3 != S3Config { prefix: old.s3.prefix.clone(), ..new.s3.clone() }
                || longest(old) != longest(new),
            alerts: old.alerts != new.alerts || (list && !new.alerts.is_empty()),
            level: old.logging.level != new.logging.level,
            later: later(old, new),
        }
    }

    /// What is done, in a few words, without values: some are secrets.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        let of = |cameras: &[CameraConfig]| {
            cameras.iter().map(|camera| camera.name.to_string()).collect::<Vec<_>>().join(", ")
        };
        if !self.changed.is_empty() {
            words.push(format!("started anew: camera {}", of(&self.changed)));
        }
        if !self.added.is_empty() {
            words.push(format!("added: camera {}", of(&self.added)));
        }
        if !self.removed.is_empty() {
            let names: Vec<String> = self.removed.iter().map(ToString::to_string).collect();
            words.push(format!("removed: camera {}", names.join(", ")));
        }
        for (is, what) in [(self.s3, "[s3]"), (self.alerts, "[[alert]]"), (self.level, "logging.level")] {
            if is {
                words.push(format!("taken over: {what}"));
            }
        }
        if words.is_empty() {
            words.push(
                if self.later.is_empty() { "nothing changed" } else { "nothing else changed" }.to_owned(),
            );
        }
        words.join("; ")
    }
}

/// Ports, files and folders that the process has open.
fn later(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let StorageConfig { local_buffer, segments_dir, database, max_size_bytes, min_free_bytes } = &old.storage;
    let now = &new.storage;
    for (is, key) in [
        (*local_buffer != now.local_buffer, "storage.local_buffer_minutes"),
        (*segments_dir != now.segments_dir, "storage.segments_dir"),
        (*database != now.database, "storage.database"),
        (*max_size_bytes != now.max_size_bytes, "storage.max_size_gb"),
        (*min_free_bytes != now.min_free_bytes, "storage.min_free_mb"),
        (old.s3.prefix != new.s3.prefix, "s3.prefix"),
    ] {
        if is {
            keys.push(key);
        }
    }
    let ServerConfig { enabled, bind, port, playlist_segments, thumbnails, tls, auth } = &old.server;
    let now = &new.server;
    for (is, key) in [
        (*enabled != now.enabled, "server.enabled"),
        (*bind != now.bind, "server.bind"),
        (*port != now.port, "server.port"),
        (*playlist_segments != now.playlist_segments, "server.playlist_segments"),
        (*thumbnails != now.thumbnails, "server.thumbnails"),
        (*tls != now.tls, "[server.tls]"),
        (*auth != now.auth, "[server.auth]"),
    ] {
        if is {
            keys.push(key);
        }
    }
    let level = old.logging.level.clone();
    if old.logging != (LoggingConfig { level, ..new.logging.clone() }) {
        keys.push("[logging] but for level");
    }
    keys
}

/// The configuration that runs from now on: the new one, with what must wait as it was.
pub fn effective(old: &Config, new: Config) -> Config {
    Config {
        storage: old.storage.clone(),
        server: old.server.clone(),
        s3: S3Config { prefix: old.s3.prefix.clone(), ..new.s3 },
        logging: LoggingConfig { level: new.logging.level, ..old.logging.clone() },
        ..new
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("config.toml"), &|_| None).unwrap()
    }

    const FOUR: &str = "[[camera]]\nname = \"a\"\nip = \"10.0.0.1\"\n[[camera]]\nname = \"b\"\nip = \"10.0.0.2\"\n\
        [[camera]]\nname = \"c\"\nip = \"10.0.0.3\"\n[s3]\nbucket = \"footage\"\n";

    fn names(cameras: &[CameraConfig]) -> Vec<&str> {
        cameras.iter().map(|camera| camera.name.as_str()).collect()
    }

    #[test]
    fn only_what_changed_is_touched() {
        let old = config(FOUR);
        assert_eq!(Plan::of(&old, &config(FOUR)), Plan::default());
        let plan = Plan::of(&old, &config(&FOUR.replace("10.0.0.2", "10.0.0.9")));
        assert_eq!(
            (names(&plan.changed), plan.list, plan.s3, plan.later.len()),
            (vec!["b"], false, false, 0)
        );
        let plan = Plan::of(&old, &config(&FOUR.replace("\"b\"", "\"d\"")));
        assert_eq!((names(&plan.added), plan.removed[0].as_str(), plan.list), (vec!["d"], "b", true));
        assert_eq!(plan.words(), "added: camera d; removed: camera b");
    }

    #[test]
    fn a_default_for_all_cameras_changes_those_that_have_it() {
        let own =
            FOUR.replace("ip = \"10.0.0.3\"\n", "ip = \"10.0.0.3\"\n[camera.capture]\nbitrate_kbps = 700\n");
        let plan = Plan::of(&config(&own), &config(&format!("{own}[capture]\nbitrate_kbps = 900\n")));
        assert_eq!(names(&plan.changed), ["a", "b"]);
        let plan = Plan::of(&config(&own), &config(&format!("{own}[capture]\nsegment_duration = 20\n")));
        assert!(plan.list && plan.s3, "playlists and manifests name the longest segment");
    }

    #[test]
    fn what_the_process_has_open_waits_and_is_named() {
        let old = config(FOUR);
        let text = format!(
            "{FOUR}prefix = \"x/{{camera_name}}/{{date}}/{{hour}}/\"\nconcurrency = 9\n[server]\nport = 81\nbind = \"127.0.0.1\"\n\
             [storage]\ndatabase = \"/x.db\"\nmin_free_mb = 5\n[logging]\nlevel = \"debug\"\nbackup_count = 9\n"
        );
        let new = config(&text);
        let plan = Plan::of(&old, &new);
        let expected = [
            "storage.database",
            "storage.min_free_mb",
            "s3.prefix",
            "server.bind",
            "server.port",
            "[logging] but for level",
        ];
        assert_eq!(plan.later, expected);
        assert_eq!(plan.words(), "taken over: [s3]; taken over: logging.level");
        let runs = effective(&old, new.clone());
        assert_eq!((runs.server.port, &runs.storage, runs.s3.concurrency), (8080, &old.storage, 9));
        assert_eq!((runs.s3.prefix, runs.logging.level.as_str()), (old.s3.prefix.clone(), "debug"));
        assert_eq!(
            Plan::of(&effective(&old, new.clone()), &new).later,
            expected,
            "each reload names them again"
        );
    }

    #[test]
    fn alerts_follow_the_list_of_cameras() {
        let with = format!("{FOUR}[[alert]]\nname = \"x\"\ntype = \"command\"\ncommand = [\"/bin/true\"]\n");
        let old = config(&with);
        assert!(Plan::of(&config(FOUR), &old).alerts && Plan::of(&old, &config(FOUR)).alerts);
        assert!(Plan::of(&old, &config(&with.replace("\"b\"", "\"d\""))).alerts);
        assert!(!Plan::of(&old, &config(&with.replace("10.0.0.2", "10.0.0.9"))).alerts);
    }
}
