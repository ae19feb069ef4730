//! Certificates: the server's own, read from files and read again when they change, and others known by fingerprint.
//!
//! Used by [`crate::http`] for its listener, by `status`, which asks that listener, and by [`crate::camera`] for cameras
//! that encrypt. Knows neither HTTP nor cameras.
//! A private key is read and used here, and never shown.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::{Context, Error, Kind, Result};

mod fingerprint;
mod roots;
#[cfg(test)]
mod tests;

pub use fingerprint::{Fingerprint, client_for};
pub use roots::{authority, client};

/// Who the server is: answers every client with the newest good certificate.
#[derive(Debug)]
pub struct Identity {
    files: Files,
    now: RwLock<Arc<CertifiedKey>>,
    /// What the files looked like when they were read last.
    seen: RwLock<Stamp>,
}

/// In PEM: the server's certificate with those that lead to a root, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Tells a file that was written or replaced from one that was not.
type Stamp = [Option<(u64, u64, SystemTime)>; 2];

impl Identity {
    /// Reads certificate and key, so that what is wrong with them is an error at start.
    ///
    /// # Errors
    /// [`Kind::Config`] with the key of the configuration, the file, and what to do.
    pub fn load(files: &Files) -> Result<Arc<Identity>> {
        let seen = stamp(files);
        let now = RwLock::new(Arc::new(read(files)?));
        Ok(Arc::new(Identity { files: files.clone(), now, seen: RwLock::new(seen) }))
    }

    /// What a listener needs: HTTP/2 where the client speaks it, TLS 1.2 or newer.
    ///
    /// # Errors
    /// [`Kind::Internal`]: ring offers no suite that rustls wants.
    pub fn server_config(self: &Arc<Identity>) -> Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context(Kind::Internal, || "prepare TLS")?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads the files again if they changed. `None`: they did not. After an error the old certificate stays, and
    /// the files are not read again before they change once more.
    pub fn refresh(&self) -> Option<Result<()>> {
        let now = stamp(&self.files);
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return None;
        }
        *seen = now;
        Some(read(&self.files).map(|key| {
            *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        }))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The server's own certificates in a file, the server's first.
///
/// # Errors
/// [`Kind::Config`]: it cannot be read, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    match found {
        Ok(found) if found.is_empty() => Err(refuse(
            "cert",
            path,
            "holds no certificate",
            "give it the chain in PEM, the server's own first",
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable("cert", path, &error)),
    }
}

fn read(files: &Files) -> Result<CertifiedKey> {
    let chain = certificates(&files.cert)?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable("key", &files.key, &error))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
        let (what, todo) = match error {
            rustls::Error::InconsistentKeys(_) => {
                (format!("does not belong to {}", files.cert.display()), "give both of one certificate")
            }
            other => {
                (format!("cannot be used: {other}"), "give an unencrypted RSA, ECDSA or Ed25519 key in PEM")
            }
        };
        refuse("key", &files.key, &what, todo)
    })
}

fn unreadable(key: &str, path: &Path, error: &pem::Error) -> Error {
    match error {
        pem::Error::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            refuse(key, path, "is not there", "correct the path, or put it there")
        }
        pem::Error::Io(cause) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            refuse(key, path, "may not be read by this user", "give it to the user that runs this program")
        }
        pem::Error::NoItemsFound => refuse(key, path, "holds none in PEM", "it begins with -----BEGIN"),
        other => refuse(key, path, &format!("cannot be read: {other}"), "it must be text in PEM"),
    }
}

fn refuse(key: &str, path: &Path, what: &str, todo: &str) -> Error {
    Error::new(Kind::Config, format!("server.tls.{key}: {} {what}; {todo}", path.display()))
}

fn stamp(files: &Files) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let of = |file: Metadata| Some((file.ino(), file.len(), file.modified().ok()?));
    [&files.cert, &files.key].map(|path| std::fs::metadata(path).ok().and_then(of))
}
