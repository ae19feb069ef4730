//! Logs to standard error and to a rotated file, GStreamer's log joined in.
//!
//! Called once by `main`. Trouble with the log after the start never stops or slows the recorder: a line that
//! cannot be written is lost, and standard error says so once.

use std::io::Write;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use env_logger::{Logger, Target};
use log::{Level, Log, Metadata, Record};

use crate::config::LoggingConfig;
use crate::error::{Error, Kind, Result};
use crate::segment::Timestamp;

mod file;
mod format;
mod gst;

use file::LogFile;
use format::Line;

/// Crates that talk about every connection at `info` or `debug`. A directive of the user's for the same crate
/// comes later in the filter and wins.
const QUIET: &str = "hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,s3=warn,retina=error";

/// Below `warn` these write whole queries, a web identity token among them, and addresses of cameras, whose path may hold a
/// password. No filter of a user's, who cannot know that, may bring them into a log.
const TELLS_SECRETS: [&str; 2] = ["attohttpc", "retina"];

/// Starts logging; call once, before the first thread and before GStreamer is initialised. Fails if the file
/// cannot be opened. `RUST_LOG` replaces `logging.level` altogether.
pub fn init(config: &LoggingConfig) -> Result<()> {
    let file = match &config.file {
        Some(path) => Some(Arc::new(LogFile::open(path, config.max_size_bytes, config.backup_count)?)),
        None => None,
    };
    let gst_debug_is_set = gst::user_asked_for_it();
    let output = Output { file, journal: format::stderr_is_the_journal(), hide_gst: gst_debug_is_set };
    let output = Arc::new(output);
    let logger = output.logger(&filter(std::env::var("RUST_LOG").ok(), &config.level));
    let most = logger.filter();
    let switch = SWITCH.get_or_init(|| Switch { output, now: RwLock::new(logger) });
    log::set_logger(switch).map_err(|error| Error::with_source(Kind::Internal, "start logging", error))?;
    log::set_max_level(most);
    gst::join(gst_debug_is_set);
    Ok(())
}

/// Another `logging.level`, from now on. `RUST_LOG` stays stronger.
pub fn set_level(level: &str) {
    let Some(switch) = SWITCH.get() else { return };
    let logger = switch.output.logger(&filter(std::env::var("RUST_LOG").ok(), level));
    log::set_max_level(logger.filter());
    *switch.now.write().unwrap_or_else(PoisonError::into_inner) = logger;
}

static SWITCH: OnceLock<Switch> = OnceLock::new();

/// The logger of now.
struct Switch {
    output: Arc<Output>,
    now: RwLock<Logger>,
}

impl Switch {
    fn now(&self) -> RwLockReadGuard<'_, Logger> {
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Switch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.now().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.now().log(record);
    }

    fn flush(&self) {
        self.now().flush();
    }
}

/// `RUST_LOG` if it says anything, else the configured level with the noisy crates quietened.
fn filter(rust_log: Option<String>, level: &str) -> String {
    match rust_log {
        Some(filter) if !filter.trim().is_empty() => filter,
        _ => format!("{QUIET},{level}"),
    }
}

fn tells_secrets(record: &Record<'_>) -> bool {
    let module = record.target().split("::").next();
    record.level() > Level::Warn && module.is_some_and(|module| TELLS_SECRETS.contains(&module))
}

/// Where lines go.
struct Output {
    file: Option<Arc<LogFile>>,
    /// Standard error is read by journald, which has clocks and levels of its own.
    journal: bool,
    /// GStreamer writes its own lines to standard error already, because `GST_DEBUG` is set.
    hide_gst: bool,
}

impl Output {
    fn logger(self: &Arc<Self>, filter: &str) -> Logger {
        let output = self.clone();
        env_logger::Builder::new()
            .parse_filters(filter)
            .target(Target::Stderr)
            .format(move |buffer, record| {
                if tells_secrets(record) {
                    return Ok(());
                }
                let message = format::message(record);
                let line = Line { at: Timestamp::now(), level: record.level(), message: &message };
                if let Some(trouble) = output.file.as_ref().and_then(|file| file.write(&line.plain())) {
                    writeln!(buffer, "{}", output.own_line(&trouble))?;
                }
                if !output.shows(record) {
                    Ok(())
                } else if output.journal {
                    buffer.write_all(line.journal().as_bytes())
                } else {
                    let style = buffer.default_level_style(record.level());
                    buffer.write_all(line.terminal(style).as_bytes())
                }
            })
            .build()
    }

    /// Whether the record goes to standard error too.
    fn shows(&self, record: &Record<'_>) -> bool {
        !(self.hide_gst && record.target() == gst::TARGET)
    }

    /// A line about the log itself, which must not go through the log.
    fn own_line(&self, trouble: &str) -> String {
        let line = Line { at: Timestamp::now(), level: Level::Warn, message: trouble };
        let text = if self.journal { line.journal() } else { line.plain() };
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use log::Log;

    use super::*;

    fn write(logger: &Logger, target: &str, level: Level, text: &str) {
        logger.log(&Record::builder().args(format_args!("{text}")).target(target).level(level).build());
    }

    fn logger_into(folder: &tempfile::TempDir, filter: &str, hide_gst: bool) -> (Logger, std::path::PathBuf) {
        let path = folder.path().join("logs/pipeline.log");
        let file = LogFile::open(&path, 1 << 20, 1).unwrap();
        let output = Output { file: Some(Arc::new(file)), journal: false, hide_gst };
        (Arc::new(output).logger(filter), path)
    }

    #[test]
    fn rust_log_replaces_the_configured_level() {
        assert_eq!(filter(Some("debug".into()), "info"), "debug");
        assert_eq!(filter(Some(" ".into()), "info"), format!("{QUIET},info"));
        assert_eq!(filter(None, "info,hyper=trace"), format!("{QUIET},info,hyper=trace"));
    }

    #[test]
    fn noisy_crates_are_quiet_until_the_user_names_them() {
        let enabled = |level: &str, target: &str| {
            let output = Output { file: None, journal: false, hide_gst: false };
            let metadata = log::Metadata::builder().level(Level::Debug).target(target).build();
            Arc::new(output).logger(&filter(None, level)).enabled(&metadata)
        };
        assert!(enabled("debug", "cctv_s3_pipeline::upload"));
        assert!(!enabled("debug", "hyper::proto"));
        assert!(enabled("debug,hyper=debug", "hyper::proto"));
    }

    #[test]
    fn the_file_gets_what_the_filter_lets_through_also_from_gstreamer() {
        let folder = tempfile::tempdir().unwrap();
        let (logger, path) = logger_into(&folder, "info", true);
        write(&logger, "cctv_s3_pipeline::store", Level::Info, "[store] open");
        write(&logger, "cctv_s3_pipeline::store", Level::Debug, "[store] detail");
        write(&logger, gst::TARGET, Level::Warn, "lost rtsp://admin:hunter2@10.0.0.1/live");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("Z INFO  [store] open\n"), "{text}");
        assert!(text.contains("WARN  gstreamer: lost rtsp://***@10.0.0.1/live\n"), "{text}");
        assert!(!text.contains("detail") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn no_filter_brings_the_queries_of_the_credential_client_into_a_log() {
        for filter in ["trace", "attohttpc=debug", "debug,attohttpc::request=trace", "trace/token"] {
            let folder = tempfile::tempdir().unwrap();
            let (logger, path) = logger_into(&folder, filter, true);
            write(&logger, "attohttpc::request", Level::Debug, "GET /?WebIdentityToken=token");
            write(&logger, "attohttpc", Level::Info, "token");
            write(&logger, "retina::client", Level::Info, "rtsp://camera/token");
            write(&logger, "attohttpc::request", Level::Warn, "no token endpoint");
            let text = std::fs::read_to_string(path).unwrap();
            assert_eq!(text.lines().count(), 1, "{filter}: {text}");
            assert!(text.contains("no token endpoint"), "{filter}: {text}");
        }
    }

    #[test]
    fn with_gst_debug_set_gstreamers_lines_are_not_doubled_on_standard_error() {
        let record = |target| Record::builder().target(target).level(Level::Warn).build();
        for (hide_gst, target, shown) in
            [(true, gst::TARGET, false), (false, gst::TARGET, true), (true, "cctv_s3_pipeline", true)]
        {
            let output = Output { file: None, journal: false, hide_gst };
            assert_eq!(output.shows(&record(target)), shown, "{target}, GST_DEBUG set: {hide_gst}");
        }
    }

    /// The part of the next test that runs in a process of its own: a logger is for the whole process.
    #[test]
    fn child_that_logs_for_real() {
        let Some(path) = std::env::var_os("LOGGING_CHILD_FILE") else {
            return;
        };
        let config = LoggingConfig {
            level: std::env::var("LOGGING_CHILD_LEVEL").unwrap_or("info".into()),
            file: Some(path.into()),
            max_size_bytes: 1 << 20,
            backup_count: 1,
        };
        init(&config).unwrap();
        ::gst::init().unwrap();
        let category = ::gst::DebugCategory::new("doorbell", ::gst::DebugColorFlags::empty(), None);
        ::gst::warning!(category, "lost rtsp://a:hunter2@h/1");
        ::gst::info!(category, "fine print");
        log::info!("[main] ready");
        log::debug!("[main] details");
    }

    fn run_child(gst_debug: Option<&str>, journal: bool) -> (String, String) {
        run_child_at("info", gst_debug, journal)
    }

    fn run_child_at(level: &str, gst_debug: Option<&str>, journal: bool) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipeline.log");
        let stderr_path = folder.path().join("stderr");
        let stderr = std::fs::File::create(&stderr_path).unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "logging::tests::child_that_logs_for_real", "--nocapture"])
            .env_remove("RUST_LOG")
            .env_remove("GST_DEBUG")
            .env_remove("GST_DEBUG_FILE")
            .env_remove("JOURNAL_STREAM")
            .env("GST_DEBUG_NO_COLOR", "1")
            .env("LOGGING_CHILD_LEVEL", level)
            .env("LOGGING_CHILD_FILE", &path)
            .stdout(std::process::Stdio::null());
        if let Some(levels) = gst_debug {
            child.env("GST_DEBUG", levels);
        }
        if journal {
            let stat = rustix::fs::fstat(&stderr).unwrap();
            child.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino));
        }
        assert!(child.stderr(stderr).status().unwrap().success());
        (std::fs::read_to_string(stderr_path).unwrap(), std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn gstreamers_warnings_are_in_both_logs_once_at_debug_level() {
        let (stderr, file) = run_child_at("debug", None, false);
        for log in [&stderr, &file] {
            assert_eq!(log.matches("DEBUG gstreamer: doorbell: lost rtsp://***@h/1").count(), 1, "{log}");
            assert_eq!(log.matches("lost rtsp").count(), 1, "{log}");
            assert!(!log.contains("fine print"), "{log}");
        }
    }

    #[test]
    fn nobody_who_did_not_ask_sees_gstreamers_lines() {
        let (stderr, file) = run_child(None, false);
        for log in [&stderr, &file] {
            assert_eq!(log.matches("INFO  [main] ready").count(), 1, "{log}");
            assert!(!log.contains("lost rtsp") && !log.contains("details"), "{log}");
        }
    }

    #[test]
    fn gst_debug_writes_to_standard_error_as_users_know_it_and_to_the_file() {
        let (stderr, file) = run_child(Some("doorbell:4"), false);
        assert_eq!(stderr.matches("fine print").count(), 1, "{stderr}");
        assert!(stderr.contains("doorbell") && !stderr.contains("gstreamer: doorbell"), "{stderr}");
        assert_eq!(file.matches("INFO  gstreamer: doorbell: fine print").count(), 1, "{file}");
    }

    #[test]
    fn the_journal_gets_priorities_and_the_file_times() {
        let (stderr, file) = run_child(None, true);
        assert!(stderr.contains("<6>[main] ready\n"), "{stderr}");
        assert!(file.contains("Z INFO  [main] ready\n"), "{file}");
    }
}
