//! Cameras that are not there, or as good as not.

use std::time::Duration;

use super::super::table::Scenario;
use super::play::{camera, finish, healed, hole_s, passing_through, recorded, told};
use crate::scene::Bucket;
use crate::support::wire::{DeafPort, Fault, Wire};
use crate::support::{Program, Workspace, eventually};

/// Waits until the program has failed so often that the backoff alone would make the camera wait for longer than the
/// table allows.
fn away_for_long(program: &Program<'_>) {
    eventually(Duration::from_secs(30), "a few attempts", || {
        let reconnects = program.health()["cameras"][0]["reconnects"].as_u64().unwrap_or_default();
        if reconnects >= 4 { Ok(()) } else { Err(reconnects) }
    });
}

pub fn refused(scenario: &Scenario) {
    let (bucket, mut camera) = (Bucket::new(), camera(|_| {}));
    camera.stop();
    let workspace = Workspace::new(&passing_through(&bucket, &camera.url()), &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    away_for_long(&program);
    camera.start_again().unwrap();
    healed(&program, scenario);
    recorded(&workspace, 1);
    finish(program, &workspace, &bucket, scenario);
}

pub fn deaf(scenario: &Scenario) {
    let (bucket, camera, port) = (Bucket::new(), camera(|_| {}), DeafPort::new().unwrap());
    let url = port.url().unwrap();
    let workspace = Workspace::new(&passing_through(&bucket, &url), &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    let _wire = port.hear(&camera).unwrap();
    healed(&program, scenario);
    recorded(&workspace, 1);
    finish(program, &workspace, &bucket, scenario);
}

pub fn mute(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera(|_| {}));
    let wire = Wire::to(&camera).unwrap();
    wire.set(Fault::Hang);
    let workspace = Workspace::new(&passing_through(&bucket, &wire.url()), &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    wire.set(Fault::None);
    healed(&program, scenario);
    recorded(&workspace, 1);
    finish(program, &workspace, &bucket, scenario);
}

pub fn power(scenario: &Scenario) {
    let (bucket, mut camera) = (Bucket::new(), camera(|_| {}));
    let workspace = Workspace::new(&passing_through(&bucket, &camera.url()), &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 2);
    camera.stop();
    told(&program, scenario);
    away_for_long(&program);
    camera.start_again().unwrap();
    healed(&program, scenario);
    recorded(&workspace, before.len() + 2);
    let rows = finish(program, &workspace, &bucket, scenario);
    assert_eq!(rows.iter().filter(|row| row.run == before[0].run).count(), before.len() + 1, "{rows:#?}");
}

pub fn encoder(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera(|_| {}));
    let workspace = Workspace::new(&passing_through(&bucket, &camera.url()), &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 1);
    camera.freeze();
    told(&program, scenario);
    camera.thaw();
    healed(&program, scenario);
    recorded(&workspace, before.len() + 2);
    let rows = finish(program, &workspace, &bucket, scenario);
    let next = rows.iter().position(|row| row.run > before[0].run).expect("a second run");
    assert!(hole_s(&rows[next - 1], &rows[next]) > 4.0, "{rows:#?}");
}
