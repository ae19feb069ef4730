//! `docs/RELIABILITY.md` shows the tables of this folder, and a test keeps it so.

use std::path::Path;

use super::table::{Scenario, render};
use super::{cameras, clocks, crashes, disks, stores};

/// Each table and the comment that marks its place: `<!-- table: cameras -->` … `<!-- end -->`.
const TABLES: &[(&str, &[(&str, Scenario)])] = &[
    ("stores", stores::STORES),
    ("cameras", cameras::CAMERAS),
    ("crashes", crashes::CRASHES),
    ("disks", disks::DISKS),
    ("clocks", clocks::CLOCKS),
];

#[test]
fn the_document_shows_the_tables_that_the_tests_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/RELIABILITY.md");
    let shown = std::fs::read_to_string(&path).unwrap();
    let mut wanted = shown.clone();
    for (name, rows) in TABLES {
        wanted = with_table(&wanted, name, &render(rows));
    }
    if wanted != shown && std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert_eq!(wanted, shown, "docs/RELIABILITY.md is old; run the tests once with WRITE_DOCS=1");
    }
}

fn with_table(text: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- table: {name} -->\n");
    let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("no place for {mark:?}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{mark:?} has no end"));
    format!("{before}{mark}\n{table}\n<!-- end -->{after}")
}
