//! POSTs an event as JSON, signed where a secret is given.
//!
//! The signature is what GitHub's and Stripe's receivers know: HMAC-SHA256 over `TIMESTAMP.BODY`, so that neither can be
//! changed and an old message cannot be sent again. Redirects are not followed: they would take the message elsewhere.

use std::time::Duration;

use hmac::{Hmac, Mac};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use sha2::Sha256;

use super::event::Event;
use super::outbox::Sent;
use crate::config::Secret;
use crate::segment::Timestamp;

const PATIENCE: Duration = Duration::from_secs(15);
pub const SIGNATURE: &str = "X-Signature";
pub const TIMESTAMP: &str = "X-Timestamp";

pub struct Webhook {
    client: Option<Client>,
    url: Secret,
    secret: Secret,
}

impl Webhook {
    pub fn new(url: Secret, secret: Secret) -> Webhook {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("cctv-s3-pipeline/", env!("CARGO_PKG_VERSION")))
            .build()
            .inspect_err(|_| {
                log::error!("create an HTTP client for alerts: the system's roots cannot be read")
            })
            .ok();
        Webhook { client, url, secret }
    }

    pub async fn send(&self, event: &Event) -> Sent {
        let client = self.client.as_ref().ok_or("there is no HTTP client")?;
        let (body, now) = (event.json(), (Timestamp::now().as_millis() / 1000).to_string());
        let mut request =
            client.post(self.url.reveal()).header(CONTENT_TYPE, "application/json").header(TIMESTAMP, &now);
        if !self.secret.reveal().is_empty() {
            request = request.header(SIGNATURE, sign(self.secret.reveal(), &now, &body));
        }
        let answer = request.body(body).send().await.map_err(|error| words(error.without_url()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(format!(
                "the receiver answers {status} and wants us elsewhere; write that address as url"
            )),
            status => Err(format!("the receiver answers {status}")),
        }
    }
}

/// `sha256=` and the digest in hex.
fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// With its causes: reqwest's own words say only that something failed.
fn words(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_in_the_manual() {
        // echo -n '1763906400.{}' | openssl dgst -sha256 -hmac sesame
        let expected = "sha256=5e9b664a603f20157a13693f772497c949e955c0a546443d365b90f3ae7f242f";
        let found = sign("sesame", "1763906400", b"{}");
        assert_eq!(found, expected);
        assert_ne!(found, sign("sesame", "1763906401", b"{}"));
        assert_ne!(found, sign("sesam", "1763906400", b"{}"));
    }
}
