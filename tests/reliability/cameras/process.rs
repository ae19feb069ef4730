//! A camera whose process is really stopped.

use super::super::table::Scenario;
use super::play::{finish, healed, passing_through, recorded, told};
use crate::scene::{Bucket, LIMIT};
use crate::support::camera::process::{CameraProcess, serve_if_asked};
use crate::support::{Program, Workspace, eventually};

const ENTRY: &str =
    "reliability::cameras::process::a_camera_in_a_process_of_its_own_is_there_until_it_is_dropped";

/// The entry of the camera's process; started by anybody else it tries that process itself.
#[test]
fn a_camera_in_a_process_of_its_own_is_there_until_it_is_dropped() {
    serve_if_asked();
    let camera = CameraProcess::start(ENTRY, 0).unwrap();
    let port = camera.port();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    drop(camera);
    eventually(LIMIT, "the port to be closed", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

pub fn frozen(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), CameraProcess::start(ENTRY, 0).unwrap());
    let workspace = Workspace::new(&passing_through(&bucket, &camera.url()), &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 2);
    camera.stop();
    told(&program, scenario);
    // long enough for an attempt of its own to fail: its port still takes connections
    program.wait_for_log(LIMIT, "takes the connection and does not answer");
    camera.go_on();
    healed(&program, scenario);
    recorded(&workspace, before.len() + 2);
    let rows = finish(program, &workspace, &bucket, scenario);
    assert!(rows.last().unwrap().run > before[0].run, "{rows:#?}");
}
