//! What lies in memory → answers: live playlists, their parts and segments, and the endless `live.mp4`.
//!
//! Called by the handler, which found the camera's hub. Everything but the endless answer, whose time is the
//! viewer's own, is bytes that are there already.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{iter, unfold};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, IF_NONE_MATCH, VARY,
};
use hyper::{Method, Response, StatusCode};

use super::answer::{self, Answer, Body, body, set};
use super::route::Refusal;
use crate::live::{Hub, Moment, Rebase, Rendered, Unavailable, Viewer, Want};

const MP4: &str = "video/mp4";

/// `_HLS_msn` and `_HLS_part` (RFC 8216bis, 6.2.5). Other directives and parameters are not ours.
pub fn want(query: Option<&str>) -> Result<Want, Refusal> {
    let mut want = Want::default();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let number = || {
            value.parse::<u64>().map_err(|_| {
                let error = format!("{name} is {value:?}, it must be a whole number from 0 on");
                Refusal::new(400, error, "players take it from the playlist; leave it out to get the newest")
            })
        };
        match &*name {
            "_HLS_msn" => want.sequence = Some(number()?),
            "_HLS_part" => want.part = Some(number()?),
            _ => {}
        }
    }
    if want.part.is_some() && want.sequence.is_none() {
        let hint = "give _HLS_msn with it, or neither";
        return Err(Refusal::new(400, "_HLS_part without _HLS_msn says nothing", hint));
    }
    Ok(want)
}

/// A playlist for a player: compressed where it takes that, and unchanged where it has it already.
pub fn playlist(headers: &HeaderMap, rendered: &Rendered) -> Answer {
    let mut hasher = DefaultHasher::new();
    rendered.text.hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    let listed = |name, wanted: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| {
            let value = value.trim();
            value.split(';').next() == Some(wanted) && !value.replace(' ', "").ends_with(";q=0")
        })
    };
    let mut answer = if listed(IF_NONE_MATCH, &etag) {
        let mut answer = Response::new(body(Bytes::new()));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        set(&mut answer, CACHE_CONTROL, "no-cache");
        answer
    } else {
        let compressed = listed(ACCEPT_ENCODING, "gzip");
        let bytes = if compressed { &rendered.gzip } else { &rendered.text };
        let mut answer = answer::text(StatusCode::OK, "application/vnd.apple.mpegurl", bytes.clone());
        if compressed {
            set(&mut answer, CONTENT_ENCODING, "gzip");
        }
        answer
    };
    set(&mut answer, VARY, "Accept-Encoding");
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    answer
}

pub async fn part(hub: &Hub, sequence: u64, index: usize) -> Result<Answer, Refusal> {
    hub.part(sequence, index).await.map(|bytes| media(body(bytes))).map_err(unavailable)
}

pub fn segment(hub: &Hub, sequence: u64) -> Result<Answer, Refusal> {
    let parts = hub.segment(sequence).ok_or_else(|| unavailable(Unavailable::Gone))?;
    let length: usize = parts.iter().map(Bytes::len).sum();
    let frames = parts.into_iter().map(|part| Ok::<_, std::io::Error>(Frame::data(part)));
    let mut answer = media(BodyExt::boxed_unsync(StreamBody::new(iter(frames))));
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(answer)
}

pub fn init(hub: &Hub, id: u64) -> Result<Answer, Refusal> {
    let init = hub.init(id).ok_or_else(|| unavailable(Unavailable::Gone))?;
    Ok(media(body(init.bytes.clone())))
}

/// Bytes that will never be others under this name.
fn media(body: Body) -> Answer {
    let mut answer = Response::new(body);
    set(&mut answer, CONTENT_TYPE, MP4);
    set(&mut answer, CACHE_CONTROL, "public, max-age=3600, immutable");
    answer
}

/// One MP4 without an end, from the last keyframe on. Waits for the first picture as long as `patience`.
pub async fn endless(method: &Method, hub: &Arc<Hub>, patience: Duration) -> Result<Answer, Unavailable> {
    let body = if *method == Method::HEAD {
        body(Bytes::new())
    } else {
        let mut viewer = hub.viewer();
        let first = tokio::time::timeout(patience, first_picture(&mut viewer)).await;
        let (init, frame) = first.map_err(|_| Unavailable::NothingYet)?.ok_or(Unavailable::Stopping)?;
        stream(viewer, init, frame)
    };
    let mut answer = Response::new(body);
    set(&mut answer, CONTENT_TYPE, MP4);
    set(&mut answer, CACHE_CONTROL, "no-store");
    Ok(answer)
}

/// An init segment and the first frame after it.
async fn first_picture(viewer: &mut Viewer) -> Option<(Bytes, Bytes)> {
    let mut init = Bytes::new();
    loop {
        match viewer.next().await? {
            Moment::Init(next) => init = next.bytes.clone(),
            Moment::Frame(frame) => return Some((init, frame)),
        }
    }
}

/// Ends where the picture becomes another kind, such as another size: an MP4 cannot say that in its middle.
fn stream(viewer: Viewer, init: Bytes, frame: Bytes) -> Body {
    let mut rebase = Rebase::default();
    let frame = rebase.apply(&frame);
    let first = iter([init.clone(), frame].map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))));
    let rest = unfold((viewer, init, rebase), |(mut viewer, init, mut rebase)| async move {
        loop {
            match viewer.next().await? {
                Moment::Frame(bytes) => {
                    let own = rebase.apply(&bytes);
                    return Some((Ok(Frame::data(own)), (viewer, init, rebase)));
                }
                Moment::Init(next) if next.bytes == init => {}
                Moment::Init(_) => return None,
            }
        }
    });
    let all = StreamBody::new(first.chain(rest));
    BodyExt::boxed_unsync(all.map_err(|never| match never {}))
}

/// Why nothing of a hub can be given, in words. [`Unavailable::NothingYet`] is the handler's to explain.
pub fn unavailable(why: Unavailable) -> Refusal {
    match why {
        Unavailable::NothingYet => Refusal::new(503, "the camera sent nothing in time", "try again"),
        Unavailable::TooFar { newest } => Refusal::new(
            400,
            format!("_HLS_msn or _HLS_part is too far ahead; the newest segment is {newest}"),
            "a player may ask for what follows the playlist it has; load the playlist anew",
        ),
        Unavailable::Gone => Refusal::new(
            404,
            "this part of the live stream is no longer in memory, or never was",
            "live.m3u8 lists what there is; recent.m3u8 goes further back",
        ),
        Unavailable::Stopping => {
            Refusal::new(503, "the recorder is stopping", "try again when it has started")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_numbers_and_a_part_needs_its_segment() {
        let wanted = |sequence, part| Ok(Want { sequence, part });
        for (query, expected) in [
            (None, wanted(None, None)),
            (Some(""), wanted(None, None)),
            (Some("_HLS_msn=7"), wanted(Some(7), None)),
            (Some("_HLS_msn=7&_HLS_part=0"), wanted(Some(7), Some(0))),
            (Some("token=a%26b&_HLS_part=2&_HLS_msn=7&_HLS_skip=YES"), wanted(Some(7), Some(2))),
            (Some("_HLS_part=2"), Err(400)),
            (Some("_HLS_msn=-1"), Err(400)),
            (Some("_HLS_msn="), Err(400)),
            (Some("_HLS_msn=99999999999999999999"), Err(400)),
            (Some("_HLS_msn=1&_HLS_part=x"), Err(400)),
        ] {
            assert_eq!(want(query).map_err(|refusal| refusal.status), expected, "{query:?}");
        }
    }

    #[test]
    fn a_playlist_is_compressed_for_who_takes_it_and_not_sent_twice() {
        let rendered = Rendered { text: Bytes::from_static(b"#EXTM3U\n"), gzip: Bytes::from_static(b"zip") };
        let ask = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            playlist(&headers, &rendered)
        };
        for (accepted, compressed) in
            [("gzip, deflate", true), ("br;q=1, gzip;q=0.5", true), ("identity", false), ("gzip;q=0", false)]
        {
            let answer = ask("accept-encoding", accepted);
            assert_eq!(answer.headers().contains_key(CONTENT_ENCODING), compressed, "{accepted}");
            assert_eq!(answer.headers()[VARY], "Accept-Encoding");
        }
        let etag = ask("accept", "*/*").headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!(ask("if-none-match", &etag).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(ask("if-none-match", &format!("\"x\", {etag}")).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(ask("if-none-match", "\"x\"").status(), StatusCode::OK);
    }
}
