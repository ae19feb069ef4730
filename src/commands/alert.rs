//! `alert test`: one message through every `[[alert]]`, and what became of it.

use super::{runtime, say};
use crate::alert;
use crate::cli::AlertCommand;
use crate::config::{AlertConfig, Config};
use crate::error::{Error, Kind, Result};

pub fn alert(config: &Config, command: &AlertCommand) -> Result<u8> {
    let AlertCommand::Test { name } = command;
    let chosen = |alert: &&AlertConfig| name.as_ref().is_none_or(|name| *name == alert.name);
    let alerts: Vec<&AlertConfig> = config.alerts.iter().filter(chosen).collect();
    if alerts.is_empty() {
        let names: Vec<&str> = config.alerts.iter().map(|alert| alert.name.as_str()).collect();
        let what = match names.is_empty() {
            true => "the file has no [[alert]]; docs/ALERTS.md shows one".to_owned(),
            false => format!("there is no alert of this name; the file has {}", names.join(", ")),
        };
        return Err(Error::new(Kind::Config, format!("alert test: {what}")));
    }
    let runtime = runtime()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut failed = 0;
    for alert in alerts {
        match runtime.block_on(alert::try_out(alert)) {
            Ok(()) => say(&format!("ok    {}: told", alert.name))?,
            Err(why) => {
                failed = 1;
                say(&format!("FAIL  {}: {why}", alert.name))?;
            }
        }
    }
    Ok(failed)
}
