//! `[server.tls]`: where certificate and key lie, and where plain HTTP is led to TLS; and whom a camera must prove to be.
//!
//! Used by `sections.rs` and `camera.rs`. Whether the files are there and fit is seen when they are used.

use std::path::PathBuf;

use super::sections::path;
use super::table::Table;
use super::{TlsConfig, Trust};
use crate::tls::Files;

/// `None` where the section is missing: plain HTTP.
pub(super) fn tls(table: Table<'_>, server_port: u16) -> Option<TlsConfig> {
    let is_there = table.is_there();
    let cert = file(&table, "cert", is_there);
    let key = file(&table, "key", is_there);
    let redirect_port = table.integer("redirect_port", 0..=u16::MAX, 0);
    if redirect_port != 0 && redirect_port == server_port {
        let what = format!(
            "found {redirect_port}, which is server.port; leave it out: plain HTTP there is led to TLS anyway"
        );
        table.problem_at("redirect_port", &what);
    }
    table.finish();
    let files = Files { cert: cert?, key: key? };
    Some(TlsConfig { files, redirect_port: (redirect_port != 0).then_some(redirect_port) })
}

fn file(table: &Table<'_>, key: &'static str, is_wanted: bool) -> Option<PathBuf> {
    if is_wanted && !table.has(key) {
        let todo = "add cert = \"…\" and key = \"…\", files in PEM, or take [server.tls] out for plain HTTP";
        table.problem(key, &format!("missing; {todo}"));
    }
    let text = table.text(key)?;
    if text.value.is_empty() {
        text.refuse("a path", "name a file in PEM");
        return None;
    }
    path(text)
}

/// `tls_fingerprint` and `tls_ca_file` of a camera; both mean nothing where nothing is encrypted.
pub(super) fn trust(table: &Table<'_>, is_encrypted: bool) -> Trust {
    let (fingerprint, authority) = (table.text("tls_fingerprint"), table.text("tls_ca_file"));
    for key in ["tls_fingerprint", "tls_ca_file"] {
        if table.has(key) && !is_encrypted {
            let todo = "write url = \"rtsps://…\" if the camera encrypts, or take it out";
            table.problem_at(key, &format!("found for a camera without TLS; {todo}"));
        }
    }
    if let (Some(_), Some(authority)) = (&fingerprint, &authority) {
        authority.problem(
            "found beside tls_fingerprint, allowed is one of the two; the fingerprint alone is enough",
        );
    }
    if let Some(text) = fingerprint {
        return text.value.parse().map(Trust::Fingerprint).unwrap_or_else(|()| {
            let todo =
                "`check camera` prints the one that the camera shows; compare it with the camera's own page";
            text.refuse("the SHA-256 of a certificate, 64 hexadecimal digits with or without colons", todo);
            Trust::System
        });
    }
    match authority {
        Some(text) if text.value.is_empty() => {
            text.refuse("a path", "name a file in PEM");
            Trust::System
        }
        Some(text) => path(text).map_or(Trust::System, Trust::Authority),
        None => Trust::System,
    }
}
