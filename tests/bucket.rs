//! Housekeeping of the bucket: how objects are kept, and the rule for what grows old, against moto; and a store with a
//! certificate of one's own authority.

use crate::scene::{Bucket, LIMIT, camera, rows, uploaded};
use crate::support::moto::Moto;
use crate::support::tls_front::TlsFront;
use crate::support::{Camera, Program, Settings, Workspace, eventually};

const BUCKET: &str = "footage";

fn settings(store: &Bucket, moto: &Moto, camera: &Camera) -> Settings {
    let mut settings = Settings::new(&store.server);
    settings.set("s3.endpoint", moto.endpoint()).set("s3.bucket", BUCKET).camera("gate", camera);
    settings.set("capture.mode", "passthrough");
    settings
}

fn list(texts: &[&str]) -> toml::Value {
    toml::Value::from(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

#[test]
fn segments_are_kept_with_class_encryption_tags_and_lock_and_manifests_without_lock() {
    let (store, camera, moto) = (Bucket::new(), camera(), Moto::start(BUCKET, true));
    let mut settings = settings(&store, &moto, &camera);
    settings.set("s3.storage_class", "STANDARD_IA").set("s3.sse", "aws:kms").set("s3.object_lock_days", 3);
    settings.set("s3.tags", list(&["site=shop 7", "owner=ada"]));
    let workspace = Workspace::new(&settings, &store.server);
    let checked = workspace.run(&["check", "s3"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("s3 object lock: the bucket keeps objects from being deleted"), "{said}");
    let program = Program::start(&workspace);
    let uploaded = || rows(&workspace).into_iter().filter(|row| row.state == "uploaded").collect::<Vec<_>>();
    let segment = eventually(LIMIT, "an uploaded segment", || uploaded().first().map(|row| row.key.clone()));
    let head = moto.ask("HEAD", &format!("/{BUCKET}/{segment}"), "");
    for (header, value) in [
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
    ] {
        assert_eq!(head.header(header), Some(value), "{:?}", head.headers);
    }
    assert!(head.header("x-amz-object-lock-retain-until-date").is_some());
    let tags = moto.ask("GET", &format!("/{BUCKET}/{segment}?tagging"), "").text();
    assert!(tags.contains("<Value>shop 7</Value>") && tags.contains("<Key>owner</Key>"), "{tags}");
    let manifest = eventually(LIMIT, "a manifest", || {
        moto.keys(BUCKET).into_iter().find(|key| key.ends_with("manifest.m3u8"))
    });
    let head = moto.ask("HEAD", &format!("/{BUCKET}/{manifest}"), "");
    assert_eq!(head.header("x-amz-server-side-encryption"), Some("aws:kms"));
    assert_eq!((head.header("x-amz-object-lock-mode"), head.header("x-amz-storage-class")), (None, None));
    drop(program);
}

#[test]
fn the_rule_is_shown_written_and_changed_and_others_stay() {
    let (store, camera, moto) = (Bucket::new(), camera(), Moto::start(BUCKET, false));
    let others = "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ID>logs</ID><Filter>\
        <Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>7</Days></Expiration></Rule>\
        </LifecycleConfiguration>";
    assert_eq!(moto.ask("PUT", &format!("/{BUCKET}?lifecycle"), others).status, 200);
    let mut settings = settings(&store, &moto, &camera);
    settings.set("s3.lifecycle.transition_days", 30).set("s3.lifecycle.transition_class", "GLACIER_IR");
    settings.set("s3.lifecycle.expire_days", 365).set("s3.lifecycle.abort_multipart_days", 2);
    let workspace = Workspace::new(&settings, &store.server);
    let say = |args: &[&str], code: i32| {
        let output = workspace.run(args);
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    };
    let rules = || moto.ask("GET", &format!("/{BUCKET}?lifecycle"), "").text();
    let shown = say(&["lifecycle", "show"], 0);
    for line in [
        "  now:     none",
        "  wanted:  to GLACIER_IR after 30 days, deleted after 365 days, unfinished uploads given up after 2 days",
        "  others:  logs (they stay as they are)",
        "this is not AWS: ask your store for its prices",
    ] {
        assert!(shown.contains(line), "{line}:\n{shown}");
    }
    assert_eq!(rules().matches("<Rule>").count(), 1, "show changes nothing");
    assert!(say(&["lifecycle", "apply"], 78).contains("nobody is there to ask; add --yes"));
    say(&["lifecycle", "apply", "--yes"], 0);
    let written = rules();
    for part in [
        "<ID>logs</ID>",
        "<ID>cctv-s3-pipeline:cameras/</ID>",
        "GLACIER_IR",
        "<Days>365</Days>",
        "<Days>7</Days>",
    ] {
        assert!(written.contains(part), "{part}: {written}");
    }
    assert!(say(&["lifecycle", "apply", "--yes"], 0).contains("nothing to do"));
    let checked = say(&["check", "s3"], 1);
    assert!(checked.contains("s3 lifecycle: rules can be read"), "{checked}");

    settings.set("s3.lifecycle.expire_days", 400);
    settings.write(&workspace.path().join("config.toml")).unwrap();
    let shown = say(&["lifecycle", "apply", "--yes"], 0);
    assert!(shown.contains("now:     to GLACIER_IR after 30 days, deleted after 365 days"), "{shown}");
    assert!(rules().contains("<Days>400</Days>") && !rules().contains("<Days>365</Days>"));
}

#[test]
fn a_store_without_rules_says_so() {
    let (store, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&store.server);
    settings.camera("gate", &camera).set("s3.lifecycle.expire_days", 30);
    let workspace = Workspace::new(&settings, &store.server);
    let output = workspace.run(&["lifecycle", "show"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("this store has no lifecycle rules"), "{said}");
}

#[test]
fn a_store_with_a_certificate_of_ones_own_authority_is_believed_by_its_file_alone() {
    let (store, camera) = (Bucket::new(), camera());
    let front = TlsFront::start(store.server.address());
    let mut settings = Settings::new(&store.server);
    settings.camera("gate", &camera).set("capture.mode", "passthrough");
    settings.set("s3.endpoint", format!("https://{}", front.address));
    let workspace = Workspace::new(&settings, &store.server);
    let file = workspace.path().join("authority.pem");
    std::fs::write(&file, &front.authority).unwrap();
    let said = |workspace: &Workspace| {
        let output = workspace.run(&["check", "s3"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, words) = said(&workspace);
    assert!(code == Some(1) && words.contains("its certificate is not trusted here"), "{words}");

    settings.set("s3.ca_file", file.display().to_string());
    settings.write(&workspace.path().join("config.toml")).unwrap();
    let (code, words) = said(&workspace);
    assert_eq!(code, Some(0), "{words}");
    let _program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);

    settings.set("s3.ca_file", "/nowhere/ca.pem");
    settings.write(&workspace.path().join("config.toml")).unwrap();
    let wrong = workspace.run(&["check", "config"]);
    let words = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(78) && words.contains("s3.ca_file: read /nowhere/ca.pem"), "{words}");
}
