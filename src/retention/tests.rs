//! What the task says, look by look.

use super::*;
use crate::error::Kind;
use crate::segment::{CameraName, FileName};

const MB: u64 = 1_000_000;

/// 100 MB are to stay free.
fn free(mb: u64) -> Space {
    Space { free_bytes: mb * MB, min_free_bytes: 100 * MB, ..Space::default() }
}

fn dropped(count: i64) -> Retained {
    let camera = CameraName::new("gate").unwrap();
    Retained {
        dropped: (0..count).map(|n| (camera.clone(), FileName::new(n))).collect(),
        dropped_bytes: count as u64 * MB,
        ..Retained::default()
    }
}

struct Looks {
    watch: Watch,
    start: Instant,
}

impl Looks {
    fn new() -> Looks {
        Looks { watch: Watch::default(), start: Instant::now() }
    }

    /// Levels of the lines and the lines themselves, joined.
    fn look(&mut self, second: u64, retained: Retained, space: Space) -> String {
        let found = Ok((Some(retained), space));
        self.told(second, found)
    }

    fn told(&mut self, second: u64, found: Result<(Option<Retained>, Space)>) -> String {
        let lines = self.watch.note(found, self.start + Duration::from_secs(second));
        lines.iter().map(|(level, line)| format!("{level} {line}")).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn low_space_is_said_once_and_once_that_it_is_over() {
    let mut looks = Looks::new();
    assert_eq!(looks.look(0, Retained::default(), free(500)), "");
    let said = looks.look(1, Retained::default(), free(199));
    assert!(said.starts_with("WARN disk is getting full"), "{said}");
    assert_eq!(looks.watch.level, SpaceLevel::Low);
    assert_eq!(looks.watch.trouble.as_ref().map(|trouble| trouble.fatal), Some(false));
    for second in 2..100 {
        assert_eq!(looks.look(second, Retained::default(), free(190 + second % 20)), "");
    }
    assert_eq!(looks.look(100, Retained::default(), free(300)), "INFO space and database are well again");
    assert_eq!((looks.watch.level, looks.watch.trouble.is_none()), (SpaceLevel::Ok, true));
}

#[test]
fn hours_of_dropping_are_a_line_a_minute_with_every_segment_in_one() {
    let mut looks = Looks::new();
    let said = looks.look(0, dropped(3), free(100));
    assert!(said.contains("ERROR disk is full"), "{said}");
    assert!(said.ends_with("ERROR 3 segments dropped before S3 had them, 3 MB"), "{said}");
    let mut lines = Vec::new();
    for second in 1..=3600 {
        lines.extend(looks.look(second, dropped(1), free(101)).lines().map(str::to_owned));
    }
    assert_eq!(lines.len(), 60, "{lines:#?}");
    assert!(
        lines.iter().all(|line| line == "ERROR 60 segments dropped before S3 had them, 60 MB"),
        "{lines:#?}"
    );
    assert_eq!(looks.watch.level, SpaceLevel::Dropping);
    assert_eq!(looks.watch.uncounted, (3603, 3603 * MB));
    // one more, then there is room: it is not forgotten
    assert_eq!(looks.look(3601, dropped(1), free(101)), "");
    let said = looks.look(3602, Retained::default(), free(500));
    assert!(said.contains("INFO space and database are well again"), "{said}");
    assert!(said.contains("1 segment dropped"), "{said}");
}

#[test]
fn dropping_is_over_when_room_comes_back_however_it_comes() {
    let mut looks = Looks::new();
    looks.look(0, dropped(1), free(101));
    looks.look(1, Retained::default(), free(102));
    assert_eq!(looks.watch.level, SpaceLevel::Dropping, "the next segment will cost one again");
    let uploaded = Space { uploaded_bytes: 50 * MB, ..free(102) };
    let said = looks.look(2, Retained::default(), uploaded);
    assert!(said.starts_with("WARN better than before, but disk is getting full"), "{said}");
    looks.look(100, dropped(1), free(101));
    let said = looks.look(100 + CALM.as_secs(), Retained::default(), free(110));
    assert!(said.starts_with("WARN better than before"), "nothing had to go for long: {said}");
}

#[test]
fn a_disk_that_wavers_says_each_thing_once_a_minute_and_ends_with_the_truth() {
    let mut looks = Looks::new();
    let mut said = String::new();
    for second in 0..60 {
        let still_short = second % 2 == 0;
        said += &looks.look(second, Retained { still_short, ..dropped(1) }, free(90));
    }
    assert_eq!(said.matches("disk is too full").count(), 1, "{said}");
    assert_eq!(said.matches("disk is full").count(), 1, "{said}");
    assert!(looks.look(70, Retained::default(), free(500)).contains("well again"));
    let said = looks.look(71, Retained { still_short: true, ..Retained::default() }, free(90));
    assert!(said.contains("disk is too full"), "it was last said more than a minute ago: {said}");
    assert_eq!(looks.look(72, Retained::default(), free(500)), "");
    for second in 73..131 {
        let line = looks.look(second, Retained::default(), free(500));
        assert_eq!(line.is_empty(), second != 130, "{second}: {line}");
    }
}

#[test]
fn what_stands_in_the_way_is_named() {
    let mut looks = Looks::new();
    let still_short = Retained { still_short: true, ..Retained::default() };
    let said = looks.look(0, still_short.clone(), free(10));
    assert!(said.starts_with("ERROR disk is too full") && said.contains("min_free_mb"), "{said}");
    assert_eq!(looks.watch.level, SpaceLevel::Full);
    let inodes = Space { free_files: Some(0), min_free_files: 5, ..free(500) };
    let said = looks.look(1, still_short, inodes.clone());
    assert!(said.contains("no inodes left") && said.contains("df -i"), "{said}");
    let said = Looks::new().look(0, dropped(1), Space { free_files: Some(5), ..inodes.clone() });
    assert!(said.contains("no inodes left: footage") && said.contains("df -i"), "{said}");
    let said = Looks::new().look(0, Retained::default(), Space { free_files: Some(9), ..inodes });
    assert!(said.contains("running out of inodes"), "{said}");
}

#[test]
fn a_database_that_does_not_answer_is_fatal_and_keeps_the_level_until_it_does() {
    let mut looks = Looks::new();
    looks.look(0, Retained::default(), free(150));
    let refused = || Err(Error::new(Kind::Disk, "give files up: database or disk is full"));
    assert!(looks.told(1, refused()).starts_with("ERROR give files up"));
    assert_eq!(looks.told(2, refused()), "");
    assert!(looks.watch.trouble.as_ref().is_some_and(|trouble| trouble.fatal));
    assert_eq!(looks.watch.level, SpaceLevel::Low);
    assert_eq!(looks.look(3, Retained::default(), free(500)), "INFO space and database are well again");
}
