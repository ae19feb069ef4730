//! Whom a camera that encrypts must prove to be: the roots of this machine, roots of a file, or one certificate.
//!
//! Set up by `source` for each run. A stranger gets neither name nor password: the connection ends before a request.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::PoisonError;

use gio::prelude::TlsCertificateExt;
use gst::prelude::*;
use rustix::fs::MemfdFlags;

use super::source::SharedOffer;
use crate::config::Trust;
use crate::error::{Context, Kind, Result};
use crate::tls::Fingerprint;

/// A root whose key was thrown away when it was made: it vouches for nobody, so that every certificate is shown to
/// us. GnuTLS takes no empty list of roots.
const NOBODY: &[u8] = include_bytes!("nobody.pem");

/// Tells `rtspsrc` whom to believe. What is refused is noted in the offer, with what the camera showed.
///
/// Roots that cannot be read trust nobody: the note says so.
pub fn prepare(src: &gst::Element, trust: &Trust, offer: &SharedOffer) {
    let (roots, unreadable) = match trust {
        Trust::System => (None, None),
        Trust::Fingerprint(_) => (Some(nobody()), None),
        Trust::Authority(file) => match authority(file) {
            Ok(roots) => (Some(Ok(roots)), None),
            Err(error) => {
                let why = format!("tls_ca_file {} cannot be read: {}", file.display(), error.message());
                (Some(nobody()), Some(why))
            }
        },
    };
    match roots {
        Some(Ok(roots)) => src.set_property("tls-database", roots),
        // without the library that knows certificates nothing is encrypted: rtspsrc says so
        Some(Err(error)) => log::debug!("prepare TLS: {error}"),
        None => {}
    }
    let (trust, offer) = (trust.clone(), offer.clone());
    src.connect("accept-certificate", false, move |values| {
        let certificate = values.get(2).and_then(|value| value.get::<gio::TlsCertificate>().ok());
        let flags = values.get(3).and_then(|value| value.get::<gio::TlsCertificateFlags>().ok());
        let shown =
            certificate.and_then(|certificate| certificate.certificate()).map(|der| Fingerprint::of(&der));
        let is_known =
            matches!((&trust, shown), (Trust::Fingerprint(wanted), Some(shown)) if *wanted == shown);
        if !is_known {
            let why = unreadable.clone().unwrap_or_else(|| describe(&trust, flags));
            let shown = shown.map_or_else(|| "none".to_owned(), |shown| shown.to_string());
            let mut offer = offer.lock().unwrap_or_else(PoisonError::into_inner);
            offer.stranger = Some(format!("{why}; its SHA-256 is {shown}"));
        }
        Some(is_known.to_value())
    });
}

/// GLib takes absolute paths alone.
fn authority(file: &Path) -> Result<gio::TlsFileDatabase, glib::Error> {
    gio::TlsFileDatabase::new(std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()))
}

/// Roots are read from a file: here it is one in memory.
fn nobody() -> Result<gio::TlsFileDatabase> {
    let what = || "trust nobody unseen".to_owned();
    let memory = rustix::fs::memfd_create("nobody.pem", MemfdFlags::CLOEXEC).context(Kind::Internal, what)?;
    let mut file = File::from(memory);
    file.write_all(NOBODY).context(Kind::Internal, what)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    gio::TlsFileDatabase::new(path).context(Kind::Internal, what)
}

fn describe(trust: &Trust, flags: Option<gio::TlsCertificateFlags>) -> String {
    use gio::TlsCertificateFlags as Flags;
    if let Trust::Fingerprint(_) = trust {
        return "it is not the one of tls_fingerprint".into();
    }
    let flags = flags.unwrap_or(Flags::empty());
    let known = [
        (Flags::UNKNOWN_CA, "nobody who is trusted has signed it"),
        (Flags::BAD_IDENTITY, "it is for another name or address"),
        (Flags::EXPIRED, "it has expired"),
        (Flags::NOT_ACTIVATED, "it is not valid yet"),
        (Flags::REVOKED, "it was revoked"),
        (Flags::INSECURE, "its algorithm is too weak"),
    ];
    let words: Vec<_> =
        known.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, words)| *words).collect();
    if words.is_empty() { "it cannot be verified".into() } else { words.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_against_a_certificate_is_told_in_words() {
        let flags = gio::TlsCertificateFlags::UNKNOWN_CA | gio::TlsCertificateFlags::BAD_IDENTITY;
        let words = describe(&Trust::System, Some(flags));
        assert_eq!(words, "nobody who is trusted has signed it and it is for another name or address");
        assert_eq!(describe(&Trust::Authority("x".into()), None), "it cannot be verified");
        let pinned = Trust::Fingerprint(Fingerprint::of(b""));
        assert_eq!(describe(&pinned, Some(flags)), "it is not the one of tls_fingerprint");
    }
}
