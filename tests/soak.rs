//! Three minutes of the soak that `cargo run --release --example soak` plays for an hour.

use std::time::Duration;

use crate::support::soak::{self, plan::Wish};

#[test]
fn three_minutes_of_faults_and_kills_break_no_promise() {
    let wish = Wish { seed: 20_261_125, length: Duration::from_secs(180), kills: 16, cameras: 3 };
    let mut said = String::new();
    let report = soak::run(&wish, &|_| {}, &mut |line| said += &format!("{line}\n")).unwrap();
    let table = report.table();
    assert!(!report.is_broken(), "{said}{table}");
    // it can only break something while something is recorded
    assert!(report.kills() == wish.kills && report.segments() > 60, "{said}{table}");
}
