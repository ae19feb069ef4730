//! Where the S3 credentials come from, and when they are read again.
//!
//! Order: environment, `~/.aws/credentials`, then the machine's role (web identity, container, instance). Role
//! credentials are renewed before they expire; all are read again once S3 has refused them, so that a person can
//! put new keys into the file while the program runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use s3::creds::Credentials as Keys;
use tokio::sync::Mutex;

use super::super::answer::{Missing, NoAnswer};
use crate::config::Secret;

/// Renewed this long before they expire, so that no request is signed with keys that die on the way.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// After a failed renewal the next try waits this long, as long as the old keys are good.
const RENEW_AGAIN: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub enum Source {
    /// Environment, file, role; `profile` is `s3.profile`, and `AWS_PROFILE` where that is not set.
    Chain { profile: Option<String> },
    /// Never read again.
    Fixed { access_key: String, secret_key: Secret },
}

/// The current keys; shared by all requests of one client.
pub struct Credentials {
    source: Source,
    held: Mutex<Held>,
    stale: AtomicBool,
}

#[derive(Default)]
struct Held {
    keys: Option<Keys>,
    /// When they could last not be renewed.
    failed_at: Option<Instant>,
}

impl Credentials {
    pub(super) fn new(source: Source) -> Self {
        Self { source, held: Mutex::default(), stale: AtomicBool::new(false) }
    }

    /// S3 refused them: read them again before the next request.
    pub fn mark_stale(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Where the keys were found, for `check s3`; reads them if need be.
    pub async fn describe(&self) -> Result<String, NoAnswer> {
        let keys = self.current().await?;
        let from = match &self.source {
            Source::Fixed { .. } => "given directly".to_owned(),
            Source::Chain { .. } if Keys::from_env().is_ok() => "from the environment".into(),
            Source::Chain { profile } if from_file(profile.as_deref()).is_some() => {
                format!("from ~/.aws/credentials, profile {:?}", profile_name(profile.as_deref()))
            }
            Source::Chain { .. } => "from this machine's role".into(),
        };
        Ok(match keys.expiration {
            Some(until) => format!("{from}, good until {} UTC", until.time()),
            None => from,
        })
    }

    pub(super) async fn current(&self) -> Result<Keys, NoAnswer> {
        let mut held = self.held.lock().await;
        let stale = self.stale.swap(false, Ordering::Relaxed);
        let usable = held.keys.clone().filter(|keys| !expired(keys));
        // a role's service that is down is slow to say so, and the old keys still work
        let just_failed = held.failed_at.is_some_and(|at| at.elapsed() < RENEW_AGAIN);
        if let Some(keys) = &usable
            && !stale
            && (!expires_soon(keys) || just_failed)
        {
            return Ok(keys.clone());
        }
        match self.read().await {
            Ok(fresh) => {
                *held = Held { keys: Some(fresh.clone()), failed_at: None };
                Ok(fresh)
            }
            Err(missing) => {
                held.failed_at = Some(Instant::now());
                usable.ok_or(missing)
            }
        }
    }

    async fn read(&self) -> Result<Keys, NoAnswer> {
        let source = self.source.clone();
        // the role's services are asked with a blocking client
        let found = tokio::task::spawn_blocking(move || source.read()).await;
        found.ok().flatten().ok_or_else(|| self.source.not_found())
    }
}

impl Source {
    fn read(&self) -> Option<Keys> {
        match self {
            Self::Fixed { access_key, secret_key } => {
                Keys::new(Some(access_key), Some(secret_key.reveal()), None, None, None).ok()
            }
            Self::Chain { profile } => {
                let profile = profile.clone().or_else(|| std::env::var("AWS_PROFILE").ok());
                let keys = Keys::new(None, None, None, None, profile.as_deref()).ok()?;
                // `AWS_ACCESS_KEY_ID=` in a .env file is a forgotten value, not a key
                keys.access_key.as_deref().is_some_and(|key| !key.is_empty()).then_some(keys)
            }
        }
    }

    fn not_found(&self) -> NoAnswer {
        let profile = match self {
            Self::Chain { profile } => profile_name(profile.as_deref()),
            Self::Fixed { .. } => "default".into(),
        };
        let reason = format!(
            "no S3 credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them into \
             ~/.aws/credentials under [{profile}], or give this machine a role"
        );
        NoAnswer { what: Missing::Credentials, reason }
    }
}

fn profile_name(configured: Option<&str>) -> String {
    configured
        .map(str::to_owned)
        .or_else(|| std::env::var("AWS_PROFILE").ok())
        .unwrap_or_else(|| "default".to_owned())
}

fn from_file(configured: Option<&str>) -> Option<Keys> {
    Keys::from_profile(Some(&profile_name(configured))).ok()
}

fn expires_soon(keys: &Keys) -> bool {
    keys.expiration.is_some_and(|at| *at <= time::OffsetDateTime::now_utc() + RENEW_BEFORE)
}

fn expired(keys: &Keys) -> bool {
    keys.expiration.is_some_and(|at| *at <= time::OffsetDateTime::now_utc())
}
