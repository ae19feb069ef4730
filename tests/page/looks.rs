//! What is seen and heard: the overview, the player, words where there is no picture, keys, and pictures for people.

use super::{PICTURE, SEE, now_ms, overview, plays, shows_a_picture, state};
use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::browser::Browser;
use crate::support::camera::Codec;
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

/// Takes pictures of what is shown on a desk and on a phone, by day and by night.
fn pictures(browser: &Browser, name: &str) {
    for (screen, width, height) in [("phone", 390, 844), ("desktop", 1280, 800)] {
        for (scheme, is_dark) in [("dark", true), ("light", false)] {
            browser.become_screen(width, height, is_dark);
            let wide = browser.eval("return document.documentElement.scrollWidth - innerWidth").as_i64();
            assert!(wide <= Some(0), "{name} is {wide:?} px wider than a {screen}");
            browser.picture(&format!("{name}-{screen}-{scheme}"));
        }
    }
}

#[test]
fn one_click_leads_to_a_picture_less_than_two_seconds_old() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera).camera_at("yard", "rtsp://127.0.0.1:1/nothing", None);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    let browser = Browser::start();
    overview(&browser, &program.url("/"), 2);
    let words = eventually(LIMIT, "the state of both cameras in words", || {
        let words = browser.eval("return document.getElementById('grid').innerText").to_string();
        let is_said = words.contains("Recording") && words.contains("Away") && words.contains("refuses");
        if is_said { Ok(words) } else { Err(words) }
    });
    assert!(!words.contains("undefined") && !words.contains("NaN"), "{words}");
    pictures(&browser, "overview");
    browser.eval("document.querySelector('[data-camera=gate] .card').click()");
    plays(&browser, "live", LIMIT);
    shows_a_picture(&browser);
    pictures(&browser, "camera");
    plays(&browser, "live", LIMIT);
    browser.eval(SEE);
    eventually(LIMIT, "frames to be seen", || browser.eval("return window.seen > Date.now() - 300") == true);
    let stopped = now_ms();
    camera.stop();
    // the last frame was sent before that moment; when it was seen says how far behind the page is
    eventually(LIMIT, "the last frame to be seen", || {
        browser.eval("return window.seen < Date.now() - 2500") == true
    });
    let behind = browser.eval("return window.seen").as_f64().unwrap() - stopped;
    assert!((-500.0..2000.0).contains(&behind), "the last frame was seen {behind} ms after it was sent");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_video_that_the_browser_cannot_decode_is_said_in_words_with_a_way_out() {
    let bucket = Bucket::new();
    let camera = Camera::start(CameraOptions { codec: Codec::H265, ..CameraOptions::default() }).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    browser.open(&program.url("/#/gate"));
    let words = eventually(LIMIT, "words about H.265", || {
        let words = state(&browser)["words"].as_str().unwrap_or_default().to_owned();
        if words.contains("which this browser cannot play") { Ok(words) } else { Err(words) }
    });
    let address = program.url("/cameras/gate/live.mp4");
    assert!(words.contains("VLC") && words.contains(&address) && words.contains("transcode"), "{words}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn keys_reach_everything_and_everything_has_a_name() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    overview(&browser, &program.url("/"), 1);
    browser.press("?");
    assert_eq!(browser.eval("return document.getElementById('keys').open"), true);
    browser.eval("document.getElementById('keys').close()");
    browser.press("1");
    eventually(LIMIT, "the camera to open", || browser.eval("return location.hash") == "#/gate");
    plays(&browser, "live", LIMIT);
    assert_eq!(browser.eval("return document.activeElement.role"), "slider");
    assert_eq!(state(&browser)["slider"], "live");
    browser.press(" ");
    eventually(LIMIT, "the picture to stand", || {
        browser.eval("return document.querySelector('[data-shows]').dataset.shows") == "play"
    });
    browser.press("Home");
    plays(&browser, "live", LIMIT);
    let nameless = browser.eval(
        "return [...document.querySelectorAll('button, a, [role=slider], video, section, dialog')].filter((one) => \
         one.checkVisibility() && !one.ariaLabel && !one.getAttribute('aria-labelledby') && !one.innerText.trim())\
         .map((one) => one.outerHTML)",
    );
    assert_eq!(nameless, serde_json::json!([]), "these have no name");
    browser.become_screen(390, 844, false);
    let small = browser.eval(
        "return [...document.querySelectorAll('button, .control, [role=slider]')].filter((one) => \
         one.checkVisibility()).filter((one) => { const box = one.getBoundingClientRect(); \
         return box.width < 44 || box.height < 44; }).map((one) => one.outerHTML)",
    );
    assert_eq!(small, serde_json::json!([]), "these are too small for a finger");
    browser.press("Escape");
    eventually(LIMIT, "all cameras", || browser.eval("return location.hash") == "#/");
    assert_eq!(browser.eval("return document.activeElement.className"), "card");
    // nothing plays where nobody looks
    assert_eq!(browser.eval("return document.querySelector('#focus video').hasAttribute('src')"), false);
    assert!(browser.eval(PICTURE)[0].as_f64() < Some(0.01));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_overview_moves_on_demand_and_rests_while_a_camera_is_open() {
    let (bucket, first, second) = (Bucket::new(), camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &first).camera("yard", &second);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    overview(&browser, &program.url("/"), 2);
    eventually(LIMIT, "stills of both cameras", || {
        browser.eval("return [...document.querySelectorAll('.still')].every((one) => one.naturalWidth > 0)")
            == true
    });
    let moving = "return [...document.querySelectorAll('.card video')].filter((one) => one.currentTime > 1 \
                  && one.checkVisibility()).length";
    assert_eq!(browser.eval(moving), 0);
    browser.press("l");
    eventually(LIMIT, "both pictures to move", || {
        let count = browser.eval(moving);
        if count == 2 { Ok(()) } else { Err(count.to_string()) }
    });
    browser.press("2");
    plays(&browser, "live", LIMIT);
    assert_eq!(browser.eval("return document.querySelectorAll('.card video[src]').length"), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
