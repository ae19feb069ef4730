//! Cameras that answer, and refuse.

use std::time::Duration;

use super::super::table::Scenario;
use super::play::{camera, finish, healed, passing_through, recorded, told};
use crate::scene::Bucket;
use crate::support::wait::throughout;
use crate::support::wire::{Fault, Wire};
use crate::support::{Program, Workspace};

/// The answer to DESCRIBE, until it is set right.
fn refused(answer: &'static str, scenario: &Scenario, restart: bool) {
    let (bucket, camera) = (Bucket::new(), camera(|_| {}));
    let wire = Wire::to(&camera).unwrap();
    wire.set(Fault::Refuse("DESCRIBE", answer));
    let workspace = Workspace::new(&passing_through(&bucket, &wire.url()), &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    if restart {
        // silent for long enough to be noticed, as a camera that starts again is
        wire.set(Fault::Hang);
        program.wait_for_log(Duration::from_secs(20), "is unreachable");
    }
    wire.set(Fault::None);
    healed(&program, scenario);
    recorded(&workspace, 1);
    finish(program, &workspace, &bucket, scenario);
}

pub fn path(scenario: &Scenario) {
    refused("404 Not Found", scenario, true);
}

pub fn busy(scenario: &Scenario) {
    refused("503 Service Unavailable", scenario, false);
}

pub fn setup(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera(|_| {}));
    let wire = Wire::to(&camera).unwrap();
    wire.set(Fault::Refuse("SETUP", "451 Parameter Not Understood"));
    let workspace = Workspace::new(&passing_through(&bucket, &wire.url()), &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    program.wait_for_log(Duration::from_secs(30), "next attempt in");
    assert!(wire.requests("SETUP") >= 2, "{} SETUPs", wire.requests("SETUP"));
    wire.set(Fault::None);
    healed(&program, scenario);
    recorded(&workspace, 1);
    finish(program, &workspace, &bucket, scenario);
}

pub fn password(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera(|_| {}));
    let wire = Wire::to(&camera).unwrap();
    wire.set(Fault::Refuse("DESCRIBE", "401 Unauthorized"));
    let mut settings = passing_through(&bucket, &wire.url());
    settings.for_camera("username", "admin").for_camera("password", "${CAMERA_PASSWORD}");
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    let tried = wire.requests("DESCRIBE");
    assert!(tried <= 2, "{tried} attempts: a challenge and one refusal are two");
    // off and on: it is not even asked whether it lives
    wire.set(Fault::Hang);
    let still = || match (wire.requests("DESCRIBE"), wire.requests("OPTIONS")) {
        (describe, options) if describe == tried && options <= 1 => Ok(()),
        other => Err(format!("{other:?} requests")),
    };
    throughout(Duration::from_secs(3), "the pause", still);
    wire.set(Fault::Refuse("DESCRIBE", "401 Unauthorized"));
    throughout(Duration::from_secs(4), "the pause", still);
    assert!(finish(program, &workspace, &bucket, scenario).is_empty());
}
