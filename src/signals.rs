//! SIGTERM and SIGINT: the first asks for a clean stop, the second leaves at once. SIGHUP asks for the configuration to be
//! read again.

use tokio::signal::unix::{SignalKind, signal};

use crate::shutdown::Shutdown;

/// Waits for signals until the runtime ends. Everything on disk is consistent at any moment, so leaving at once
/// costs the open segments' last frames and nothing else: the next start recovers.
pub async fn watch(shutdown: Shutdown, reload: impl Fn()) {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let hangup = signal(SignalKind::hangup());
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = (terminate, interrupt, hangup) else {
        log::warn!("cannot listen for signals; stop with SIGKILL, the next start recovers");
        return;
    };
    let mut asked = false;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => {
                log::info!("SIGHUP: reading the configuration again");
                reload();
                continue;
            }
        };
        if asked {
            log::warn!("second {name}: leaving at once");
            log::logger().flush();
            std::process::exit(1);
        }
        log::info!("{name}: stopping; a second signal leaves at once");
        asked = true;
        shutdown.request();
    }
}
