//! One message through every `[[alert]]`, for the command `alert test`.

use super::command::Program;
use super::event::Event;
use super::mqtt;
use super::outbox::Sent;
use super::webhook::Webhook;
use crate::config::{AlertConfig, AlertTarget};
use crate::segment::Timestamp;

/// Sends a test message there, once. The error is in plain words and without secrets.
pub async fn try_out(alert: &AlertConfig) -> Sent {
    let event = Event::test(Timestamp::now());
    match &alert.target {
        AlertTarget::Webhook { url, secret } => Webhook::new(url.clone(), secret.clone()).send(&event).await,
        AlertTarget::Command(command) => Program::new(command.clone()).run(&event).await,
        // its own test must not tell the house that the recorder is offline
        AlertTarget::Mqtt(mqtt) => mqtt::send_once(mqtt, &alert.name, &event).await,
    }
}
