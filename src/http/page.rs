//! The page at `/` and its files at `/ui/`: packed into the program by `build.rs`, the same for everybody.
//!
//! Called by the route and the handler. Knows nothing of cameras: the page asks `/api/v1` itself.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, VARY,
};
use hyper::{Response, StatusCode};

use super::answer::{self, Answer, body, set};

/// One file of the page.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    name: &'static str,
    content_type: &'static str,
    /// An entity tag with its quotes.
    tag: &'static str,
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// The file of this name; names are compared, never opened.
pub fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

/// The page itself.
pub fn index() -> &'static File {
    // packed by our own build
    find("index.html").unwrap_or(&FILES[0])
}

/// Where a browser logs in.
pub fn login() -> &'static File {
    find("login.html").unwrap_or(&FILES[0])
}

/// The file as it lies packed, unpacked for whom cannot, or nothing where it is there already.
pub fn answer(file: &'static File, headers: &HeaderMap) -> Answer {
    let mut answer = if lists(headers, IF_NONE_MATCH, file.tag) {
        let mut answer = Response::new(body(Bytes::new()));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        // asked for anew each time, so that page and program always belong together
        set(&mut answer, CACHE_CONTROL, "no-cache");
        answer
    } else if lists(headers, ACCEPT_ENCODING, "gzip") {
        let mut answer = answer::text(StatusCode::OK, file.content_type, Bytes::from_static(file.gzip));
        set(&mut answer, CONTENT_ENCODING, "gzip");
        answer
    } else {
        answer::text(StatusCode::OK, file.content_type, unpack(file))
    };
    set(&mut answer, ETAG, file.tag);
    set(&mut answer, VARY, "Accept-Encoding");
    answer
}

fn unpack(file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    // packed by our own build, and in memory: there is nothing that could fail
    let _ = GzDecoder::new(file.gzip).read_to_end(&mut bytes);
    bytes
}

/// Whether a header's list has this value, and not with weight 0.
fn lists(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| {
        let value = value.trim();
        let value = value.strip_prefix("W/").unwrap_or(value);
        value.split(';').next() == Some(wanted) && !value.replace(' ', "").ends_with(";q=0")
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::header::{CONTENT_TYPE, HeaderValue};

    use super::*;

    fn asked(name: &str, headers: &[(HeaderName, &str)]) -> Answer {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        answer(find(name).unwrap(), &headers.collect())
    }

    async fn bytes(answer: Answer) -> Bytes {
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_file_comes_packed_to_browsers_and_unpacked_to_others() {
        let packed = asked("app.js", &[(ACCEPT_ENCODING, "br, gzip;q=0.8")]);
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(packed.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        let mut unpacked = String::new();
        GzDecoder::new(&bytes(packed).await[..]).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, include_str!("ui/app.js"));
        for refused in ["gzip;q=0", "br", "identity"] {
            let plain = asked("app.js", &[(ACCEPT_ENCODING, refused)]);
            assert!(!plain.headers().contains_key(CONTENT_ENCODING), "{refused}");
            assert_eq!(bytes(plain).await, include_str!("ui/app.js"));
        }
    }

    #[tokio::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let file = find("app.css").unwrap();
        for tag in [file.tag.to_owned(), format!("\"other\", W/{}", file.tag)] {
            let same = asked("app.css", &[(IF_NONE_MATCH, &tag)]);
            assert_eq!(same.status(), StatusCode::NOT_MODIFIED, "{tag}");
            assert!(bytes(same).await.is_empty());
        }
        assert_eq!(asked("app.css", &[(IF_NONE_MATCH, "\"other\"")]).status(), StatusCode::OK);
    }

    #[test]
    fn the_page_names_only_files_that_are_there() {
        let html = include_str!("ui/index.html");
        let scripts = FILES.iter().filter(|file| file.name.ends_with(".js"));
        let texts = scripts.map(|file| String::from_utf8(unpack(file)).unwrap()).chain([html.to_owned()]);
        for text in texts {
            let named = text.split(['"', '\'']).filter_map(|word| {
                word.strip_prefix("/ui/")
                    .or_else(|| word.strip_prefix("./").filter(|name| name.ends_with(".js")))
            });
            for name in named {
                assert!(find(name).is_some(), "{name} is not packed");
            }
        }
    }

    #[test]
    fn nothing_of_the_page_needs_what_its_policy_forbids() {
        let html = include_str!("ui/index.html");
        assert!(!html.contains(" style=") && !html.contains(" onclick=") && !html.contains("<style"));
        assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=").count());
    }
}
