//! A page that is open all day comes back by itself, whatever was away.

use std::time::Duration;

use super::{plays, shows_a_picture, state};
use crate::scene::{Bucket, LIMIT, camera, camera_state};
use crate::support::browser::Browser;
use crate::support::port::Port;
use crate::support::wait::throughout;
use crate::support::{Program, Settings, Workspace, eventually};

/// After a long absence the recorder asks the camera again within its longest pause, a minute.
const RETURN: Duration = Duration::from_secs(100);

fn a_camera_away_for(seconds: u64) {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let browser = Browser::start();
    browser.open(&program.url("/#/gate"));
    plays(&browser, "live", LIMIT);
    browser.eval("window.isSame = true");
    camera.stop();
    eventually(LIMIT, "the outage to be said", || {
        let now = state(&browser);
        let is_said =
            now["phase"] == "waiting" && now["words"].as_str().is_some_and(|words| words.len() > 20);
        if is_said { Ok(()) } else { Err(now.to_string()) }
    });
    throughout(Duration::from_secs(seconds), "the camera's absence", || {
        let now = state(&browser);
        if now["phase"] == "playing" { Err(now.to_string()) } else { Ok(()) }
    });
    camera.start_again().unwrap();
    plays(&browser, "live", RETURN);
    shows_a_picture(&browser);
    assert_eq!(browser.eval("return window.isSame"), true, "the page was not loaded anew");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn playing_goes_on_when_the_camera_was_away_for_10_seconds() {
    a_camera_away_for(10);
}

#[test]
fn playing_goes_on_when_the_camera_was_away_for_40_seconds() {
    a_camera_away_for(40);
}

#[test]
fn playing_goes_on_when_the_program_was_started_again() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    let free = Port::hold(0).unwrap();
    settings.camera("gate", &camera).set("server.port", i64::from(free.number()));
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let browser = Browser::start();
    browser.open(&program.url("/#/gate"));
    plays(&browser, "live", LIMIT);
    browser.eval("window.isSame = true");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let verdict = |browser: &Browser| browser.eval("return document.getElementById('verdict').innerText");
    eventually(LIMIT, "the lost connection to be said", || {
        let words = verdict(&browser);
        if words == "Connection lost" { Ok(()) } else { Err(words.to_string()) }
    });
    drop(program);
    let _program = Program::start(&workspace);
    plays(&browser, "live", RETURN);
    shows_a_picture(&browser);
    eventually(LIMIT, "the connection to be found again", || {
        let words = verdict(&browser);
        if words == "All is well" { Ok(()) } else { Err(words.to_string()) }
    });
    assert_eq!(browser.eval("return window.isSame"), true, "the page was not loaded anew");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
