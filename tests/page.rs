//! The page at `/` in a real browser: what it shows, how far behind it is, and that it comes back by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::scene::LIMIT;
use crate::support::browser::Browser;
use crate::support::eventually;

mod absences;
mod attention;
mod looks;
mod past;

/// How the focused camera is doing.
const STATE: &str = "
    const focus = document.getElementById('focus'), video = focus.querySelector('video');
    const over = focus.querySelector('.over');
    return { mode: focus.dataset.mode, phase: focus.dataset.phase, time: video.currentTime, width: video.videoWidth,
        words: over.hidden ? '' : over.textContent, slider: focus.querySelector('[role=slider]').ariaValueText };";

/// Keeps the moment at which the newest frame was shown, in milliseconds since 1970, in `window.seen`.
const SEE: &str = "
    const video = document.querySelector('#focus video');
    const see = () => { window.seen = Date.now(); video.requestVideoFrameCallback(see); };
    video.requestVideoFrameCallback(see);";

/// The share of the picture that is not black, and how many colours it has.
const PICTURE: &str = "
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [64, 36];
    const context = canvas.getContext('2d');
    context.drawImage(document.querySelector('#focus video'), 0, 0, 64, 36);
    const { data } = context.getImageData(0, 0, 64, 36);
    const colours = new Set();
    let lit = 0;
    for (let i = 0; i < data.length; i += 4) {
        colours.add((data[i] >> 5) * 64 + (data[i + 1] >> 5) * 8 + (data[i + 2] >> 5));
        if (data[i] + data[i + 1] + data[i + 2] > 48) lit += 4 / data.length;
    }
    return [lit, colours.size];";

fn state(browser: &Browser) -> Value {
    browser.eval(STATE)
}

/// Waits until the focused video plays: its time goes on by a second.
#[track_caller]
pub fn plays(browser: &Browser, mode: &str, limit: Duration) {
    let mut begins = None;
    eventually(limit, &format!("the {mode} video to play"), || {
        let now = state(browser);
        let time = now["time"].as_f64().unwrap();
        if now["mode"] != mode || now["phase"] != "playing" {
            begins = None;
            return Err(now.to_string());
        }
        // another source counts from another time
        let from = *begins.get_or_insert(time);
        if time < from {
            begins = Some(time);
        }
        if time > from + 1.0 { Ok(()) } else { Err(format!("{now}, from {from}")) }
    });
}

#[track_caller]
pub fn shows_a_picture(browser: &Browser) {
    let seen = browser.eval(PICTURE);
    let (lit, colours) = (seen[0].as_f64().unwrap(), seen[1].as_u64().unwrap());
    assert!(lit > 0.3 && colours >= 4, "{lit} of the picture is lit, in {colours} colours");
}

/// Opens the page and waits for its cards.
fn overview(browser: &Browser, url: &str, cameras: usize) {
    browser.open(url);
    eventually(LIMIT, "the cards of all cameras", || {
        let cards = browser.eval("return document.querySelectorAll('.card').length").as_u64();
        if cards == Some(cameras as u64) { Ok(()) } else { Err(format!("{cards:?}")) }
    });
}

/// Where on the screen the slider shows so many seconds ago.
fn place(browser: &Browser, seconds_ago: f64) -> (f64, f64) {
    let place = browser.eval(&format!(
        "const box = document.querySelector('[role=slider] svg').getBoundingClientRect(); \
         return [box.left + box.width * (1 - {seconds_ago} / 1800), box.top + box.height / 2];"
    ));
    (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0
}
