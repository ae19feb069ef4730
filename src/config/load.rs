//! From a file's path to a checked [`Config`], and the `.env` beside it into the environment.
//!
//! `main` calls [`dotenv`] before the first thread, then [`Config::load`]. Only `dotenv` touches the process
//! environment; everything else is given a lookup.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::reader::{Env, Reader};
use super::table::Table;
use super::{CaptureConfig, Config, alert, camera, sections};
use crate::error::{Error, Kind, Result};

/// A packaged install's file, and its secrets.
pub const SYSTEM_CONFIG: &str = "/etc/cctv-s3-pipeline/config.toml";
const SYSTEM_ENV: &str = "/etc/default/cctv-s3-pipeline";

impl Config {
    /// Reads and checks the file. `env` answers `${NAME}`.
    ///
    /// # Errors
    /// [`Kind::Config`] with every problem of the file, one in a line, or with why it cannot be read.
    pub fn load(path: &Path, env: Env<'_>) -> Result<Config> {
        let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
        let text = utf8(path, bytes)?;
        Self::parse(&text, path, env)
    }

    /// Warns of each key of an older version. Apart from reading, because the log may start only then.
    pub fn say_what_is_obsolete(&self) {
        for warning in &self.warnings {
            log::warn!("[config] {warning}");
        }
    }

    /// Checks the text of a file that messages call `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path, env: Env<'_>) -> Result<Config> {
        let file = path.display().to_string();
        let reader = Reader::new(&file, env_path(path).display().to_string(), text, env);
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // the rest of a file with broken quotes means nothing: only syntax is reported then
            let mut last_line = None;
            for error in errors {
                let at = error.span().map(|span| span.start);
                let line = reader.line(at.unwrap_or(0));
                if last_line.replace(line) != Some(line) {
                    reader.syntax(at, error.message());
                }
            }
            return Err(problems(reader));
        }
        let mut config = read(&reader, document.get_ref());
        config.warnings = reader.take_warnings();
        match reader.into_error() {
            Some(error) => Err(error),
            None => Ok(config),
        }
    }
}

fn problems(reader: Reader<'_>) -> Error {
    let file = "the configuration is not valid TOML";
    reader.into_error().unwrap_or_else(|| Error::new(Kind::Config, file))
}

/// Walks the whole document; what is wrong is in the reader's list, and its value here is a default.
pub(super) fn read(reader: &Reader<'_>, document: &DeTable<'_>) -> Config {
    let root = Table::root(reader, document);
    let capture = sections::capture(root.table("capture"), &CaptureConfig::default());
    let mut config = Config {
        cameras: camera::cameras(&root, &capture),
        storage: sections::storage(root.table("storage")),
        s3: sections::s3(root.table("s3")),
        server: sections::server(root.table("server")),
        alerts: Vec::new(),
        logging: sections::logging(root.table("logging")),
        warnings: Vec::new(),
    };
    config.alerts = alert::alerts(&root, &config.cameras);
    root.finish();
    keep_what_live_lists(&mut config);
    config
}

/// A viewer may still ask for what `live.m3u8` listed a moment ago (RFC 8216, 6.2.2), so the local buffer is never
/// shorter than that list and two segments more.
fn keep_what_live_lists(config: &mut Config) {
    let longest = config.cameras.iter().map(|camera| camera.capture.segment_duration).max();
    if let (true, Some(longest)) = (config.server.enabled, longest) {
        let segments = u32::try_from(config.server.playlist_segments).unwrap_or(u32::MAX).saturating_add(2);
        config.storage.local_buffer = config.storage.local_buffer.max(longest.saturating_mul(segments));
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let path = path.display();
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!(
            "read configuration {path}: there is no such file; copy config.toml.example to {path} and edit it, or name another file with --config FILE"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "read configuration {path}: this user may not read it; give it to the user that runs this program"
        ),
        _ => format!("read configuration {path}: {error}; name a file with --config FILE"),
    };
    Error::new(Kind::Config, message)
}

/// The file as text, or the line where it stops to be UTF-8.
fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let path = path.display();
        Error::new(
            Kind::Config,
            format!("{path}:{line}: found bytes that are not UTF-8; save the file as UTF-8"),
        )
    })
}

/// The `.env` that belongs to a config file: beside it, and for a packaged install where Debian keeps such files.
pub fn env_path(config_path: &Path) -> PathBuf {
    match config_path == Path::new(SYSTEM_CONFIG) {
        true => PathBuf::from(SYSTEM_ENV),
        false => config_path.with_file_name(".env"),
    }
}

/// A variable of the environment, or a credential of that name that systemd passed (`LoadCredential=`).
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().or_else(|| {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
        // a name of a variable is no path
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let text = is_plain.then(|| fs::read_to_string(Path::new(&folder).join(name)).ok())??;
        Some(text.trim_end_matches(['\n', '\r']).to_owned())
    })
}

/// Loads the `.env` beside the config file into the environment of this process; what is set there already
/// wins, and no `.env` is fine. Nothing is set if anything in it is wrong.
///
/// Call before the first thread: the environment is not safe to change under readers in C.
///
/// Returns the names that came from the file.
///
/// # Errors
/// [`Kind::Config`] with file and line, never with the line's content.
pub fn dotenv(config_path: &Path) -> Result<Vec<String>> {
    let set = read_env(config_path)?;
    let new = set.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let text: Vec<(String, String)> = new.collect();
    load_env(config_path)?;
    Ok(text.into_iter().map(|(name, _)| name).collect())
}

/// The configuration as it is now, for a process that runs: `from_file` are the names that [`dotenv`] returned. Their
/// values are read again, and the environment of the process stays as it is.
///
/// # Errors
/// As [`Config::load`] and [`dotenv`].
pub fn again(config_path: &Path, from_file: &[String]) -> Result<Config> {
    let file = read_env(config_path)?;
    Config::load(config_path, &|name| {
        let real = environment(name).filter(|_| !from_file.iter().any(|known| known == name));
        real.or_else(|| file.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    })
}

/// What the `.env` beside the config file sets, in its order; of two of a name the first counts.
fn read_env(config_path: &Path) -> Result<Vec<(String, String)>> {
    let path = env_path(config_path);
    let Some(text) = env_text(&path)? else { return Ok(Vec::new()) };
    Ok(dotenvy::from_read_iter(text.as_bytes()).filter_map(std::result::Result::ok).collect())
}

fn load_env(config_path: &Path) -> Result<()> {
    let path = env_path(config_path);
    let Some(text) = env_text(&path)? else { return Ok(()) };
    dotenvy::from_read(text.as_bytes())
        .map_err(|_| Error::new(Kind::Config, format!("load {}: it cannot be parsed", path.display())))
}

/// Checked; `None` where there is no such file.
fn env_text(path: &Path) -> Result<Option<String>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let message = format!("read {}: {error}; let this user read it, or take it away", path.display());
            return Err(Error::new(Kind::Config, message));
        }
        Ok(bytes) => bytes,
    };
    checked_env(path, &utf8(path, bytes)?).map(Some)
}

/// The text of an `.env` in which every line can be read, without its byte order mark and with a last line end.
fn checked_env(path: &Path, text: &str) -> Result<String> {
    let text = format!("{}\n", text.strip_prefix('\u{feff}').unwrap_or(text));
    let given = Cell::new(0_usize);
    let refuse = |lines: usize, what: &str| {
        let line = (given.get() + 1).saturating_sub(lines.max(1));
        Err(Error::new(Kind::Config, format!("{}:{line}: {what}", path.display())))
    };
    for item in dotenvy::from_read_iter(LineByLine { rest: text.as_bytes(), given: &given }) {
        match item {
            // the process environment would panic on it
            Ok((_, value)) if value.contains('\0') => {
                return refuse(value.lines().count(), "found a NUL byte; take it out");
            }
            Ok(_) => {}
            Err(dotenvy::Error::LineParse(content, _)) => {
                let what = "found a line that cannot be read, allowed are NAME='value' and # comments; put values with spaces, quotes, $, # or \\ into '…' and close every quote";
                return refuse(content.lines().count(), what);
            }
            Err(_) => return refuse(1, "found a line that cannot be read; write NAME='value'"),
        }
    }
    Ok(text)
}

/// Hands out one line a read, so that the lines handed out tell where the parser is: it does not say.
struct LineByLine<'t> {
    rest: &'t [u8],
    given: &'t Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let length = line.min(buffer.len());
        let (now, later) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = later;
        if now.ends_with(b"\n") {
            self.given.set(self.given.get() + 1);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const FOLDER: &str = "CCTV_TEST_DOTENV_FOLDER";

    #[test]
    fn a_missing_file_is_answered_with_where_to_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = Config::load(&folder.path().join("config.toml"), &|_| None).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let message = error.to_string();
        assert!(message.contains("config.toml.example") && message.contains("--config FILE"), "{message}");
        let error = Config::load(folder.path(), &|_| None).unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{error}");
    }

    #[test]
    fn a_file_that_is_not_utf8_is_answered_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, b"[s3]\nbucket = \"f\xfctage\"\n").unwrap();
        let message = Config::load(&path, &|_| None).unwrap_err().to_string();
        assert!(message.contains("config.toml:2: found bytes that are not UTF-8"), "{message}");
    }

    #[test]
    fn a_file_with_a_byte_order_mark_and_windows_line_ends_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = format!("\u{feff}{}", crate::config::EXAMPLE.replace('\n', "\r\n"));
        fs::write(&path, text).unwrap();
        Config::load(&path, &|_| Some("x".into())).unwrap();
    }

    #[test]
    fn a_bad_env_line_is_told_by_its_number_and_not_by_its_content() {
        for (text, line) in [
            ("A=1\n# note\n\nhunter2 is my password\n", 4),
            ("A='hunter2\nB=2\n", 1),
            ("A=1\nB=\"two\nlines\"\nC='hunter2\n", 4),
            ("A=hunter2 two words", 1),
            ("\u{feff}A=1\nB=\"x\nhunter2\" y\n", 2),
            ("A=1\nB=hunter2\\q\n", 2),
            ("A=1\nB=hunter2\0\n", 2),
        ] {
            let message = checked_env(Path::new("site/.env"), text).unwrap_err().to_string();
            assert!(message.starts_with(&format!("site/.env:{line}: found")), "{text:?}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn env_lines_longer_than_a_buffer_and_without_a_line_end_are_read() {
        let long = "x".repeat(20_000);
        checked_env(Path::new(".env"), &format!("A={long}\nB='y' ")).unwrap();
        let error = checked_env(Path::new(".env"), &format!("A={long}\nB=y y")).unwrap_err();
        assert!(error.to_string().starts_with(".env:2:"), "{error}");
    }

    /// Changing the environment under other tests would race: a child of its own does it.
    #[test]
    fn the_env_file_fills_in_what_the_environment_lacks() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".env"), "CCTV_TEST_A='pa$$ w#rd'\nCCTV_TEST_B=from_file\n").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "config::load::tests::child_with_its_own_environment"])
            .env(FOLDER, folder.path())
            .env("CCTV_TEST_B", "from_environment")
            .env_remove("CCTV_TEST_A")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
    }

    /// The child of the test above; by itself it has no folder and nothing to look at.
    #[test]
    fn child_with_its_own_environment() {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        dotenv(&Path::new(&folder).join("config.toml")).unwrap();
        assert_eq!(std::env::var("CCTV_TEST_A").unwrap(), "pa$$ w#rd");
        assert_eq!(std::env::var("CCTV_TEST_B").unwrap(), "from_environment");
    }

    #[test]
    fn a_folder_without_an_env_file_is_fine_and_a_bad_one_sets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        dotenv(&config).unwrap();
        fs::write(folder.path().join(".env"), "CCTV_TEST_NEVER=1\nbroken line\n").unwrap();
        let error = dotenv(&config).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(std::env::var("CCTV_TEST_NEVER").is_err(), "set before the whole file was checked");
    }

    #[test]
    fn the_local_buffer_is_never_shorter_than_what_live_lists() {
        let buffer_s = |server: &str| {
            let text = format!(
                "[[camera]]\nname = \"a\"\nip = \"10.0.0.1\"\n[s3]\nbucket = \"footage\"\n\
                 [storage]\nlocal_buffer_minutes = 0\n[server]\n{server}"
            );
            Config::parse(&text, Path::new("config.toml"), &|_| None).unwrap().storage.local_buffer.as_secs()
        };
        assert_eq!(buffer_s("playlist_segments = 6"), 80);
        assert_eq!(buffer_s("enabled = false"), 0);
    }

    #[test]
    fn the_env_file_lies_beside_the_config_file() {
        for (config, env) in [("config.toml", ".env"), ("/etc/cctv/a.toml", "/etc/cctv/.env")] {
            assert_eq!(env_path(Path::new(config)), PathBuf::from(env));
        }
    }
}
