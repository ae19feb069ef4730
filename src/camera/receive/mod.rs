//! A camera's frames by RTSP over TCP, without GStreamer: whole frames go into the pipeline's `appsrc`.
//!
//! `rtspsrc` takes each packet through a dozen elements and three threads, which costs three times what this does. It stays
//! for what is not done here: TLS, texts of operators, and cameras whose stream the library (retina) does not take.
//! A task for each run, all of them on one thread: it never waits for the pipeline but by not reading on, and viewers and
//! uploads, which have threads of their own, cannot hold it up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use gst::prelude::*;
use retina::client::{Demuxed, SessionGroup};
use retina::codec::{CodecItem, VideoFrame};
use retina::rtcp::ReceivedCompoundPacket;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use super::clock::CameraClock;
use super::codec::Codec;
use super::failure::Failure;
use super::pipeline::Counters;
use super::source::SharedOffer;
use crate::config::CameraConfig;
use crate::error::{Context, Kind, Result};
pub use client::{Client, Preference};
use retime::Retime;

mod client;
mod retime;
mod session;

/// What waits in front of a pipeline that hangs; beyond it the camera has to wait, as TCP does it. Sixteen seconds of 4 Mbit/s:
/// long enough to tell a hanging codec from a camera that is gone.
const MOST_WAITING: u64 = 8 << 20;
/// RTCP's BYE (RFC 3550).
const GOODBYE: u8 = 203;
const BREATH: Duration = Duration::from_millis(20);
/// A camera that lives takes a TEARDOWN within milliseconds.
const TEARDOWN: Duration = Duration::from_millis(200);
/// After the last frame was handed over, until the pipeline has said that it is through.
const LAST_FRAMES: Duration = Duration::from_secs(2);

/// The thread of all receptions. One, because a second would be woken for each packet that the first one takes.
pub fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("receive")
        .enable_all()
        .build()
        .context(Kind::Internal, || "start the thread that receives cameras")
}

/// Where a run's frames and what is learnt of the camera go.
pub struct Feed {
    pub src: gst_app::AppSrc,
    pub codec: Codec,
    pub offer: SharedOffer,
    pub clock: CameraClock,
    pub counters: Arc<Counters>,
}

/// A connection that lives, or has ended.
pub struct Reception {
    ended: Arc<Mutex<Option<(Failure, Instant)>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    runtime: Handle,
}

impl Reception {
    /// Connects, with the pipeline playing.
    pub fn start(runtime: &Handle, camera: &CameraConfig, feed: Feed) -> Reception {
        let (stop, stopped) = oneshot::channel();
        let ended = Arc::new(Mutex::new(None));
        let (camera, outcome) = (camera.clone(), ended.clone());
        let task = runtime.spawn(async move {
            let group = Arc::new(SessionGroup::default());
            let (src, frames_came) = (feed.src.clone(), feed.counters.clone());
            let failure = tokio::select! {
                failure = receive(&camera, group.clone(), feed) => Some(failure),
                _ = stopped => None,
            };
            if let Some(failure) = failure {
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some((failure, Instant::now()));
                if frames_came.seen().packets > 0 {
                    // behind the last frame; a pipeline that goes down takes none
                    let _ = src.end_of_stream();
                }
            }
            // the session was let go, which says goodbye in a task of its own
            let _ = tokio::time::timeout(TEARDOWN, group.await_teardown()).await;
        });
        Reception { ended, stop, task, runtime: runtime.clone() }
    }

    /// Why it ended, if it did; the pipeline may still have frames to write.
    pub fn ended(&self) -> Option<Failure> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match &*ended {
            Some((failure, _)) => Some(failure.clone()),
            None if self.task.is_finished() => {
                Some(Failure::Misread("internal error; please report it".into()))
            }
            None => None,
        }
    }

    /// The same, but not while frames may be on their way.
    pub fn ended_for_good(&self, frames: u64) -> Option<Failure> {
        let at = self.ended.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, at)| *at);
        let is_over = frames == 0 || at.is_none_or(|at| at.elapsed() >= LAST_FRAMES);
        self.ended().filter(|_| is_over)
    }

    /// Says goodbye to the camera. Not on a thread of the runtime.
    pub fn stop(self) {
        let Reception { stop, mut task, runtime, .. } = self;
        // a task that has ended listens no more
        let _ = stop.send(());
        let waited = runtime.block_on(async { tokio::time::timeout(2 * TEARDOWN, &mut task).await });
        if waited.is_err() {
            task.abort();
        }
    }
}

/// Until the camera, the connection or the pipeline ends it.
async fn receive(camera: &CameraConfig, group: Arc<SessionGroup>, feed: Feed) -> Failure {
    let url = match Url::parse(&camera.url) {
        Ok(url) => url,
        Err(error) => return Failure::Pipeline(format!("its address: {error}")),
    };
    let mut stream = match session::open(camera, &url, group, feed.codec, &feed.offer).await {
        Ok(stream) => stream,
        Err(failure) => return failure,
    };
    let mut retime = Retime::default();
    loop {
        match next(&mut stream, &url).await {
            Ok(CodecItem::VideoFrame(frame)) => {
                feed.counters.heard();
                if frame.loss() > 0 {
                    log::debug!("[{}] {} packets did not come", camera.name, frame.loss());
                }
                if !hand_over(&feed, &mut retime, frame) {
                    // the pipeline has failed and says itself how
                    return std::future::pending().await;
                }
            }
            Ok(CodecItem::Rtcp(report)) if report.pkts().any(|packet| packet.payload_type() == GOODBYE) => {
                return Failure::Ended;
            }
            Ok(CodecItem::Rtcp(report)) => note_clock(&feed, &retime, &report),
            Ok(_) => {}
            Err(failure) => return failure,
        }
        while feed.src.current_level_bytes() > MOST_WAITING {
            tokio::time::sleep(BREATH).await;
        }
    }
}

async fn next(stream: &mut Demuxed, url: &Url) -> std::result::Result<CodecItem, Failure> {
    match stream.next().await {
        Some(Ok(item)) => Ok(item),
        Some(Err(error)) => Err(session::interrupted(&error, url)),
        None => Err(Failure::Ended),
    }
}

fn hand_over(feed: &Feed, retime: &mut Retime, frame: VideoFrame) -> bool {
    let arrival = feed.src.current_running_time().unwrap_or_default();
    let at = retime.place(media_ns(frame.timestamp()), arrival.nseconds());
    let is_key = frame.is_random_access_point();
    let mut buffer = gst::Buffer::from_slice(frame.into_data());
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::from_nseconds(at));
        if !is_key {
            buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
    }
    feed.src.push_buffer(buffer).is_ok()
}

fn note_clock(feed: &Feed, retime: &Retime, report: &ReceivedCompoundPacket) {
    let told = report.pkts().find_map(|packet| packet.as_sender_report().ok().flatten());
    let at = report.rtp_timestamp().and_then(|at| retime.at(media_ns(at)));
    if let (Some(told), Some(at)) = (told, at) {
        feed.clock.told(gst::ClockTime::from_nseconds(at), told.ntp_timestamp().0);
    }
}

/// Since the first packet.
fn media_ns(at: retina::Timestamp) -> i64 {
    let ns = i128::from(at.elapsed()) * 1_000_000_000 / i128::from(at.clock_rate().get());
    let most = i128::from(retime::MOST);
    i64::try_from(ns.clamp(-most, most)).unwrap_or(retime::MOST)
}
