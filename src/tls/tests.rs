//! Certificates on disk: good, bad, renewed; and strangers known by fingerprint.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::*;

struct World {
    _folder: tempfile::TempDir,
    config: Files,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let files = World { _folder: folder, config: Files { cert, key } };
        files.write(&made());
        files
    }

    fn write(&self, (cert, key): &(String, String)) {
        // as certbot does it: written beside, then renamed
        for (path, text) in [(&self.config.cert, cert), (&self.config.key, key)] {
            let new: PathBuf = path.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, path).unwrap();
        }
    }
}

/// A certificate of its own making and its key, in PEM.
fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["pi.lan".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn fingerprint(files: &World) -> Fingerprint {
    Fingerprint::of(&certificates(&files.config.cert).unwrap()[0])
}

/// A handshake in memory between this server and a client who knows that fingerprint.
fn shake(identity: &Arc<Identity>, wanted: Fingerprint) -> std::result::Result<(), rustls::Error> {
    let mut server = ServerConnection::new(identity.server_config().unwrap()).unwrap();
    let name = ServerName::try_from("somebody.else").unwrap();
    let mut client = ClientConnection::new(Arc::new(client_for(wanted).unwrap()), name).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn a_fingerprint_opens_the_door_to_its_certificate_alone() {
    let (mine, other) = (World::new(), World::new());
    let identity = Identity::load(&mine.config).unwrap();
    shake(&identity, fingerprint(&mine)).unwrap();
    let error = shake(&identity, fingerprint(&other)).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}

#[test]
fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let files = World::new();
    let identity = Identity::load(&files.config).unwrap();
    let first = fingerprint(&files);
    assert!(identity.refresh().is_none(), "nothing changed");
    files.write(&made());
    let second = fingerprint(&files);
    assert_ne!(first, second);
    identity.refresh().expect("the files changed").unwrap();
    shake(&identity, second).unwrap();
    shake(&identity, first).unwrap_err();
    // the key of another certificate: half of a renewal
    fs::write(&files.config.key, made().1).unwrap();
    let error = identity.refresh().expect("the key changed").unwrap_err().to_string();
    assert!(error.contains("server.tls.key") && error.contains("does not belong to"), "{error}");
    assert!(identity.refresh().is_none(), "said once");
    shake(&identity, second).unwrap();
    files.write(&made());
    identity.refresh().expect("the files changed").unwrap();
    shake(&identity, fingerprint(&files)).unwrap();
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_key_and_path() {
    let says = |change: &dyn Fn(&Files), words: &[&str]| {
        let files = World::new();
        change(&files.config);
        let error = Identity::load(&files.config).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let error = error.to_string();
        assert!(words.iter().all(|word| error.contains(word)) && !error.contains("BEGIN PRIVATE"), "{error}");
    };
    says(&|files| fs::remove_file(&files.cert).unwrap(), &["server.tls.cert", "cert.pem", "is not there"]);
    says(&|files| fs::remove_file(&files.key).unwrap(), &["server.tls.key", "key.pem", "is not there"]);
    says(&|files| fs::write(&files.cert, "").unwrap(), &["server.tls.cert", "holds no certificate"]);
    says(&|files| fs::write(&files.key, "").unwrap(), &["server.tls.key", "holds none in PEM"]);
    says(
        &|files| {
            fs::copy(&files.key, &files.cert).unwrap();
        },
        &["server.tls.cert", "holds no certificate"],
    );
    says(
        &|files| {
            fs::copy(&files.cert, &files.key).unwrap();
        },
        &["server.tls.key", "holds none in PEM"],
    );
    says(&|files| fs::write(&files.key, made().1).unwrap(), &["server.tls.key", "does not belong to"]);
    let cut = |files: &Files| {
        let text = fs::read_to_string(&files.cert).unwrap();
        fs::write(&files.cert, &text[..text.len() / 2]).unwrap();
    };
    says(&cut, &["server.tls.cert"]);
}

#[test]
fn fingerprints_are_read_as_programs_print_them() {
    let bytes = Fingerprint::of(b"");
    let plain = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(bytes.to_string(), plain);
    let colons =
        plain.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap()).collect::<Vec<_>>().join(":");
    for text in
        [plain, &plain.to_uppercase(), &colons, &format!("SHA256:{colons}"), &format!(" sha256:{plain}\n")]
    {
        assert_eq!(text.parse(), Ok(bytes), "{text}");
    }
    for text in ["", "sha256:", &plain[1..], &format!("{plain}00"), "é3b0", "zz"] {
        assert_eq!(text.parse::<Fingerprint>(), Err(()), "{text}");
    }
}
