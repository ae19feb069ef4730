//! The last half hour: keys and the slider lead to recorded footage, and back to live.

use super::{place, plays, shows_a_picture, state};
use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::browser::Browser;
use crate::support::{Program, Settings, Workspace, eventually};

#[test]
fn scrubbing_shows_what_was_recorded_and_home_is_live() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    browser.open(&program.url("/#/gate"));
    plays(&browser, "live", LIMIT);
    uploaded(&workspace, "gate", 8);
    browser.press("ArrowLeft");
    plays(&browser, "replay", LIMIT);
    shows_a_picture(&browser);
    let said = state(&browser)["slider"].as_str().unwrap_or_default().to_owned();
    assert!(said.ends_with(" ago"), "{said}");
    browser.become_screen(1280, 800, false);
    browser.picture("past-desktop-light");
    browser.press("Home");
    plays(&browser, "live", LIMIT);
    assert_eq!(state(&browser)["slider"], "live");
    let (x, y) = place(&browser, 12.0);
    browser.click(x, y);
    plays(&browser, "replay", LIMIT);
    // before the first recording there is nothing: it goes on where footage begins
    let (x, y) = place(&browser, 900.0);
    browser.click(x, y);
    plays(&browser, "replay", LIMIT);
    // and from there on until it has caught up, or somebody wants live
    browser.eval("document.querySelector('.control.live').click()");
    plays(&browser, "live", LIMIT);
    let day = eventually(LIMIT, "the day in words", || {
        let words = browser.eval("return document.querySelector('.summary').innerText").to_string();
        if words.contains("recorded") { Ok(words) } else { Err(words) }
    });
    assert!(day.contains("no gap"), "{day}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
