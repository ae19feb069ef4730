//! S3 that refuses: recording goes on, the reason says what to do, and once it is corrected everything arrives once.

use super::{errors, says};
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows};
use crate::support::{Camera, Program, Settings, Workspace, eventually};

fn settings(bucket: &Bucket, camera: &Camera) -> Settings {
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", camera);
    settings
}

/// Records while S3 refuses; `/health` must say so with these words, and no segment may pay for it.
#[track_caller]
fn uploads_are_refused(workspace: &Workspace, bucket: &Bucket, words: &[&str]) {
    let mut program = Program::start(workspace);
    eventually(LIMIT, "three segments", || rows(workspace).len() >= 3);
    let health = eventually(LIMIT, "/health to say misconfigured", || {
        let health = program.health();
        if health["upload"]["state"] == "misconfigured" { Ok(health) } else { Err(health.to_string()) }
    });
    says(health["upload"]["reason"].as_str().unwrap(), words);
    assert_eq!(
        (&health["status"], &health["cameras"][0]["state"]),
        (&"degraded".into(), &"recording".into())
    );
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let errors = errors(&program.log());
    assert_eq!(errors.len(), 1, "said once: {errors:#?}");
    says(&errors[0], words);
    let waiting = workspace.rows("SELECT state, attempts FROM segments");
    let untouched = |row: &serde_json::Map<String, serde_json::Value>| {
        row["attempts"] == 0 && (row["state"] == "created" || row["state"] == "retry")
    };
    assert!(waiting.iter().all(untouched), "{waiting:?}");
    assert!(bucket.segments().is_empty());
}

/// Everything that waits is uploaded by a new start.
#[track_caller]
fn everything_arrives(workspace: &Workspace, bucket: &Bucket) {
    let waiting: Vec<String> = rows(workspace).into_iter().map(|row| row.key).collect();
    let mut program = Program::start(workspace);
    eventually(LIMIT, "the backlog in S3", || {
        let there = bucket.segments();
        waiting.iter().all(|key| there.contains(key))
    });
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert!(rows(workspace).iter().all(|row| row.state == "uploaded"), "{:?}", rows(workspace));
    assert_nothing_lost_or_doubled(workspace, bucket);
}

#[test]
fn a_bucket_that_does_not_exist_is_named_and_nothing_is_lost() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = settings(&bucket, &camera);
    settings.set("s3.bucket", "no-such-bucket");
    let workspace = Workspace::new(&settings, &bucket.server);
    uploads_are_refused(&workspace, &bucket, &["no-such-bucket", "does not exist", "create it", "s3.bucket"]);
    settings.set("s3.bucket", bucket.server.options().bucket.as_str());
    settings.write(&workspace.path().join("config.toml")).unwrap();
    everything_arrives(&workspace, &bucket);
}

#[test]
fn a_wrong_secret_key_is_said_and_nothing_is_lost() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    workspace.set_env("AWS_SECRET_ACCESS_KEY", "not-the-secret");
    uploads_are_refused(&workspace, &bucket, &["refuses the signature", "AWS_SECRET_ACCESS_KEY"]);
    workspace.set_env("AWS_SECRET_ACCESS_KEY", &bucket.server.options().secret_key);
    everything_arrives(&workspace, &bucket);
}

#[test]
fn an_unknown_access_key_is_said_and_nothing_is_lost() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    workspace.set_env("AWS_ACCESS_KEY_ID", "SOMEBODYELSE");
    uploads_are_refused(&workspace, &bucket, &["does not know the access key", "AWS_ACCESS_KEY_ID"]);
    workspace.set_env("AWS_ACCESS_KEY_ID", &bucket.server.options().access_key);
    everything_arrives(&workspace, &bucket);
}

#[test]
fn missing_credentials_are_said_and_nothing_is_lost() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    workspace.set_env("AWS_ACCESS_KEY_ID", "");
    workspace.set_env("AWS_SECRET_ACCESS_KEY", "");
    uploads_are_refused(
        &workspace,
        &bucket,
        &["no S3 credentials", "AWS_ACCESS_KEY_ID", "~/.aws/credentials"],
    );
    workspace.set_env("AWS_ACCESS_KEY_ID", &bucket.server.options().access_key);
    workspace.set_env("AWS_SECRET_ACCESS_KEY", &bucket.server.options().secret_key);
    everything_arrives(&workspace, &bucket);
}
