//! GStreamer's debug log, joined into ours.
//!
//! Called once by `logging`. What users know of `GST_DEBUG`, `GST_DEBUG_FILE` and `GST_DEBUG_NO_COLOR` stays
//! true: when `GST_DEBUG` is set, GStreamer writes as always, and our log file gets a copy.

use gst::DebugLevel;
use log::{Level, Record};

/// The target under which filters know GStreamer: `RUST_LOG=info,gstreamer=debug`.
pub const TARGET: &str = "gstreamer";

/// Whether `GST_DEBUG` says anything.
pub fn user_asked_for_it() -> bool {
    std::env::var_os("GST_DEBUG").is_some_and(|value| !value.is_empty())
}

/// Sends GStreamer's log here. Without the user's word only warnings and errors are let out, at our debug level:
/// each reconnect writes several, and what they mean the cameras say themselves, once. GStreamer's own writing to
/// standard error ends then, so that no line stands there twice. Works before and after `gst::init`.
pub fn join(user_asked_for_it: bool) {
    if !user_asked_for_it {
        gst::log::remove_default_log_function();
        gst::log::set_default_threshold(DebugLevel::Warning);
    }
    gst::log::add_log_function(move |category, level, _file, _function, _line, object, message| {
        let Some(level) =
            level_of(level).map(|level| if user_asked_for_it { level } else { level.max(Level::Debug) })
        else {
            return;
        };
        let logger = log::logger();
        if level > log::max_level()
            || !logger.enabled(&log::Metadata::builder().level(level).target(TARGET).build())
        {
            return;
        }
        let object = object.map(|object| format!(" <{object}>")).unwrap_or_default();
        let text = message.get().unwrap_or_default();
        logger.log(
            &Record::builder()
                .args(format_args!("{}{object}: {text}", category.name()))
                .level(level)
                .target(TARGET)
                .build(),
        );
    });
}

/// GStreamer has more levels than we have; its MEMDUMP would write media bytes into the log.
fn level_of(level: DebugLevel) -> Option<Level> {
    match level {
        DebugLevel::Error => Some(Level::Error),
        DebugLevel::Warning => Some(Level::Warn),
        DebugLevel::Info => Some(Level::Info),
        DebugLevel::Fixme | DebugLevel::Debug => Some(Level::Debug),
        DebugLevel::Log | DebugLevel::Trace => Some(Level::Trace),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_keep_their_order() {
        let order =
            [DebugLevel::Error, DebugLevel::Warning, DebugLevel::Info, DebugLevel::Debug, DebugLevel::Log];
        let levels: Vec<_> = order.into_iter().filter_map(level_of).collect();
        assert!(levels.is_sorted() && levels.len() == order.len());
        assert_eq!(level_of(DebugLevel::None), None);
        assert_eq!(level_of(DebugLevel::Memdump), None);
    }
}
