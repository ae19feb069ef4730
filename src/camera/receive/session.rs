//! From an address to a playing session, and what retina's errors mean.
//!
//! Its errors say their kind in their text alone, so the version in Cargo.toml is exact.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use retina::client::{
    Credentials, Demuxed, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session,
    SessionGroup, SessionIdPolicy, SessionOptions, SetupOptions, Transport,
};
use retina::codec::FrameFormat;
use url::{Position, Url};

use super::super::codec::Codec;
use super::super::failure::Failure;
use super::super::source::SharedOffer;
use crate::config::CameraConfig;

/// For an answer to each request.
const PATIENCE: Duration = Duration::from_secs(5);
const NO_CONNECTION: &str = "Unable to connect to RTSP server: ";
const BROKEN: [&str; 2] = ["Error reading from RTSP peer: ", "Error writing to RTSP peer: "];

/// Describes, takes the first video stream of `codec`, and plays it.
pub async fn open(
    camera: &CameraConfig,
    url: &Url,
    group: Arc<SessionGroup>,
    codec: Codec,
    offer: &SharedOffer,
) -> Result<Demuxed, Failure> {
    let login = (!camera.username.is_empty() || !camera.password.is_empty()).then(|| Credentials {
        username: camera.username.clone(),
        password: camera.password.reveal().to_owned(),
    });
    let options =
        SessionOptions::default().creds(login).session_group(group).session_id(SessionIdPolicy::UseFirst);
    let mut session = answered(Session::describe(url.clone(), options))
        .await?
        .map_err(|error| refused(&error, url, false))?;
    let taken = take(&session, codec, offer)?;
    let setup = SetupOptions::default()
        .transport(Transport::Tcp(Default::default()))
        .frame_format(FrameFormat::SIMPLE);
    answered(session.setup(taken, setup)).await?.map_err(|error| refused(&error, url, true))?;
    // one stream: nothing has to fit to another, and the values of many cameras are wrong
    let play = PlayOptions::default()
        .initial_timestamp(InitialTimestampPolicy::Ignore)
        .initial_seq(InitialSequenceNumberPolicy::Ignore);
    let playing = answered(session.play(play)).await?.map_err(|error| refused(&error, url, true))?;
    log::debug!("[{}] plays stream {taken} of {} over TCP", camera.name, offer_words(offer));
    playing.demuxed().map_err(|error| interrupted(&error, url))
}

fn offer_words(offer: &SharedOffer) -> String {
    offer.lock().unwrap_or_else(PoisonError::into_inner).video.join(", ")
}

async fn answered<T>(asked: impl Future<Output = T>) -> Result<T, Failure> {
    let late = |_| Failure::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, asked).await.map_err(late)
}

/// Notes what the camera offers. Which codec it is decides the run: where it is another, the offer says so.
fn take(
    session: &Session<retina::client::Described>,
    codec: Codec,
    offer: &SharedOffer,
) -> Result<usize, Failure> {
    let mut offer = offer.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = None;
    for (index, stream) in
        session.streams().iter().enumerate().filter(|(_, stream)| stream.media() == "video")
    {
        let encoding = stream.encoding_name().to_ascii_uppercase();
        if taken.is_none() && Codec::from_encoding_name(&encoding) == Some(codec) {
            taken = Some(index);
        }
        offer.video.push(encoding);
    }
    offer.taken = taken.is_some();
    match (taken, offer.video.first()) {
        (Some(index), _) => Ok(index),
        (None, Some(_)) => Err(Failure::UnsupportedCodec(offer.video.join(", "))),
        (None, None) => Err(Failure::UnsupportedCodec("without video".into())),
    }
}

/// Before the stream plays. A camera that has described itself has this path, and took the password.
fn refused(error: &retina::Error, url: &Url, is_described: bool) -> Failure {
    let text = words(error, url);
    match error.status_code() {
        Some(401 | 403) => Failure::Denied,
        Some(404) if !is_described => Failure::NotFound,
        // to another address, which rtspsrc follows
        Some(300..=399) => Failure::Misread(text),
        // busy, starting up, or out of connections
        Some(status) if !is_described => Failure::Unreachable(format!("it answers {status}")),
        Some(_) => Failure::SetupRefused(text),
        None => lost(&text).map_or(Failure::Misread(text.clone()), Failure::Unreachable),
    }
}

/// While the stream plays.
pub fn interrupted(error: &retina::Error, url: &Url) -> Failure {
    let text = words(error, url);
    // a request that keeps the session and gets no answer is not the connection's fault
    match lost(&text) {
        Some(_) if !text.contains("keepalive") => Failure::Ended,
        _ => Failure::Misread(text),
    }
}

/// The words of an error of the connection itself.
fn lost(text: &str) -> Option<String> {
    let of_connection = |begin: &&str| text.strip_prefix(*begin);
    BROKEN.iter().chain([&NO_CONNECTION]).find_map(of_connection).map(str::to_owned)
}

/// The first line: what follows are addresses and bytes, for who reads Wireshark. Without the path, in which some cameras want
/// the password.
fn words(error: &retina::Error, url: &Url) -> String {
    without_path(error.to_string().lines().next().unwrap_or_default(), url)
}

fn without_path(text: &str, url: &Url) -> String {
    let path = &url[Position::BeforePath..];
    if path.len() > 1 { text.replace(path, "/…") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_password_in_it_is_in_no_words() {
        let url = Url::parse("rtsp://camera:554/user=a&password=b").unwrap();
        let text = "unable to join base url rtsp://camera:554/user=a&password=b with x";
        assert_eq!(without_path(text, &url), "unable to join base url rtsp://camera:554/… with x");
        assert_eq!(without_path("a / b", &Url::parse("rtsp://camera/").unwrap()), "a / b");
    }

    #[test]
    fn a_connection_that_breaks_is_told_from_what_is_not_understood() {
        assert_eq!(lost("Unable to connect to RTSP server: refused"), Some("refused".to_owned()));
        assert_eq!(lost("Error reading from RTSP peer: reset"), Some("reset".to_owned()));
        assert_eq!(lost("FU-A has start bit unset"), None);
    }
}
