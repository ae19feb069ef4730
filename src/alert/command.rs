//! Runs a program for an event, without a shell: the event is in its environment and, as JSON, on its standard input.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::event::Event;
use super::outbox::Sent;
use crate::config::Secret;
use crate::segment::Timestamp;

const PATIENCE: Duration = Duration::from_secs(30);
/// Of our environment, which holds passwords, a program gets these alone.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
/// So much of its complaints is shown.
const MOST_WORDS: u64 = 300;

pub struct Program {
    command: Vec<Secret>,
}

impl Program {
    pub fn new(command: Vec<Secret>) -> Program {
        Program { command }
    }

    pub async fn run(&self, event: &Event) -> Sent {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let mut command = Command::new(program.reveal());
        command.args(arguments.iter().map(Secret::reveal)).env_clear().envs(environment(event));
        command.envs(INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("start the program: {error}"))?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let work = async {
            if let Some(mut stdin) = stdin {
                // one that does not read it is well
                let _ = stdin.write_all(&event.json()).await;
            }
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                let _ = stderr.take(MOST_WORDS).read_to_end(&mut said).await;
            }
            (child.wait().await, said)
        };
        // dropped with the time, the child is killed
        let (ended, said) = tokio::time::timeout(PATIENCE, work)
            .await
            .map_err(|_| format!("the program did not end within {} s and was killed", PATIENCE.as_secs()))?;
        let status = ended.map_err(|error| format!("wait for the program: {error}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the program ended with {status}{}", complaint(&said))),
        }
    }
}

fn complaint(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    match said.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.trim().escape_debug()),
        None => String::new(),
    }
}

fn environment(event: &Event) -> [(&'static str, String); 7] {
    [
        ("CCTV_ALERT_ID", event.id()),
        ("CCTV_ALERT_EVENT", event.kind().to_owned()),
        ("CCTV_ALERT_PHASE", event.phase.as_str().to_owned()),
        ("CCTV_ALERT_CAMERA", event.camera().unwrap_or_default().to_owned()),
        ("CCTV_ALERT_MESSAGE", event.message.clone()),
        ("CCTV_ALERT_BEGAN_AT", event.began_at.rfc3339()),
        ("CCTV_ALERT_ENDED_AT", event.ended_at.map(Timestamp::rfc3339).unwrap_or_default()),
    ]
}
