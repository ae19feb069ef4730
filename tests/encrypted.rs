//! Cameras that encrypt: whom the program believes, what it tells of strangers, and that they get no password.

use std::path::Path;
use std::sync::atomic::Ordering;

use cctv_s3_pipeline::tls::Fingerprint;

use crate::scene::{Bucket, LIMIT, camera_state, uploaded};
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

/// A certificate for 127.0.0.1 of its own making, and a camera that shows it.
struct Encrypted {
    camera: Camera,
    certificate: rcgen::Certificate,
}

impl Encrypted {
    fn new() -> Encrypted {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let identity = Some(made.cert.pem() + &made.signing_key.serialize_pem());
        let camera = Camera::start(CameraOptions { identity, ..CameraOptions::default() }).unwrap();
        Encrypted { camera, certificate: made.cert }
    }

    fn fingerprint(&self) -> String {
        Fingerprint::of(self.certificate.der()).to_string()
    }

    fn settings(&self, bucket: &Bucket) -> Settings {
        let mut settings = Settings::new(&bucket.server);
        settings.camera("gate", &self.camera);
        settings
    }
}

fn reason(program: &Program<'_>) -> String {
    program.health()["cameras"][0]["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_camera_is_recorded_that_shows_the_certificate_with_this_fingerprint() {
    let (bucket, encrypted) = (Bucket::new(), Encrypted::new());
    let mut settings = encrypted.settings(&bucket);
    settings.for_camera("tls_fingerprint", encrypted.fingerprint());
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    // it is recorded again after it was away
    let mut encrypted = encrypted;
    encrypted.camera.stop();
    camera_state(&program, "gate", "waiting");
    encrypted.camera.start_again().unwrap();
    camera_state(&program, "gate", "recording");
}

#[test]
fn a_camera_is_recorded_whose_certificate_a_file_vouches_for() {
    let (bucket, encrypted) = (Bucket::new(), Encrypted::new());
    let mut settings = encrypted.settings(&bucket);
    settings.for_camera("tls_ca_file", "ca.pem");
    let workspace = Workspace::new(&settings, &bucket.server);
    let authority = workspace.path().join("ca.pem");
    let program = Program::start(&workspace);
    eventually(LIMIT, "the missing file to be told", || {
        let reason = reason(&program);
        if reason.contains("tls_ca_file ca.pem cannot be read") { Ok(()) } else { Err(reason) }
    });
    drop(program);
    std::fs::write(&authority, encrypted.certificate.pem()).unwrap();
    let _program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
}

#[test]
fn a_stranger_gets_no_password_and_is_told_with_its_fingerprint() {
    let (bucket, encrypted) = (Bucket::new(), Encrypted::new());
    let pinned = Encrypted::new().fingerprint();
    for (key, value, words) in [
        ("tls_fingerprint", pinned.as_str(), "it is not the one of tls_fingerprint"),
        ("username", "admin", "nobody who is trusted has signed it"),
    ] {
        let mut settings = encrypted.settings(&bucket);
        settings.for_camera(key, value);
        let workspace = Workspace::new(&settings, &bucket.server);
        let program = Program::start(&workspace);
        let told = eventually(LIMIT, "the stranger to be told", || {
            let reason = reason(&program);
            if reason.contains(words) { Ok(reason) } else { Err(reason) }
        });
        assert!(told.contains(&encrypted.fingerprint()), "{told}");
        assert_eq!(encrypted.camera.counts().describe.load(Ordering::SeqCst), 0, "it was asked for nothing");
        drop(program);
        let checked = workspace.run(&["check", "camera"]);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(
            !checked.status.success() && said.contains(words) && said.contains(&encrypted.fingerprint()),
            "{said}"
        );
        assert!(Path::new(&workspace.path().join("data")).exists() && workspace.segment_files().is_empty());
    }
}
