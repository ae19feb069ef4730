//! Whatever strangers send as credentials: nothing panics, and nobody is let in by accident.

use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::fuzz::cases;

fn headers(authorization: &[u8], cookie: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(AUTHORIZATION, authorization), (COOKIE, cookie)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    headers
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn any_bytes_are_read_as_credentials(
        authorization in proptest::collection::vec(any::<u8>(), 0..200),
        cookie in proptest::collection::vec(any::<u8>(), 0..200),
        query in ".{0,200}",
    ) {
        let found = Credentials::of(&headers(&authorization, &cookie), Some(&query));
        let shown = format!("{found:?}");
        let hidden = shown.contains("basic: None") || shown.contains("basic: Some(Basic(…))");
        prop_assert!(hidden);
    }

    #[test]
    fn near_misses_are_read_too(
        scheme in "(?i)(basic|bearer|digest) {0,2}",
        value in "[A-Za-z0-9+/=_:-]{0,60}",
        cookie in "(cctv_session=[A-Za-z0-9_-]{40,46}; ?){0,3}",
        query in "(token=[A-Za-z0-9_%-]{40,46}&?){0,3}",
    ) {
        let text = format!("{scheme}{value}");
        let found = Credentials::of(&headers(text.as_bytes(), cookie.as_bytes()), Some(&query));
        prop_assert_eq!(found.has_session, cookie.contains("cctv_session="));
        if let Some(token) = found.session.or(found.share).or(found.bearer) {
            prop_assert_eq!(token.as_str().len(), 43);
        }
    }

    #[test]
    fn what_basic_carries_comes_out_whole(user in "[^:\\x00-\\x1f]{0,40}", password in "[^\\x00-\\x1f]{0,40}") {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let found = Credentials::of(&headers(format!("Basic {encoded}").as_bytes(), b""), None);
        let basic = found.basic.unwrap();
        prop_assert_eq!((basic.user, basic.password), (user, password));
    }

    #[test]
    fn only_our_own_tokens_parse(text in ".{0,80}") {
        if let Some(token) = Token::parse(&text) {
            prop_assert_eq!(token.as_str(), &*text);
            prop_assert!(text.is_ascii() && text.len() == 43);
        }
    }

    #[test]
    fn names_and_passwords_of_any_kind_are_judged(text in ".{0,300}") {
        let _ = Name::new(&text);
        let _ = Password::new(&text);
    }
}
