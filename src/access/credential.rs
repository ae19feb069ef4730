//! What a request shows of who asks: a cookie, an Authorization header, a token in its address. Pure.
//!
//! All of it comes from strangers. What cannot be one of ours is as if it were not there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, COOKIE as COOKIE_HEADER, HeaderMap};

use super::token::Token;

/// The session's cookie.
pub const COOKIE: &str = "cctv_session";
/// The cookie of a player that watches by password.
pub const PASS_COOKIE: &str = "cctv_pass";
/// In the address of a link.
const PARAMETER: &str = "token";
/// Longer names and passwords are nobody's.
const MOST_BASIC: usize = 4096;

/// Everything that a request shows; each may be wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// A browser sends it with everything, also when it is over.
    pub session: Option<Token>,
    pub share: Option<Token>,
    /// `Authorization: Bearer`: this machine's own key.
    pub bearer: Option<Token>,
    pub basic: Option<Basic>,
    pub pass: Option<Token>,
    /// Something was shown at all, legal or not.
    pub has_any: bool,
    /// A link's token was shown, legal or not.
    pub has_share: bool,
    /// A session's cookie was sent, legal or not: a browser that was logged in.
    pub has_session: bool,
}

/// Name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Basic(…)")
    }
}

impl Credentials {
    pub fn of(headers: &HeaderMap, query: Option<&str>) -> Credentials {
        let mut found = Credentials::default();
        for value in headers.get_all(COOKIE_HEADER) {
            let pairs = value.to_str().unwrap_or_default().split(';');
            // a cookie of another path or host may have the same name: the first legal one counts
            for (name, value) in pairs.filter_map(|pair| pair.trim().split_once('=')) {
                if name == COOKIE {
                    found.has_session = true;
                    found.session = found.session.or_else(|| Token::parse(value));
                } else if name == PASS_COOKIE {
                    found.has_any = true;
                    found.pass = found.pass.or_else(|| Token::parse(value));
                }
            }
        }
        if let Some(value) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            found.has_any = true;
            found.basic = basic(value);
            found.bearer = scheme(value, "Bearer").and_then(Token::parse);
        }
        let parameters = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let share = parameters.filter(|(name, _)| name == PARAMETER).map(|(_, value)| value).next();
        found.has_share = share.is_some();
        found.share = share.and_then(|value| Token::parse(&value));
        found.has_any |= found.has_session || found.has_share;
        found
    }
}

/// What follows the name of the scheme, whose case does not matter (RFC 9110, 11.1).
fn scheme<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let (scheme, rest) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim())
}

/// RFC 7617; the text is UTF-8.
fn basic(value: &str) -> Option<Basic> {
    let encoded = scheme(value, "Basic").filter(|encoded| encoded.len() <= MOST_BASIC)?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn of(headers: &[(HeaderName, &str)], query: Option<&str>) -> Credentials {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        Credentials::of(&headers.collect(), query)
    }

    #[test]
    fn all_three_doors_are_seen() {
        let token = Token::new().unwrap();
        let text = token.as_str();
        let found = of(&[(COOKIE_HEADER, &format!("a=b; {COOKIE}={text}; c"))], None);
        assert!(found.session.as_ref() == Some(&token) && found.has_any && found.has_session);
        let found = of(&[], Some(&format!("_HLS_msn=3&token={text}")));
        assert!(found.share.as_ref() == Some(&token) && found.has_any);
        let found = of(&[(COOKIE_HEADER, &format!("{PASS_COOKIE}={text}"))], None);
        assert!(found.pass.as_ref() == Some(&token) && found.has_any && !found.has_session);
        let found = of(&[(AUTHORIZATION, &format!("bearer {text}"))], None);
        assert!(found.bearer.as_ref() == Some(&token) && found.basic.is_none());
        let found = of(&[(AUTHORIZATION, "Basic YWRhOnA6w7xzcw==")], None);
        assert_eq!(found.basic, Some(Basic { user: "ada".into(), password: "p:üss".into() }));
    }

    #[test]
    fn what_is_no_credential_is_seen_as_wrong_and_not_as_none() {
        for headers in [
            [(AUTHORIZATION, "Basic")],
            [(AUTHORIZATION, "Basic YWRh")],
            [(AUTHORIZATION, "Basic ====")],
            [(AUTHORIZATION, "Digest username=\"ada\"")],
            [(COOKIE_HEADER, "cctv_session=short")],
        ] {
            let found = of(&headers, None);
            assert!(found.has_any && found.basic.is_none() && found.session.is_none(), "{headers:?}");
        }
        assert!(of(&[], Some("token=")).has_share);
        assert!(!of(&[(COOKIE_HEADER, "other=x; xcctv_session=y")], Some("tokens=z")).has_any);
    }
}
