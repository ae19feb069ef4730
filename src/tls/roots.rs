//! Whom we believe when we connect: this machine's roots, and a certificate authority of the user's own.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Context, Error, Kind, Result};

/// A client for servers whose certificates come from this machine's roots or from `ca_file`, in PEM.
///
/// # Errors
/// [`Kind::Config`] for a file that cannot be read or holds no certificate.
pub fn client(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // some of a machine's roots may be damaged: the others are as good as before
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        for certificate in authority(file)? {
            roots.add(certificate).map_err(|error| no_authority(file, &error.to_string()))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context(Kind::Internal, || "prepare TLS")?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a file, at least one.
///
/// # Errors
/// [`Kind::Config`] with the file and what to do.
pub fn authority(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| no_authority(file, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(no_authority(file, "it holds no certificate"));
    }
    Ok(certificates)
}

fn no_authority(file: &Path, why: &str) -> Error {
    let todo = "give the certificate authority's certificate in PEM (-----BEGIN CERTIFICATE-----)";
    Error::new(Kind::Config, format!("read {}: {why}; {todo}", file.display()))
}
