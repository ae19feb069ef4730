//! From plain HTTP to TLS: the only answer that a server with a certificate gives without it.
//!
//! Used for plain requests on the port of TLS itself, and on `server.tls.redirect_port`.

use std::convert::Infallible;
use std::net::Ipv6Addr;
use std::pin::pin;

use hyper::header::{CONNECTION, HOST, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::answer::{self, Answer};
use super::connection::{Limits, http1_builder};
use super::patience::Patient;
use super::route::Refusal;
use crate::shutdown::Shutdown;

/// `port`: where TLS is; `None`: on the port that was asked.
pub async fn serve(stream: TcpStream, port: Option<u16>, limits: Limits, shutdown: &Shutdown) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| async move {
        Ok::<_, Infallible>(answer(&request, port))
    });
    let io = TokioIo::new(Patient::new(stream, limits.stalled));
    let mut connection = pin!(http1_builder(limits).serve_connection(io, service));
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.requested() => {}
    }
}

fn answer<B>(request: &Request<B>, port: Option<u16>) -> Answer {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let location =
        host.and_then(|host| location(host, port, path)).and_then(|to| HeaderValue::from_str(&to).ok());
    let mut answer = match location {
        Some(location) => {
            let mut answer =
                answer::text(StatusCode::PERMANENT_REDIRECT, "text/plain", "this port speaks HTTPS\n");
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        None => {
            answer::refusal(&Refusal::new(400, "this port speaks HTTPS", "write https:// before the address"))
        }
    };
    answer::secure(&mut answer);
    answer::set(&mut answer, CONNECTION, "close");
    answer
}

/// `https://HOST[:PORT]PATH`; `None` for what is no host.
fn location(host: &str, port: Option<u16>, path: &str) -> Option<String> {
    let authority: hyper::http::uri::Authority = host.parse().ok()?;
    let name = authority.host();
    let is_legal = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    // a login in the address would be sent on to wherever it leads
    if !is_legal || host.contains('@') || !path.starts_with('/') {
        return None;
    }
    let port = match port.or(authority.port_u16()).unwrap_or(443) {
        443 => String::new(),
        port => format!(":{port}"),
    };
    Some(format!("https://{name}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_address_leads_to_the_same_place_over_tls() {
        for (host, port, path, expected) in [
            ("pi:8080", None, "/live.m3u8?a=b", Some("https://pi:8080/live.m3u8?a=b")),
            ("pi", Some(8443), "/", Some("https://pi:8443/")),
            ("pi:80", Some(443), "/x", Some("https://pi/x")),
            ("10.0.0.7:8080", None, "/", Some("https://10.0.0.7:8080/")),
            ("[fe80::1]:8080", None, "/", Some("https://[fe80::1]:8080/")),
            ("pi", None, "/", Some("https://pi/")),
            ("evil@pi", None, "/", None),
            ("pi/evil", None, "/", None),
            ("", None, "/", None),
            ("[x]", None, "/", None),
            ("pi", None, "*", None),
        ] {
            assert_eq!(location(host, port, path).as_deref(), expected, "{host} {path}");
        }
    }
}
