//! `[server.tls]`: where certificate and key lie, and where plain HTTP is led to TLS.
//!
//! Used by `sections.rs`. Whether the files are there and fit is seen when the server starts.

use std::path::PathBuf;

use super::TlsConfig;
use super::sections::path;
use super::table::Table;

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
    Some(TlsConfig { cert: cert?, key: key?, redirect_port: (redirect_port != 0).then_some(redirect_port) })
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
