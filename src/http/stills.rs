//! Pictures over HTTP: a camera now, a segment's thumbnail, and the thumbnail of a time.
//!
//! Called by the handler. Asking for a snapshot is what makes stills be made; asking again keeps them coming.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
    LOCATION,
};
use hyper::{Request, Response, StatusCode};

use super::answer::{Answer, body, set};
use super::api;
use super::handler::Handler;
use super::range::{Validators, is_fresh};
use super::route::Refusal;
use crate::access::Grant;
use crate::segment::{CameraName, FileName, Segment, Timestamp};
use crate::status::CameraState;
use crate::stills::Thumb;

/// A still that is younger needs no waiting for a newer one.
const FRESH: Duration = Duration::from_secs(15);
/// How long the first still is waited for: a camera's next keyframe is seldom further away.
const PATIENCE: Duration = Duration::from_secs(4);

impl Handler {
    /// The newest picture of a camera, made anew while somebody asks. One of a camera that is away stays, with its age.
    pub(super) async fn snapshot(&self, camera: &CameraName, headers: &HeaderMap) -> Result<Answer, Refusal> {
        let slot = self.stills.of(camera).ok_or_else(|| {
            let hint = "ask the process that records; thumbs?at=TIME has pictures of segments";
            Refusal::new(503, format!("camera {camera} is recorded by another process"), hint)
        })?;
        slot.ask();
        let is_away = self.state_of(camera).is_none_or(|state| state == CameraState::Waiting);
        let patience = if is_away { Duration::ZERO } else { PATIENCE };
        let still = slot.younger_than(FRESH, patience).await;
        let still = still.ok_or_else(|| self.nothing_yet(camera, "has no picture yet"))?;
        let mut answer = picture(headers, still.jpeg.clone(), still.taken_at, "no-cache");
        let age = still.age().as_secs();
        answer.headers_mut().insert(HeaderName::from_static("x-snapshot-age"), HeaderValue::from(age));
        Ok(answer)
    }

    fn state_of(&self, camera: &CameraName) -> Option<CameraState> {
        self.board.snapshot().cameras.remove(camera).map(|notice| notice.state)
    }

    pub(super) async fn thumb(
        &self,
        camera: CameraName,
        file: FileName,
        request: &Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let missing = |hint: String| Refusal::new(404, format!("there is no thumbnail of {file}"), hint);
        // the name was checked, and made anew from its number
        let path = self.store.thumb_path(&camera, file);
        let kept = path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read(kept)).await;
        let jpeg = match read.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped))) {
            Ok(jpeg) => jpeg.into(),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(missing(format!("it cannot be read: {error}")));
            }
            Err(_) if !self.stills.makes_thumbs() => {
                return Err(missing("server.thumbnails = false makes none".into()));
            }
            Err(_) => {
                let segment = self.segment_of(camera, file).await?;
                let segment = segment.ok_or_else(|| missing("its segment is not on this machine".into()))?;
                let made = self.stills.thumb(Thumb { segment, picture: path }).await;
                made.map_err(|error| missing(error.to_string()))?
            }
        };
        let taken_at = Timestamp::from_seconds(file.epoch_seconds());
        Ok(picture(request.headers(), jpeg, taken_at, "public, max-age=31536000, immutable"))
    }

    /// Where a closed segment lies, if it still does.
    async fn segment_of(&self, camera: CameraName, file: FileName) -> Result<Option<PathBuf>, Refusal> {
        let found = self.rows(move |store| {
            let path = store.find(&camera, file)?.map(|segment| store.path(&segment));
            Ok(path.filter(|path| path.exists()))
        });
        found.await.map_err(|error| self.trouble("find the segment", &error))
    }

    /// Leads to the thumbnail of the segment that holds a time, or else of the one before it.
    pub(super) async fn thumb_at(
        &self,
        camera: CameraName,
        query: Option<&str>,
        grant: &Grant,
    ) -> Result<Answer, Refusal> {
        let at = api::moment(query, "at")?.ok_or_else(|| {
            let hint = "give a time: thumbs?at=2026-11-23T14:05:00Z or thumbs?at=1795442700";
            Refusal::new(400, "at is missing", hint)
        })?;
        let (name, makes_thumbs) = (camera.clone(), self.stills.makes_thumbs());
        let found = self.rows(move |store| {
            let segment = store.file_at(&name, at)?;
            // the one that holds it may be open still
            let of_before = segment.as_ref().map(|segment| segment.start.minus(Duration::from_millis(1)));
            let before = of_before.map(|before| store.file_at(&name, before)).transpose()?.flatten();
            let has_thumb = |segment: &Segment| {
                store.thumb_path(&name, segment.file).exists()
                    || (makes_thumbs && store.path(segment).exists())
            };
            Ok(segment.into_iter().chain(before).find(has_thumb).map(|segment| segment.file))
        });
        let file =
            found.await.map_err(|error| self.trouble("find the thumbnail", &error))?.ok_or_else(|| {
                let error = format!("camera {camera} has no thumbnail of {at}");
                Refusal::new(
                    404,
                    error,
                    "only segments on this machine have one; the timeline says what there is",
                )
            })?;
        let mut answer = Response::new(body(Bytes::new()));
        *answer.status_mut() = StatusCode::FOUND;
        set(&mut answer, CACHE_CONTROL, "no-store");
        let token =
            grant.token.as_ref().map(|token| format!("?token={}", token.as_str())).unwrap_or_default();
        put(&mut answer, LOCATION, &format!("/cameras/{camera}/thumbs/{}{token}", file.thumb()));
        Ok(answer)
    }
}

/// A JPEG, or nothing for who has it already.
fn picture(headers: &HeaderMap, jpeg: Bytes, taken_at: Timestamp, caching: &'static str) -> Answer {
    let since_epoch = Duration::from_millis(u64::try_from(taken_at.as_millis()).unwrap_or(0));
    let etag = format!("\"{}-{}\"", taken_at.as_millis(), jpeg.len());
    let validators = Validators { etag, modified: UNIX_EPOCH + since_epoch };
    let length = jpeg.len();
    let mut answer = if is_fresh(headers, &validators) {
        let mut answer = Response::new(body(Bytes::new()));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        let mut answer = Response::new(body(jpeg));
        set(&mut answer, CONTENT_TYPE, "image/jpeg");
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        answer
    };
    set(&mut answer, CACHE_CONTROL, caching);
    put(&mut answer, ETAG, &validators.etag);
    put(&mut answer, LAST_MODIFIED, &httpdate::fmt_http_date(validators.modified));
    answer
}

/// Sets a header whose value is made of names, digits and dates.
fn put(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
