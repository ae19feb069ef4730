//! `share`: links to one camera for people without a password.

use std::time::Duration;

use super::{named_camera, open_existing, say};
use crate::access::Token;
use crate::cli::ShareCommand;
use crate::config::{Config, ServerConfig};
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, Timestamp};
use crate::store::ShareRow;

pub fn share(config: &Config, command: &ShareCommand) -> Result<u8> {
    let store = open_existing(config)?;
    let now = Timestamp::now();
    match command {
        ShareCommand::Add { camera, hours, live_only, note } => {
            let (camera, token) = (whose(config, camera.as_deref())?, Token::new()?);
            if note.chars().any(char::is_control) || note.len() > 200 {
                return Err(Error::new(
                    Kind::Config,
                    "--note: allowed are 200 bytes in one line; shorten it",
                ));
            }
            let row = ShareRow {
                id: 0,
                camera,
                is_live_only: *live_only,
                note: note.clone(),
                created: now,
                expires: now.plus(Duration::from_secs(u64::from(*hours) * 3600)),
            };
            let id = store.add_share(&token.hash(), &row)?;
            let address = |file| {
                format!(
                    "{}/cameras/{}/{file}.m3u8?token={}",
                    base(&config.server),
                    row.camera,
                    token.as_str()
                )
            };
            say(&format!("link {id} works until {}; it is not shown again", row.expires.rfc3339()))?;
            say(&address("live"))?;
            if !row.is_live_only {
                say(&address("recent"))?;
            }
        }
        ShareCommand::List => {
            for share in store.shares(now)? {
                let what = if share.is_live_only { "live" } else { "live, recent" };
                let ShareRow { id, camera, expires, note, .. } = &share;
                say(&format!("{id:<6}{camera:<24} {what:<14}until {}  {note}", expires.rfc3339()))?;
            }
        }
        ShareCommand::Revoke { id } => {
            if !store.revoke_share(*id)? {
                let what = format!("share revoke: there is no link {id}; `share list` names them");
                return Err(Error::new(Kind::Config, what));
            }
            say(&format!("link {id} is revoked; who watches by it is cut off within seconds"))?;
        }
    }
    Ok(0)
}

fn whose(config: &Config, camera: Option<&str>) -> Result<CameraName> {
    match (camera, &config.cameras[..]) {
        (Some(name), _) => named_camera(config, name),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => named_camera(config, ""),
    }
}

/// As others reach this machine, as far as it knows.
fn base(server: &ServerConfig) -> String {
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let host = if server.bind.is_unspecified() {
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
    } else {
        server.bind.to_string()
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    format!("{scheme}://{host}:{}", server.port)
}
