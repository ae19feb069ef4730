//! `/api/v1/…`: what pages and scripts read, as JSON. docs/API.md promises every name in it.
//!
//! Called by the handler for its routes. Field names stay as they are within v1; only links (`shares`) can be written.

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};

use super::answer::{self, Answer};
use super::handler::Handler;
use super::route::Refusal;
use crate::access::Grant;
use crate::segment::{CameraName, Timestamp};

pub mod events;
mod query;
mod rate;
mod shares;
mod status;
mod timeline;

pub use query::{moment, value};
pub use rate::Rates;
use status::Status;

/// What can be asked for below `/api/v1/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Status,
    Events,
    Cameras,
    Camera(CameraName),
    Timeline(CameraName),
    /// Who is logged in.
    Session,
    /// Links to cameras for others.
    Shares,
    NewShare,
    EndShare(i64),
}

pub const ENDPOINTS: &str = "the endpoints are /api/v1/status, /api/v1/events, /api/v1/cameras, \
                             /api/v1/cameras/NAME, /api/v1/cameras/NAME/timeline?from=TIME&to=TIME, \
                             /api/v1/session and /api/v1/shares";

/// `parts` of the path after `/api`; `known` finds a configured camera.
pub fn find(
    parts: &[&str],
    known: impl FnOnce(&str) -> Result<CameraName, Refusal>,
) -> Result<Endpoint, Refusal> {
    Ok(match parts {
        ["v1", "status"] => Endpoint::Status,
        ["v1", "events"] => Endpoint::Events,
        ["v1", "cameras"] => Endpoint::Cameras,
        ["v1", "cameras", name] => Endpoint::Camera(known(name)?),
        ["v1", "cameras", name, "timeline"] => Endpoint::Timeline(known(name)?),
        ["v1", "session"] => Endpoint::Session,
        ["v1", "shares"] => Endpoint::Shares,
        ["v1", "shares", id] if id.bytes().all(|byte| byte.is_ascii_digit()) => {
            let id = id.parse().map_err(|_| Refusal::new(404, "there is no such link", ENDPOINTS))?;
            Endpoint::EndShare(id)
        }
        _ => return Err(Refusal::new(404, "there is no such endpoint", ENDPOINTS)),
    })
}

impl Handler {
    pub(super) async fn api(
        &self,
        endpoint: Endpoint,
        request: &mut Request<Incoming>,
        grant: &Grant,
    ) -> Result<Answer, Refusal> {
        match endpoint {
            Endpoint::Session => Ok(answer::json(StatusCode::OK, &self.who(grant))),
            Endpoint::Shares => self.shares().await,
            Endpoint::NewShare => self.new_share(request).await,
            Endpoint::EndShare(id) => self.end_share(id).await,
            Endpoint::Status => Ok(answer::json(StatusCode::OK, &self.status().await)),
            Endpoint::Events => self.events.listen(request.method() == Method::HEAD),
            Endpoint::Cameras => {
                let cameras = self.status().await.cameras;
                Ok(answer::json(StatusCode::OK, &serde_json::json!({ "cameras": cameras })))
            }
            Endpoint::Camera(name) => {
                let cameras = self.status().await.cameras;
                let camera = cameras.into_iter().find(|camera| camera.name == name.as_str());
                let camera = camera.ok_or_else(|| Refusal::new(404, "there is no such camera", ENDPOINTS))?;
                Ok(answer::json(StatusCode::OK, &camera))
            }
            Endpoint::Timeline(name) => self.timeline(name, request.uri().query()).await,
        }
    }

    async fn status(&self) -> Status {
        let gathered = self.gather().await;
        let now = Timestamp::now();
        let cameras = self.cameras.now();
        let facts = gathered.facts(&cameras, now);
        let rate = self.rates.note(&facts);
        Status::new(&facts, rate, &|camera| self.still_at(camera))
    }

    async fn timeline(&self, camera: CameraName, asked: Option<&str>) -> Result<Answer, Refusal> {
        let now = Timestamp::now();
        let (from, to) = timeline::window(asked, now)?;
        let name = camera.clone();
        let found = self.rows(move |store| {
            Ok((store.coverage(&name, from, to, now)?, store.oldest_file(&name)?.map(|oldest| oldest.start)))
        });
        let (tiles, oldest) = found.await.map_err(|error| self.trouble("read the timeline", &error))?;
        let timeline = timeline::Timeline::new(&camera, (from, to, now), tiles, oldest);
        Ok(answer::json(StatusCode::OK, &timeline))
    }
}
