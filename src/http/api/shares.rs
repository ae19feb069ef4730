//! `/api/v1/shares`: links to one camera for people without a password, made and revoked by administrators.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::Token;
use crate::http::answer::{self, Answer};
use crate::http::door;
use crate::http::handler::Handler;
use crate::http::route::Refusal;
use crate::segment::Timestamp;
use crate::store::ShareRow;

const LIKE: &str = "{\"camera\": \"NAME\", \"hours\": 24, \"live_only\": false, \"note\": \"for whom\"}";
const MOST_HOURS: u32 = 24 * 366;
const MOST_NOTE: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    camera: String,
    #[serde(default = "a_day")]
    hours: u32,
    #[serde(default)]
    live_only: bool,
    #[serde(default)]
    note: String,
}

fn a_day() -> u32 {
    24
}

/// A link without its token, which is told once.
#[derive(Serialize)]
struct Share {
    id: i64,
    camera: String,
    live_only: bool,
    note: String,
    created_at: String,
    expires_at: String,
}

impl Share {
    fn of(row: ShareRow) -> Share {
        Share {
            id: row.id,
            camera: row.camera.as_str().to_owned(),
            live_only: row.is_live_only,
            note: row.note,
            created_at: row.created.rfc3339(),
            expires_at: row.expires.rfc3339(),
        }
    }
}

impl Handler {
    pub(super) async fn shares(&self) -> Result<Answer, Refusal> {
        let rows = self.rows(|store| store.shares(Timestamp::now())).await;
        let rows = rows.map_err(|error| self.trouble("read the links", &error))?;
        let shares: Vec<Share> = rows.into_iter().map(Share::of).collect();
        Ok(answer::json(StatusCode::OK, &json!({ "shares": shares })))
    }

    pub(super) async fn new_share(&self, request: &mut Request<Incoming>) -> Result<Answer, Refusal> {
        let wish: Wish = door::read(request, LIKE).await?;
        let cameras = self.cameras.now();
        let known = cameras.iter().find(|camera| camera.name.as_str() == wish.camera);
        let camera = known.map(|camera| camera.name.clone()).ok_or_else(|| {
            Refusal::new(400, format!("camera: there is none called {:?}", wish.camera), LIKE)
        })?;
        if !(1..=MOST_HOURS).contains(&wish.hours) {
            let error = format!("hours: found {}, allowed 1 to {MOST_HOURS}", wish.hours);
            return Err(Refusal::new(400, error, LIKE));
        }
        if wish.note.len() > MOST_NOTE || wish.note.chars().any(char::is_control) {
            return Err(Refusal::new(400, format!("note: allowed are {MOST_NOTE} bytes in one line"), LIKE));
        }
        let token = Token::new().map_err(|error| self.trouble("make a link", &error))?;
        let (hash, now) = (token.hash(), Timestamp::now());
        let expires = now.plus(Duration::from_secs(u64::from(wish.hours) * 3600));
        let is_live_only = wish.live_only;
        let row = ShareRow { id: 0, camera, is_live_only, note: wish.note, created: now, expires };
        let kept = row.clone();
        let id = self.store.call(move |store| store.add_share(&hash, &kept)).await;
        let id = id.map_err(|error| self.trouble("make a link", &error))?;
        let path = |name: &str| format!("/cameras/{}/{name}.m3u8?token={}", row.camera, token.as_str());
        let recent = (!row.is_live_only).then(|| path("recent"));
        let told = json!({
            "id": id, "live": path("live"), "recent": recent, "expires_at": row.expires.rfc3339(),
        });
        log::info!("[http] link {id} to camera {} made, until {}", row.camera, row.expires.rfc3339());
        Ok(answer::json(StatusCode::CREATED, &told))
    }

    pub(super) async fn end_share(&self, id: i64) -> Result<Answer, Refusal> {
        let revoked = self.store.call(move |store| store.revoke_share(id)).await;
        if revoked.map_err(|error| self.trouble("revoke the link", &error))? {
            log::info!("[http] link {id} revoked");
            return Ok(answer::json(StatusCode::OK, &json!({ "revoked": id })));
        }
        Err(Refusal::new(404, format!("there is no link {id}"), "GET /api/v1/shares lists them"))
    }
}
