//! What may go when: the retention rules, pure. `retain` gathers the facts and carries the plan out.
//!
//! Uploaded files go first, always; an un-uploaded one goes only when there is nothing else left to give.

use std::time::Duration;

use crate::segment::{SegmentId, Timestamp};

/// The numbers of `[storage]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub local_buffer: Duration,
    pub max_size_bytes: Option<u64>,
    pub min_free_bytes: u64,
}

/// A file that could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub id: SegmentId,
    pub end: Timestamp,
    pub bytes: u64,
}

/// How things are.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Bytes of all segment files.
    pub total_bytes: u64,
    pub free_bytes: u64,
    /// What recording itself needs to go on; stays free whatever the limits say.
    pub floor_bytes: u64,
    /// Files that must go before new ones can be created: a disk can run out of inodes, too.
    pub short_files: u64,
    /// The oldest `uploaded` rows, oldest first.
    pub uploaded: Vec<Candidate>,
    /// There are more of them than listed.
    pub more_uploaded: bool,
    /// The oldest of `created`, `retry` and `failed`, oldest first; never `uploading`, whose file is being read.
    pub waiting: Vec<Candidate>,
    pub more_waiting: bool,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Uploaded, and older than the local buffer.
    pub clean: Vec<Candidate>,
    /// Uploaded, going before their time.
    pub clean_early: Vec<Candidate>,
    /// Not uploaded: given up.
    pub drop: Vec<Candidate>,
    /// The lists were too short to decide: carry this out and ask again.
    pub again: bool,
    /// Space is short and nothing more can go.
    pub still_short: bool,
}

/// What is missing.
#[derive(Clone, Copy)]
struct Short {
    bytes: u64,
    files: u64,
}

impl Short {
    fn nothing(self) -> bool {
        self.bytes == 0 && self.files == 0
    }

    fn give(&mut self, file: &Candidate) {
        self.bytes = self.bytes.saturating_sub(file.bytes);
        self.files = self.files.saturating_sub(1);
    }
}

/// Where something else fills the disk, giving up every segment would not reach `min_free_mb`. Footage then goes only
/// for the floor.
pub(super) fn plan(limits: &Limits, facts: &Facts, now: Timestamp) -> Plan {
    let over_quota = limits.max_size_bytes.map_or(0, |max| facts.total_bytes.saturating_sub(max));
    let min_free = limits.min_free_bytes.max(facts.floor_bytes);
    let mut short =
        Short { bytes: over_quota.max(min_free.saturating_sub(facts.free_bytes)), files: facts.short_files };
    let mut plan = Plan::default();

    let cutoff = now.minus(limits.local_buffer);
    let (expired, kept): (Vec<&Candidate>, Vec<&Candidate>) =
        facts.uploaded.iter().partition(|file| file.end <= cutoff);
    for file in expired {
        short.give(file);
        plan.clean.push(*file);
    }
    take(&kept, &mut short, &mut plan.clean_early);
    if facts.more_uploaded && kept.len() == plan.clean_early.len() {
        // not one un-uploaded file goes while there are uploaded ones
        plan.again = true;
        return plan;
    }
    let freed = bytes_of(&plan.clean) + bytes_of(&plan.clean_early);
    let hopeless = short.bytes > facts.total_bytes.saturating_sub(freed);
    if hopeless {
        let over_quota = over_quota.saturating_sub(freed);
        let free = facts.free_bytes.saturating_add(freed);
        short.bytes = over_quota.max(facts.floor_bytes.saturating_sub(free));
    }
    take(&facts.waiting.iter().collect::<Vec<_>>(), &mut short, &mut plan.drop);
    plan.again = !short.nothing() && facts.more_waiting;
    plan.still_short = hopeless || (!short.nothing() && !facts.more_waiting);
    plan
}

fn bytes_of(files: &[Candidate]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

/// Free space between two rounds. Some file systems give space back only later: what was removed counts at once,
/// or the next round would give up footage for space that is already won.
pub(super) fn believed_free(at_start: u64, removed: u64, found: u64) -> u64 {
    found.max(at_start.saturating_add(removed))
}

fn take(from: &[&Candidate], short: &mut Short, into: &mut Vec<Candidate>) {
    for file in from {
        if short.nothing() {
            return;
        }
        short.give(file);
        into.push(**file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    /// Candidates of 1 MB each that ended at these seconds.
    fn files(first_id: i64, ends: &[i64]) -> Vec<Candidate> {
        (first_id..)
            .zip(ends)
            .map(|(id, end)| Candidate { id: SegmentId(id), end: Timestamp::from_seconds(*end), bytes: MB })
            .collect()
    }

    fn ids(files: &[Candidate]) -> Vec<i64> {
        files.iter().map(|file| file.id.0).collect()
    }

    struct Case {
        name: &'static str,
        max_mb: Option<u64>,
        min_free_mb: u64,
        total_mb: u64,
        free_mb: u64,
        floor_mb: u64,
        short_files: u64,
        uploaded: &'static [i64],
        more_uploaded: bool,
        waiting: &'static [i64],
        more_waiting: bool,
        /// clean, clean_early, drop, again, still_short; uploaded ids start at 1, waiting ones at 101
        expected: (&'static [i64], &'static [i64], &'static [i64], bool, bool),
    }

    const CALM: Case = Case {
        name: "plenty of space, nothing old",
        max_mb: None,
        min_free_mb: 10,
        total_mb: 50,
        free_mb: 1000,
        floor_mb: 0,
        short_files: 0,
        uploaded: &[950, 990],
        more_uploaded: false,
        waiting: &[10, 20],
        more_waiting: false,
        expected: (&[], &[], &[], false, false),
    };

    /// It is second 1000, the buffer lasts 100 s.
    const CASES: &[Case] = &[
        CALM,
        Case {
            name: "the buffer counts from the segment's end, and its last second is out",
            uploaded: &[899, 900, 901],
            expected: (&[1, 2], &[], &[], false, false),
            ..CALM
        },
        Case {
            name: "old footage that is not uploaded stays, however old, while there is space",
            uploaded: &[],
            waiting: &[1, 2, 3],
            ..CALM
        },
        Case {
            name: "expired files may be all that is needed",
            max_mb: Some(48),
            uploaded: &[800, 850, 990],
            expected: (&[1, 2], &[], &[], false, false),
            ..CALM
        },
        Case {
            name: "over quota: uploaded files go early, oldest first, only as many as needed",
            max_mb: Some(49),
            uploaded: &[950, 960, 970],
            expected: (&[], &[1], &[], false, false),
            ..CALM
        },
        Case {
            name: "un-uploaded files go after every uploaded one, oldest first",
            max_mb: Some(47),
            expected: (&[], &[1, 2], &[101], false, false),
            ..CALM
        },
        Case {
            name: "low free space counts like the quota",
            free_mb: 9,
            expected: (&[], &[1], &[], false, false),
            ..CALM
        },
        Case {
            name: "the larger of both needs decides",
            max_mb: Some(49),
            free_mb: 8,
            expected: (&[], &[1, 2], &[], false, false),
            ..CALM
        },
        Case {
            name: "no un-uploaded file goes while uploaded ones are not even listed",
            max_mb: Some(40),
            more_uploaded: true,
            expected: (&[], &[1, 2], &[], true, false),
            ..CALM
        },
        Case {
            name: "a full list of expired files is followed by the next list",
            uploaded: &[100, 200],
            more_uploaded: true,
            expected: (&[1, 2], &[], &[], true, false),
            ..CALM
        },
        Case {
            name: "more waiting files than listed: ask again",
            max_mb: Some(40),
            more_waiting: true,
            expected: (&[], &[1, 2], &[101, 102], true, false),
            ..CALM
        },
        Case {
            name: "nothing more can go",
            max_mb: Some(40),
            expected: (&[], &[1, 2], &[101, 102], false, true),
            ..CALM
        },
        Case {
            name: "somebody else filled the disk: footage that would not help stays",
            min_free_mb: 1000,
            free_mb: 500,
            floor_mb: 66,
            expected: (&[], &[1, 2], &[], false, true),
            ..CALM
        },
        Case {
            name: "somebody else filled the disk to the brim: recording goes on with the newest",
            min_free_mb: 1000,
            free_mb: 62,
            floor_mb: 66,
            expected: (&[], &[1, 2], &[101, 102], false, true),
            ..CALM
        },
        Case {
            name: "the floor stays free where the limits ask for less",
            min_free_mb: 0,
            free_mb: 63,
            floor_mb: 66,
            expected: (&[], &[1, 2], &[101], false, false),
            ..CALM
        },
        Case {
            name: "no inodes: files go one by one, uploaded ones first, whatever their size",
            short_files: 3,
            expected: (&[], &[1, 2], &[101], false, false),
            ..CALM
        },
        Case {
            name: "no inodes, and somebody else has them",
            short_files: 9,
            expected: (&[], &[1, 2], &[101, 102], false, true),
            ..CALM
        },
        Case {
            name: "nothing at all to give",
            free_mb: 0,
            uploaded: &[],
            waiting: &[],
            expected: (&[], &[], &[], false, true),
            ..CALM
        },
    ];

    #[test]
    fn uploaded_files_go_first_and_nothing_goes_without_need() {
        for case in CASES {
            let limits = Limits {
                local_buffer: Duration::from_secs(100),
                max_size_bytes: case.max_mb.map(|mb| mb * MB),
                min_free_bytes: case.min_free_mb * MB,
            };
            let facts = Facts {
                total_bytes: case.total_mb * MB,
                free_bytes: case.free_mb * MB,
                floor_bytes: case.floor_mb * MB,
                short_files: case.short_files,
                uploaded: files(1, case.uploaded),
                more_uploaded: case.more_uploaded,
                waiting: files(101, case.waiting),
                more_waiting: case.more_waiting,
            };
            let plan = plan(&limits, &facts, Timestamp::from_seconds(1000));
            let (clean, early, drop, again, still_short) = case.expected;
            assert_eq!(ids(&plan.clean), clean, "{}: clean", case.name);
            assert_eq!(ids(&plan.clean_early), early, "{}: clean early", case.name);
            assert_eq!(ids(&plan.drop), drop, "{}: drop", case.name);
            assert_eq!((plan.again, plan.still_short), (again, still_short), "{}", case.name);
        }
    }

    #[test]
    fn removed_files_count_as_free_space_before_the_file_system_says_so() {
        assert_eq!(believed_free(10, 5, 10), 15, "not given back yet");
        assert_eq!(believed_free(10, 5, 15), 15);
        assert_eq!(believed_free(10, 5, 40), 40, "somebody else made room, too");
        assert_eq!(believed_free(10, u64::MAX, 0), u64::MAX);
    }
}
