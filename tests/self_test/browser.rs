//! The browser tells what went wrong in a page: without this, "no complaints" would prove nothing.

use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::eventually;

#[test]
fn a_browser_repeats_what_its_console_says() {
    let browser = Browser::start();
    browser
        .open("data:text/html,<meta http-equiv=Content-Security-Policy content=\"img-src 'none'\"><p>page");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.eval(
        "console.error('said'); setTimeout(() => { throw new Error('thrown'); }); \
         document.body.append(Object.assign(new Image(), { src: 'data:,forbidden' }));",
    );
    let mut complaints = Vec::new();
    eventually(Duration::from_secs(20), "all complaints", || {
        complaints.extend(browser.complaints());
        let has = |words: &str| complaints.iter().any(|one: &String| one.contains(words));
        if has("said") && has("thrown") && has("Content Security Policy") {
            Ok(())
        } else {
            Err(complaints.join("\n"))
        }
    });
}
