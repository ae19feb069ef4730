//! Writes the hour manifests that have something new: at most once a minute each, and finally when the hour ends.
//!
//! Run by the worker between uploads. Its trouble never stops an upload: the manifest can always be written again
//! from the rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::answer::Trouble;
use super::link::object_backoff;
use super::manifest;
use super::proof;
use super::s3::{Body, Put, S3};
use crate::error::Result;
use crate::repeats::Repeats;
use crate::segment::{CameraName, Segment, Timestamp};
use crate::store::{OpenManifest, Store};

const REWRITE_EVERY: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const FILE: &str = "manifest.m3u8";

/// What the writing needs; cloned into each pass.
#[derive(Clone)]
pub struct Manifests {
    pub s3: Arc<S3>,
    pub store: Store,
    pub target: Duration,
    pub memory: Arc<Mutex<Memory>>,
}

/// What one pass leaves to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// Hours that failed while others were written: how often, and until when they rest.
    resting: HashMap<(CameraName, Timestamp), (u32, Instant)>,
    repeats: Repeats,
}

/// Whether, and how, a manifest is written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Not,
    Open,
    /// With ENDLIST, for good.
    Final,
}

impl Manifests {
    /// Writes what is due; with `stopping`, everything changed. Returns how many went to S3.
    ///
    /// # Errors
    /// When none could be written. An hour that fails while others get through waits for itself.
    pub async fn pass(&self, stopping: bool) -> Result<usize, Trouble> {
        let now = Timestamp::now();
        let open = match self.store.call(Store::open_manifests).await {
            Ok(open) => open,
            Err(error) => {
                self.say(&format!("read open manifests: {error}"));
                return Ok(0);
            }
        };
        let (mut written, mut failed) = (0, Vec::new());
        for hour in open {
            let ended = match due(&hour, now, self.target, stopping) {
                Due::Not => continue,
                _ if !stopping && self.rests(&hour) => continue,
                due => due == Due::Final,
            };
            let texts = match self.texts(&hour, ended).await {
                Ok(texts) => texts,
                Err(error) => {
                    self.say(&format!("read the hour {} of {}: {error}", hour.hour, hour.camera));
                    continue;
                }
            };
            if let Err(trouble) = self.put_all(texts, ended).await {
                failed.push((hour, trouble));
                continue;
            }
            written += 1;
            self.memory().resting.remove(&place(&hour));
            let noted = self.store.call(move |store| store.manifest_written(&hour, now, ended)).await;
            if let Err(error) = noted {
                // it is then simply written again
                self.say(&format!("note a written manifest: {error}"));
            }
        }
        self.judge(written, failed)
    }

    async fn put_all(&self, texts: Vec<(String, String)>, ended: bool) -> Result<(), Trouble> {
        for (key, text) in texts {
            self.put(&key, text, ended).await?;
            log::debug!("[upload] {key} written{}", if ended { ", final" } else { "" });
        }
        Ok(())
    }

    /// The link's trouble, if nothing got through; else each hour that failed rests, longer each time.
    fn judge(&self, written: usize, failed: Vec<(OpenManifest, Trouble)>) -> Result<usize, Trouble> {
        let mut memory = self.memory();
        if failed.is_empty() && memory.resting.is_empty() {
            memory.well();
        }
        let mut of_the_link = None;
        for (hour, trouble) in failed {
            let place = place(&hour);
            if written == 0 && !memory.resting.contains_key(&place) {
                of_the_link = Some(trouble);
                continue;
            }
            let times = memory.resting.get(&place).map_or(1, |(times, _)| times.saturating_add(1));
            let wait = object_backoff(times, fastrand::f64());
            let (reason, seconds) = (&trouble.reason, wait.as_secs());
            memory.say(&format!("{} {}: {reason}; it is tried again in {seconds} s", hour.camera, hour.hour));
            memory.resting.insert(place, (times, Instant::now() + wait));
        }
        of_the_link.map_or(Ok(written), Err)
    }

    fn rests(&self, hour: &OpenManifest) -> bool {
        self.memory().resting.get(&place(hour)).is_some_and(|(_, until)| Instant::now() < *until)
    }

    fn say(&self, cause: &str) {
        self.memory().say(cause);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Key and text of the hour's manifests: one beside the segments; more only if `s3.prefix` was changed within
    /// the hour.
    async fn texts(&self, hour: &OpenManifest, ended: bool) -> Result<Vec<(String, String)>> {
        let (camera, start) = (hour.camera.clone(), hour.hour);
        let (segments, gaps) = self
            .store
            .call(move |store| {
                let segments = store.hour(&camera, start)?;
                let gaps = store.gaps(&camera, start, start.plus(HOUR))?;
                Ok((segments, gaps))
            })
            .await?;
        let mut folders: BTreeMap<String, Vec<Segment>> = BTreeMap::new();
        for segment in segments {
            let folder = segment.key.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            folders.entry(folder).or_default().push(segment);
        }
        let text = |(folder, segments): (String, Vec<Segment>)| {
            let hour = manifest::Hour { segments: &segments, gaps: &gaps, ended, target: self.target };
            Some((format!("{folder}/{FILE}"), manifest::text(&hour)?))
        };
        Ok(folders.into_iter().filter_map(text).collect())
    }

    async fn put(&self, key: &str, text: String, ended: bool) -> Result<(), Trouble> {
        let put = Put {
            key,
            content_type: "application/vnd.apple.mpegurl",
            md5: Md5::digest(&text).into(),
            sha256: Some(Sha256::digest(&text).into()),
            // `retry` may bring a failed segment into an hour that was final
            cache_control: Some(if ended { "max-age=300" } else { "no-cache" }),
            ..Put::default()
        };
        let expected = proof::expected(text.as_bytes());
        let reply = self.s3.put(&put, Body::Bytes(Bytes::from(text))).await;
        proof::stored(&self.s3, key, &reply, &expected).await
    }
}

impl Memory {
    fn say(&mut self, cause: &str) {
        if let Some(line) = self.repeats.failed(cause, Instant::now()) {
            log::warn!("[upload] manifests: {line}");
        }
    }

    fn well(&mut self) {
        if let Some(line) = self.repeats.recovered(Instant::now()) {
            log::info!("[upload] manifests: {line}");
        }
    }
}

fn place(hour: &OpenManifest) -> (CameraName, Timestamp) {
    (hour.camera.clone(), hour.hour)
}

fn due(hour: &OpenManifest, now: Timestamp, target: Duration, stopping: bool) -> Due {
    // the hour's last segment may close this long after the hour
    let settled = hour.hour.plus(HOUR + REWRITE_EVERY + 2 * target);
    if hour.pending == 0 && now >= settled {
        return Due::Final;
    }
    let changed = hour.changes > hour.written_changes;
    let rested = hour.written_at.is_none_or(|at| now.since(at) >= REWRITE_EVERY || now < at);
    if changed && (rested || stopping) { Due::Open } else { Due::Not }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_written_at_once_then_each_minute_and_finally_after_its_hour() {
        let start = Timestamp::from_seconds(1_763_906_400);
        let at = |seconds| start.plus(Duration::from_secs(seconds));
        for (changes, written, written_at, pending, now, stopping, expected) in [
            (1, 0, None, 0, 20, false, Due::Open),
            (0, 0, None, 1, 20, false, Due::Not),
            (2, 1, Some(20), 0, 79, false, Due::Not),
            (2, 1, Some(20), 0, 79, true, Due::Open),
            (2, 1, Some(20), 0, 80, false, Due::Open),
            (2, 2, Some(20), 0, 500, true, Due::Not),
            // the clock was set back
            (2, 1, Some(200), 0, 100, false, Due::Open),
            (9, 9, Some(3600), 0, 3679, false, Due::Not),
            (9, 9, Some(3600), 0, 3680, false, Due::Final),
            (9, 8, Some(3670), 1, 3680, false, Due::Not),
            (9, 8, Some(3600), 1, 9000, false, Due::Open),
        ] {
            let hour = OpenManifest {
                camera: CameraName::new("cam").unwrap(),
                hour: start,
                changes,
                written_changes: written,
                written_at: written_at.map(at),
                pending,
            };
            let target = Duration::from_secs(10);
            assert_eq!(due(&hour, at(now), target, stopping), expected, "{hour:?} at {now}");
        }
    }
}
