//! `status`: asks the running program, or reads the database where none answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{open_existing, runtime, say};
use crate::access;
use crate::config::Config;
use crate::error::{Context, Kind, Result};
use crate::http::ServedCamera;
use crate::http::report::{Facts, Report, Verdict};
use crate::segment::Timestamp;
use crate::status::{CameraState, Snapshot};
use crate::store::Role;
use crate::tls::{self, Fingerprint};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub fn status(config: &Config, json: bool) -> Result<u8> {
    let report = match ask(config) {
        Some(report) => report,
        None => from_database(config)?,
    };
    if json {
        let text = serde_json::to_string_pretty(&report).context(Kind::Internal, || "write JSON")?;
        say(&text)?;
    } else {
        say(report.text().trim_end())?;
    }
    Ok(u8::from(report.status == Verdict::Down))
}

fn ask(config: &Config) -> Option<Report> {
    let server = &config.server;
    if !server.enabled || server.port == 0 {
        return None;
    }
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/health", SocketAddr::new(reachable(server.bind), server.port));
    let mut builder = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN);
    if let Some(tls) = &server.tls {
        // this machine's own server, whatever name stands in its certificate
        let own = tls::certificates(&tls.files.cert).ok()?;
        builder = builder.use_preconfigured_tls(tls::client_for(Fingerprint::of(own.first()?)).ok()?);
    }
    let answer = async {
        // the provider of TLS is needed to build a client, although nothing here may be encrypted
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = builder.build().ok()?;
        let mut request = client.get(url);
        if let Some(key) = access::local_key(&config.storage.database) {
            request = request.bearer_auth(key.as_str());
        }
        let body = request.send().await.ok()?.bytes().await.ok()?;
        serde_json::from_slice(&body).ok()
    };
    runtime().ok()?.block_on(answer)
}

/// Where a server that listens on `bind` is reached from this machine.
fn reachable(bind: IpAddr) -> IpAddr {
    match bind {
        IpAddr::V4(all) if all.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(all) if all.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        one => one,
    }
}

fn from_database(config: &Config) -> Result<Report> {
    let store = open_existing(config)?;
    let mut stats = store.stats()?;
    if !store.is_running(Role::Capture)? {
        // what the last process wrote before it ended, or died, is not true any more
        for camera in &mut stats {
            if let Some((state, reason, _)) = &mut camera.last_state {
                *state = CameraState::Stopped;
                *reason = Some("the recorder is not running; start it with `cctv-s3-pipeline run`".into());
            }
        }
    }
    let cameras: Vec<ServedCamera> = config
        .cameras
        .iter()
        .map(|camera| ServedCamera {
            name: camera.name.clone(),
            segment_duration: camera.capture.segment_duration,
            mode: camera.capture.mode,
        })
        .collect();
    Ok(Report::new(&Facts {
        snapshot: &Snapshot::default(),
        stats: &stats,
        cameras: &cameras,
        free_bytes: store.free_bytes().ok(),
        now: Timestamp::now(),
    }))
}
