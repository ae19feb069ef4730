//! `lifecycle show|apply`: the bucket's rule for footage that grows old, and what it costs a month.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use super::{open_existing, runtime, say};
use crate::bucket::{Amount, Lifecycle, Plan, estimate, plan};
use crate::cli::LifecycleCommand;
use crate::config::{Config, Mode};
use crate::error::{Context, Error, Kind, Result};
use crate::segment::Timestamp;

/// Rows of so long tell what a day is like.
const MEASURED: Duration = Duration::from_secs(3 * 24 * 3600);
/// With less than this nothing is measured.
const LEAST: Duration = Duration::from_secs(3600);
/// What a 4-megapixel camera sends when nobody told it otherwise, in kbit/s.
const CAMERAS_OWN: f64 = 4000.0;
const DAY_SECONDS: f64 = 86_400.0;

pub fn lifecycle(config: &Config, command: &LifecycleCommand) -> Result<u8> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (runtime, lifecycle) = (runtime()?, Lifecycle::new(&config.s3)?);
    let plan = plan(&runtime.block_on(lifecycle.now())?, &config.s3)?;
    show(config, &plan)?;
    let LifecycleCommand::Apply { yes } = command else { return Ok(0) };
    if !plan.changes() {
        say("nothing to do")?;
        return Ok(0);
    }
    let Some(document) = plan.document else {
        return Err(Error::new(
            Kind::Config,
            "lifecycle apply: no rule would be left, and S3 takes no empty list; delete the bucket's lifecycle in its console",
        ));
    };
    if !yes && !agreed()? {
        say("nothing was changed")?;
        return Ok(1);
    }
    runtime.block_on(lifecycle.apply(document))?;
    say("the rule is written; S3 applies it once a day")?;
    Ok(0)
}

fn show(config: &Config, plan: &Plan) -> Result<()> {
    let none = || "none".to_owned();
    say(&format!("bucket {}, objects below {}", config.s3.bucket, config.s3.prefix.root()))?;
    say(&format!("  now:     {}", plan.now.clone().unwrap_or_else(none)))?;
    say(&format!("  wanted:  {}", plan.wanted.clone().unwrap_or_else(none)))?;
    if !plan.others.is_empty() {
        say(&format!("  others:  {} (they stay as they are)", plan.others.join(", ")))?;
    }
    for line in estimate(&config.s3, &amount(config)) {
        say(&format!("  {line}"))?;
    }
    Ok(())
}

/// From the rows, where there are enough of them.
fn amount(config: &Config) -> Amount {
    measured(config).unwrap_or_else(|| {
        let bits: f64 = config
            .cameras
            .iter()
            .map(|camera| match camera.capture.mode {
                Mode::Transcode => f64::from(camera.capture.bitrate_kbps),
                Mode::Passthrough => CAMERAS_OWN,
            })
            .sum();
        let objects =
            config.cameras.iter().map(|camera| DAY_SECONDS / camera.capture.segment_duration.as_secs_f64());
        Amount {
            bytes_a_day: bits * 1000.0 / 8.0 * DAY_SECONDS,
            objects_a_day: objects.sum(),
            cameras: config.cameras.len(),
            is_measured: false,
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn measured(config: &Config) -> Option<Amount> {
    let store = open_existing(config).ok()?;
    let recent = store.recent(Timestamp::now().minus(MEASURED)).ok()?;
    let days = recent.span.as_secs_f64() / DAY_SECONDS;
    (recent.span >= LEAST).then(|| Amount {
        bytes_a_day: recent.bytes as f64 / days,
        objects_a_day: recent.segments as f64 / days,
        cameras: config.cameras.len(),
        is_measured: true,
    })
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::new(Kind::Config, "lifecycle apply: nobody is there to ask; add --yes"));
    }
    let what = || "ask";
    write!(std::io::stdout(), "Write this rule? [y/N] ").context(Kind::Internal, what)?;
    std::io::stdout().flush().context(Kind::Internal, what)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context(Kind::Internal, what)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
