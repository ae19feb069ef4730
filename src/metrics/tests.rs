//! What is exported, what the documents say is exported, and what the dashboard and the alert rules ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::counters::RetryCause;
use crate::segment::{Cause, State};
use crate::status::{Board, CameraState, SpaceLevel, UploadState};

fn cam(name: &str) -> CameraName {
    CameraName::new(name).unwrap()
}

/// A recorder to which everything has happened.
fn full() -> String {
    let board = Board::new();
    let (gate, yard, now) = (cam("gate"), cam("yard"), Timestamp::from_seconds(1_763_902_800));
    board.set_camera(&gate, CameraState::Recording, None, now);
    board.set_camera(&yard, CameraState::Waiting, Some("no route".into()), now);
    board.set_frame(&gate, Duration::from_millis(40));
    board.count_reconnect(&yard, Cause::Unreachable);
    board.set_upload(UploadState::Waiting, Some("refused".into()));
    board.set_space(SpaceLevel::Low, now);
    board.counters().add_camera(&yard);
    board.counters().frames(&gate, 15);
    board.counters().recorded(&gate, 2_500_000);
    board.counters().uploaded(2_500_000, Duration::from_millis(120));
    board.counters().retried(RetryCause::Link);
    let stats = CameraStats {
        camera: gate.clone(),
        by_state: vec![
            (State::Created, 3, 30),
            (State::Uploaded, 5, 50),
            (State::Lost, 1, 10),
            (State::Dropped, 2, 20),
        ],
        newest_end: Some(now.minus(Duration::from_secs(4))),
        oldest_pending: Some(now.minus(Duration::from_secs(90))),
        last_state: None,
    };
    let footage = Footage {
        camera: gate.clone(),
        covered: Duration::from_secs(100),
        gaps: vec![(Cause::Disk, Duration::from_millis(2500))],
    };
    text(&Facts {
        snapshot: &board.snapshot(),
        counters: board.counters(),
        stats: &[stats],
        footage: &[footage],
        cameras: &[gate, yard],
        free_bytes: Some(1000),
        database_bytes: 4096,
        now,
    })
}

#[test]
fn the_numbers_are_those_of_the_facts() {
    let text = full();
    for line in [
        "cctv_camera_up{camera=\"gate\"} 1",
        "cctv_camera_up{camera=\"yard\"} 0",
        "cctv_camera_state{camera=\"yard\",state=\"waiting\"} 1",
        "cctv_camera_frames_total{camera=\"gate\"} 15",
        "cctv_camera_frames_total{camera=\"yard\"} 0",
        "cctv_camera_recorded_bytes_total{camera=\"gate\"} 2500000",
        "cctv_camera_reconnects_total{camera=\"yard\",cause=\"unreachable\"} 1",
        "cctv_camera_last_segment_age_seconds{camera=\"gate\"} 4.0",
        "cctv_camera_elapsed_seconds_total{camera=\"gate\"} 100.0",
        "cctv_camera_footage_seconds_total{camera=\"gate\"} 97.5",
        "cctv_camera_gap_seconds_total{camera=\"gate\",cause=\"disk\"} 2.5",
        "cctv_segments{camera=\"gate\",state=\"uploaded\"} 5",
        "cctv_segments_bytes{camera=\"gate\",state=\"created\"} 30",
        "cctv_backlog_segments 3",
        "cctv_backlog_oldest_age_seconds 90.0",
        "cctv_uploads_total 1",
        "cctv_upload_retries_total{cause=\"link\"} 1",
        "cctv_upload_retries_total{cause=\"misconfigured\"} 0",
        "cctv_upload_duration_seconds_bucket{le=\"0.25\"} 1",
        "cctv_upload_state{state=\"waiting\"} 1",
        "cctv_segments_lost_total 1",
        "cctv_segments_dropped_total 2",
        "cctv_segments_dropped_bytes_total 20",
        "cctv_storage_space{level=\"low\"} 1",
        "cctv_storage_writable 1",
        "cctv_database_bytes 4096",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    assert!(!text.contains("no route") && !text.contains("refused"), "words are no labels");
}

/// Names of families with their types, as the text declares them.
fn families(text: &str) -> BTreeMap<String, String> {
    let declared = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    declared.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.into(), kind.into())).collect()
}

/// Under which names Prometheus keeps them.
fn samples(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

#[test]
fn the_document_lists_every_family_and_no_other() {
    let text = full();
    let declared: BTreeSet<String> = families(&text)
        .iter()
        .map(|(name, kind)| match kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        })
        .collect();
    let document = include_str!("../../docs/metrics.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<String> = rows.map(|(name, _)| name.split('{').next().unwrap().to_owned()).collect();
    assert_eq!(listed, declared);
}

/// Every name of ours or of the process in a query.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("cctv_") || word.starts_with("process_"))
}

/// The texts under `key`, however deep.
fn texts_of(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner.as_str() {
                    Some(text) if name == key => found.push(text.to_owned()),
                    _ => texts_of(inner, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, key, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_and_the_rules_ask_for_what_there_is() {
    let exported = samples(&full());
    let dashboard: Value =
        serde_json::from_str(include_str!("../../docs/monitoring/dashboard.json")).unwrap();
    let mut queries = Vec::new();
    texts_of(&dashboard, "expr", &mut queries);
    assert!(queries.len() >= 12, "{queries:?}");
    let rules = include_str!("../../docs/monitoring/alerts.yml");
    queries.extend(rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned));
    assert!(queries.len() >= 24, "{queries:?}");
    for query in &queries {
        assert!(names(query).next().is_some(), "{query} asks for nothing of ours");
        for name in names(query) {
            assert!(exported.contains(name), "{query} asks for {name}, which is not exported");
        }
    }
    // what a person is to do belongs to each rule
    assert_eq!(rules.matches("- alert: ").count(), rules.matches("description: ").count());
}
