//! The bucket's own housekeeping: what becomes of footage that grows old, and what that costs a month.
//!
//! Called by the command `lifecycle`. Changes nothing but the one rule of this recorder: rules of others stay as they are,
//! byte for byte ([`rules`]). The price is an estimate ([`price`]).

use crate::config::S3Config;
use crate::error::{Error, Kind, Result};
use crate::segment::Timestamp;
use crate::upload::answer::{self, Answer, Reply};
use crate::upload::s3::{S3, Source};

mod price;
mod rules;

pub use price::{Amount, estimate};
pub use rules::{Plan, plan};

/// A bucket's lifecycle, and the way to change it.
pub struct Lifecycle {
    s3: S3,
}

impl Lifecycle {
    pub fn new(config: &S3Config) -> Result<Lifecycle> {
        Ok(Lifecycle { s3: S3::new(config, Source::Chain { profile: config.profile.clone() })? })
    }

    /// The rules as the bucket has them, in XML; empty where there are none.
    pub async fn now(&self) -> Result<String> {
        let reply = self.s3.lifecycle().await;
        match reply {
            Ok(Answer { status: 404, code: Some(code), .. }) if code == "NoSuchLifecycleConfiguration" => {
                Ok(String::new())
            }
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            other => Err(self.refused("read the bucket's rules", "s3:GetLifecycleConfiguration", other)),
        }
    }

    pub async fn apply(&self, document: String) -> Result<()> {
        let reply = self.s3.put_lifecycle(document).await;
        match reply {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            other => Err(self.refused("write the bucket's rules", "s3:PutLifecycleConfiguration", other)),
        }
    }

    fn refused(&self, what: &str, action: &str, reply: Reply) -> Error {
        if reply.as_ref().is_ok_and(|answer| matches!(answer.status, 405 | 501)) {
            let message =
                format!("{what}: this store has no lifecycle rules; set the times in its own console");
            return Error::new(Kind::Data, message);
        }
        let denied = reply.as_ref().is_ok_and(|answer| answer.code.as_deref() == Some("AccessDenied"));
        let todo = if denied { format!("; the key needs {action}") } else { String::new() };
        let why = match answer::plain(&reply, self.s3.place(), Timestamp::now()) {
            Err(trouble) => trouble.reason,
            Ok(()) => "an answer that is none of S3's".to_owned(),
        };
        Error::new(if denied { Kind::Denied } else { Kind::Unreachable }, format!("{what}: {why}{todo}"))
    }
}
