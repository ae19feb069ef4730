//! Who looks, and how: a hidden window costs nothing, the whole screen is one key away, and the slider shows what was then.

use super::{overview, place, plays};
use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::browser::Browser;
use crate::support::{Program, Settings, Workspace, eventually};

/// Whether nobody can see the page, and how many videos have a source all the same.
const AT_REST: &str = "return document.hidden && document.querySelectorAll('video[src]').length === 0";

#[test]
fn streams_stop_while_the_window_is_hidden_and_go_on_when_it_is_seen_again() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    browser.open(&program.url("/#/gate"));
    plays(&browser, "live", LIMIT);
    browser.hide();
    eventually(LIMIT, "the hidden page to rest", || browser.eval(AT_REST) == true);
    browser.show();
    plays(&browser, "live", LIMIT);
    // a moment of the past is found again, too
    uploaded(&workspace, "gate", 4);
    browser.press("ArrowLeft");
    plays(&browser, "replay", LIMIT);
    browser.hide();
    eventually(LIMIT, "the hidden page to rest", || browser.eval(AT_REST) == true);
    browser.show();
    plays(&browser, "replay", LIMIT);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn one_key_makes_the_picture_fill_the_screen_and_the_same_key_brings_the_page_back() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    browser.open(&program.url("/#/gate"));
    plays(&browser, "live", LIMIT);
    browser.press("f");
    eventually(LIMIT, "the picture to fill the screen", || {
        browser.eval("return document.fullscreenElement?.className") == "stage"
    });
    // its controls come along
    assert_eq!(
        browser.eval("return document.querySelector('.stage .controls').checkVisibility()"),
        true,
        "the controls are in the stage"
    );
    plays(&browser, "live", LIMIT);
    browser.press("f");
    eventually(LIMIT, "the page to come back", || {
        browser.eval("return document.fullscreenElement").is_null()
    });
    plays(&browser, "live", LIMIT);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn pointing_at_a_moment_shows_its_thumbnail_and_its_time() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    browser.open(&program.url("/#/gate"));
    plays(&browser, "live", LIMIT);
    uploaded(&workspace, "gate", 8);
    let seen = eventually(LIMIT, "a thumbnail of ten seconds ago", || {
        // each time from elsewhere: a pointer that does not move asks for nothing
        browser.point(10.0, 10.0);
        let (x, y) = place(&browser, 12.0);
        browser.point(x, y);
        let seen = browser.eval(
            "const tip = document.querySelector('.tip'), img = tip.querySelector('img'); \
             return { shown: tip.checkVisibility(), words: tip.innerText, address: img?.getAttribute('src'), \
             width: img?.checkVisibility() ? img.naturalWidth : 0 };",
        );
        if seen["width"].as_u64() > Some(0) { Ok(seen) } else { Err(seen.to_string()) }
    });
    assert_eq!(seen["shown"], true, "{seen}");
    assert!(seen["address"].as_str().unwrap().starts_with("/cameras/gate/thumbs?at=20"), "{seen}");
    assert!(seen["words"].as_str().unwrap().contains(':'), "its time: {seen}");
    browser.point(10.0, 10.0);
    eventually(LIMIT, "the tip to go", || {
        browser.eval("return document.querySelector('.tip').checkVisibility()") == false
    });
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn where_too_many_frames_are_dropped_the_overview_goes_back_to_stills_and_says_so() {
    let bucket = Bucket::new();
    let (gate, yard) = (camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate).camera("yard", &yard);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let browser = Browser::start();
    overview(&browser, &program.url("/"), 2);
    browser.press("l");
    let playing = "return [...document.querySelectorAll('.card video')].filter((video) => video.currentTime > 1).length";
    eventually(LIMIT, "both to move", || browser.eval(playing) == 2);
    assert_eq!(browser.eval("return document.getElementById('slow').hidden"), true);
    // a machine that drops a third of the frames, as the browser counts them
    browser.eval(
        "HTMLVideoElement.prototype.getVideoPlaybackQuality = \
         () => ({ totalVideoFrames: 300, droppedVideoFrames: 100 });",
    );
    eventually(LIMIT, "the page to say so", || {
        browser.eval("return document.getElementById('slow').checkVisibility()") == true
    });
    let stills = "return [...document.querySelectorAll('.card img.still')].filter((img) => img.naturalWidth > 0).length";
    eventually(LIMIT, "stills instead", || browser.eval(stills) == 2);
    assert_eq!(browser.eval("return document.querySelectorAll('.card video[src]').length"), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
