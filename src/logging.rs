//! Logs to standard error and to a rotated file, GStreamer's log joined in.

use crate::config::LoggingConfig;
use crate::error::Result;

/// Starts logging; call once, before the first thread. Fails if the file cannot be opened.
pub fn init(config: &LoggingConfig) -> Result<()> {
    todo!()
}
