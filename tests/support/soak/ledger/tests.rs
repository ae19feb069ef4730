//! Each lie that a soak could be told is one that the ledger finds.

use super::*;

const T: i64 = 1_763_902_800_000;

/// Ten seconds of one camera: five segments, all well.
fn facts() -> Facts {
    let segments: Vec<Segment> = (0..5)
        .map(|n| Segment {
            camera: "a".into(),
            run: 1,
            span: Span::new(T + n * 2000, T + (n + 1) * 2000),
            by_name: false,
            key: format!("a/segment_{n}.ts"),
            file: format!("segment_{n}.ts"),
            sha256: format!("hash {n}"),
            state: "uploaded".into(),
        })
        .collect();
    Facts {
        commits: segments.iter().map(|segment| (segment.key.clone(), 1)).collect(),
        objects: segments.iter().map(|segment| (segment.key.clone(), segment.sha256.clone())).collect(),
        files: segments.iter().map(|one| (format!("a/{}", one.file), one.sha256.clone())).collect(),
        runs: vec![Run { id: 1, camera: "a".into(), ended_ms: Some(T + 10_100), reason: "stopped".into() }],
        span: Some(Span::new(T, T + 10_000)),
        segments,
        ..Facts::default()
    }
}

fn excuse(from_ms: i64, until_ms: i64) -> Excuse {
    Excuse { camera: Some("a".into()), span: Span::new(T + from_ms, T + until_ms), why: "kill" }
}

fn gap(from_ms: i64, until_ms: i64) -> Gap {
    Gap { camera: "a".into(), span: Span::new(T + from_ms, T + until_ms), cause: "program_down".into() }
}

/// A second run after a hole of two seconds that is told and explained.
fn killed() -> Facts {
    let mut facts = facts();
    for segment in &mut facts.segments[3..] {
        segment.run = 2;
        segment.span = Span::new(segment.span.from_ms + 2000, segment.span.until_ms + 2000);
    }
    facts.runs[0].ended_ms = Some(T + 6000);
    facts.span = Some(Span::new(T, T + 12_000));
    facts.excuses = vec![excuse(5000, 9000)];
    facts.gaps = vec![gap(6000, 8000)];
    facts.kills_ms = vec![T + 7200, T + 7300];
    facts
}

fn broken(facts: &Facts) -> Vec<String> {
    judge(facts).broken().cloned().collect()
}

#[test]
fn a_soak_without_fault_breaks_nothing() {
    let verdict = judge(&facts());
    assert_eq!(verdict.broken().count(), 0, "{verdict:?}");
    assert_eq!((verdict.segments, verdict.recorded_ms), (5, 10_000));
}

#[test]
fn a_hole_that_is_told_and_explained_is_counted_and_breaks_nothing() {
    let verdict = judge(&killed());
    assert_eq!(verdict.broken().count(), 0, "{verdict:?}");
    assert_eq!(verdict.gaps["program_down"], Sum { count: 1, ms: 2000 });
    assert_eq!(verdict.holes["kill"], Sum { count: 1, ms: 2000 });
    assert_eq!(verdict.kill_costs_ms, [1200]);
}

#[test]
fn a_doubled_commit_is_found() {
    let mut facts = facts();
    facts.commits.insert("a/segment_2.ts".into(), 2);
    assert_eq!(judge(&facts).doubled, ["a/segment_2.ts was stored 2 times"]);
}

#[test]
fn a_wrong_byte_is_found_in_the_bucket_and_on_disk() {
    let mut facts = facts();
    facts.objects.insert("a/segment_2.ts".into(), "other".into());
    facts.files.insert("a/segment_3.ts".into(), "other".into());
    assert_eq!(
        judge(&facts).wrong,
        [
            "a/segment_2.ts has other bytes than its row says",
            "file a/segment_3.ts has other bytes than its row says"
        ]
    );
}

#[test]
fn a_missing_object_and_a_row_that_is_not_uploaded_are_found() {
    let mut facts = facts();
    facts.objects.remove("a/segment_1.ts");
    facts.segments[3].state = "failed".into();
    assert_eq!(
        judge(&facts).lost,
        ["a/segment_1.ts is not in the bucket", "a/segment_3.ts is failed at the end"]
    );
}

#[test]
fn objects_and_files_of_nobody_are_found_but_manifests_are_none() {
    let mut facts = facts();
    facts.objects.insert("a/manifest.m3u8".into(), "m".into());
    facts.commits.insert("a/manifest.m3u8".into(), 9);
    facts.objects.insert("a/segment_9.ts".into(), "x".into());
    facts.files.insert("a/segment_8.ts".into(), "x".into());
    assert_eq!(
        broken(&facts),
        ["a/segment_9.ts is in the bucket without a row", "file a/segment_8.ts has no row"]
    );
}

#[test]
fn a_hole_that_no_gap_tells_of_is_unaccounted() {
    let mut facts = killed();
    facts.gaps = vec![gap(6000, 7500)];
    let verdict = judge(&facts);
    assert_eq!((verdict.unaccounted.len(), verdict.unaccounted_ms), (1, 500), "{verdict:?}");
    assert!(verdict.lost.is_empty());
}

#[test]
fn a_hole_that_nothing_explains_is_lost_footage() {
    let mut facts = killed();
    facts.excuses = vec![excuse(5000, 7000), Excuse { camera: Some("b".into()), ..excuse(0, 20_000) }];
    let verdict = judge(&facts);
    assert_eq!(verdict.lost.len(), 1, "{verdict:?}");
    assert!(verdict.lost[0].contains("(1.0 s)"), "{verdict:?}");
    facts.excuses = vec![Excuse { camera: None, ..excuse(5000, 9000) }];
    assert!(judge(&facts).lost.is_empty());
}

#[test]
fn a_hole_inside_a_run_has_no_excuse() {
    let mut facts = killed();
    for segment in &mut facts.segments {
        segment.run = 1;
    }
    facts.runs.clear();
    assert_eq!(judge(&facts).lost, ["2000 ms between a/segment_2.ts and a/segment_3.ts of one run"]);
}

#[test]
fn time_before_the_first_and_after_the_last_segment_counts() {
    let mut facts = facts();
    facts.span = Some(Span::new(T - 3000, T + 13_000));
    assert_eq!(judge(&facts).lost.len(), 2);
}

#[test]
fn a_tail_that_was_not_closed_is_lost_footage() {
    let mut facts = killed();
    facts.runs[0].ended_ms = Some(T + 6000 + TEARDOWN_MS + 1);
    assert_eq!(judge(&facts).lost.len(), 1);
    facts.runs[0].reason = "camera stalled: nothing for 5 s".into();
    assert!(judge(&facts).lost.is_empty());
}

#[test]
fn overlapping_segments_are_found_unless_a_name_is_all_that_is_known() {
    let mut facts = facts();
    facts.segments[2].run = 2;
    facts.segments[2].span.from_ms -= 900;
    assert_eq!(judge(&facts).strange.len(), 1);
    facts.segments[2].by_name = true;
    assert!(judge(&facts).strange.is_empty());
}
