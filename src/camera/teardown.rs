//! Ending pipelines without ever hanging the camera's thread.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use gst::prelude::*;

/// Sets the pipeline to Null in a helper thread and waits `limit` for it. A driver that hangs in there costs one
/// thread and the pipeline, not the camera: returns false, and the helper goes on waiting by itself.
pub fn set_null(pipeline: &gst::Pipeline, limit: Duration) -> bool {
    let (done, waiting) = mpsc::channel();
    let doomed = pipeline.clone();
    let helper = thread::Builder::new().name("teardown".into()).spawn(move || {
        let stopped = doomed.set_state(gst::State::Null);
        drop(doomed);
        // nobody listens any more if the limit passed; that is no error
        let _ = done.send(stopped.is_ok());
    });
    match helper {
        Ok(helper) => match waiting.recv_timeout(limit) {
            Ok(stopped) => helper.join().is_ok() && stopped,
            Err(_) => {
                log::error!(
                    "[pipeline] {} does not stop within {} s; its thread is left behind",
                    pipeline.name(),
                    limit.as_secs()
                );
                false
            }
        },
        // no thread to be had: better to risk the wait than to leave the pipeline running
        Err(_) => pipeline.set_state(gst::State::Null).is_ok(),
    }
}

/// Sends EOS into a pad from a helper thread: a streaming thread that hangs inside the pad would block the caller.
/// The end of it is seen on the bus.
pub fn send_eos(pad: &gst::Pad) -> Option<thread::JoinHandle<()>> {
    let pad = pad.clone();
    thread::Builder::new()
        .name("eos".into())
        .spawn(move || {
            pad.send_event(gst::event::Eos::new());
        })
        .ok()
}
