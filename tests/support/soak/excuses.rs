//! When each camera can have been without footage, and what of the plan was the reason. Pure: it is told the time.

use super::ledger::{Excuse, KILL_MS, Span};

/// Two readings of the clock, and frames on their way; more where the machine is late with everything.
const READING_MS: i64 = 300;
/// Until a camera that is well again is recorded again, at most: the recorder may just have begun a wait or an attempt.
const RETURN_MS: i64 = 25_000;
/// What is said of a camera this soon after it was well may still be of the connection that the fault has cut.
const STALE_MS: i64 = 300;
/// From "recording" to the first frame that a segment can begin with.
const KEYFRAME_MS: i64 = 2500;

/// Keeps the spans, those that are still open included.
pub struct Excuses {
    names: Vec<String>,
    closed: Vec<Excuse>,
    /// By camera: since when nothing needs to be recorded because the program is, or was, down.
    down: Vec<Option<(i64, &'static str)>>,
    /// By camera: since when it misbehaves.
    ill: Vec<Option<i64>>,
    /// By camera: since when it misbehaved, and since when it is well, while it is not recorded again.
    returning: Vec<Option<(i64, i64)>>,
    /// How late the machine is with what is due, of late.
    late_ms: i64,
}

impl Excuses {
    pub fn new(names: &[String]) -> Self {
        let count = names.len();
        Self {
            names: names.to_vec(),
            closed: Vec::new(),
            down: vec![None; count],
            ill: vec![None; count],
            returning: vec![None; count],
            late_ms: 0,
        }
    }

    /// Told at every look: how much later than planned it comes.
    pub fn late(&mut self, late_ms: i64) {
        self.late_ms = late_ms.max(self.late_ms * 9 / 10);
    }

    fn reading_ms(&self) -> i64 {
        READING_MS + 2 * self.late_ms
    }

    pub fn started(&mut self, now_ms: i64) {
        self.all_down(now_ms, "program start");
    }

    pub fn killed(&mut self, now_ms: i64) {
        for camera in 0..self.names.len() {
            // what was open is lost at most, even where the camera had only just come back; a camera that is frozen
            // leaves open what it sent last
            let sent_ms = self.misbehaves_since(camera, now_ms).unwrap_or(now_ms);
            let open_ms = KILL_MS + 2 * self.late_ms;
            self.close(camera, Span::new(sent_ms - open_ms, now_ms), "kill");
        }
        self.all_down(now_ms, "kill");
    }

    fn misbehaves_since(&self, camera: usize, now_ms: i64) -> Option<i64> {
        let returning = self.returning[camera].filter(|(_, well_ms)| now_ms - well_ms < RETURN_MS);
        self.ill[camera].or(returning.map(|(from_ms, _)| from_ms))
    }

    pub fn terminated(&mut self, now_ms: i64) {
        self.all_down(now_ms - self.reading_ms(), "restart");
    }

    /// `at_ms`: when the program began to record the camera, by its own word.
    pub fn recording(&mut self, camera: usize, at_ms: i64) {
        if let Some((from_ms, why)) = self.down[camera].take() {
            self.close(camera, Span::new(from_ms, at_ms + KEYFRAME_MS), why);
        }
        if let Some((from_ms, _)) = self.returning[camera].take_if(|(_, well_ms)| at_ms > *well_ms + STALE_MS)
        {
            self.close(camera, Span::new(from_ms, at_ms + KEYFRAME_MS), "camera");
        }
    }

    pub fn ill(&mut self, camera: usize, now_ms: i64) {
        let from_ms = now_ms - self.reading_ms();
        self.ill[camera].get_or_insert(from_ms);
    }

    /// A camera that only froze for a moment is not begun anew, and nothing says that it is recorded again.
    pub fn well(&mut self, camera: usize, now_ms: i64) {
        if let Some(from_ms) = self.ill[camera].take() {
            self.give_up_return(camera);
            self.returning[camera] = Some((from_ms, now_ms));
        }
    }

    fn give_up_return(&mut self, camera: usize) {
        if let Some((from_ms, well_ms)) = self.returning[camera].take() {
            self.close(camera, Span::new(from_ms, well_ms + RETURN_MS), "camera");
        }
    }

    /// Everything, with what is still open closed now.
    pub fn finish(mut self, now_ms: i64) -> Vec<Excuse> {
        for camera in 0..self.names.len() {
            self.well(camera, now_ms);
            self.give_up_return(camera);
            if let Some((from_ms, why)) = self.down[camera].take() {
                self.close(camera, Span::new(from_ms, now_ms), why);
            }
        }
        self.closed
    }

    fn all_down(&mut self, from_ms: i64, why: &'static str) {
        for down in &mut self.down {
            down.get_or_insert((from_ms, why));
        }
    }

    fn close(&mut self, camera: usize, span: Span, why: &'static str) {
        self.closed.push(Excuse { camera: Some(self.names[camera].clone()), span, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_excuses_the_open_segment_and_the_time_until_each_camera_records_again() {
        let mut excuses = Excuses::new(&["a".into(), "b".into()]);
        excuses.killed(100_000);
        excuses.killed(101_000);
        excuses.recording(0, 103_000);
        excuses.recording(0, 150_000);
        let told = excuses.finish(110_000);
        let of = |name: &str| {
            let of = told.iter().filter(|one| one.camera.as_deref() == Some(name));
            of.map(|one| (one.span.from_ms, one.span.until_ms)).collect::<Vec<_>>()
        };
        let open = [(100_000 - KILL_MS, 100_000), (101_000 - KILL_MS, 101_000)];
        assert_eq!(of("a"), [open[0], open[1], (100_000, 103_000 + KEYFRAME_MS)]);
        assert_eq!(of("b"), [open[0], open[1], (100_000, 110_000)]);
    }

    #[test]
    fn what_a_frozen_camera_sent_last_is_still_open_when_the_program_is_killed() {
        let mut excuses = Excuses::new(&["a".into()]);
        excuses.ill(0, 100_000);
        excuses.killed(104_000);
        let told = excuses.finish(110_000);
        assert_eq!(told[0].span, Span::new(100_000 - READING_MS - KILL_MS, 104_000));
    }

    #[test]
    fn a_machine_that_is_late_explains_more_for_a_while() {
        let from_ms = |looks: usize| {
            let mut excuses = Excuses::new(&["a".into()]);
            excuses.late(400);
            (0..looks).for_each(|_| excuses.late(0));
            excuses.terminated(100_000);
            excuses.finish(110_000)[0].span.from_ms
        };
        assert_eq!(from_ms(0), 100_000 - READING_MS - 800);
        assert_eq!(from_ms(100), 100_000 - READING_MS);
    }

    #[test]
    fn a_camera_that_is_ill_excuses_itself_only_until_it_is_recorded_again() {
        let spans = |recording_ms: &[i64]| {
            let mut excuses = Excuses::new(&["a".into(), "b".into()]);
            excuses.ill(1, 10_000);
            excuses.recording(1, 11_000);
            excuses.well(1, 12_000);
            excuses.well(0, 12_000);
            for at_ms in recording_ms {
                excuses.recording(1, *at_ms);
            }
            let told = excuses.finish(90_000);
            assert!(told.len() == 1 && told[0].camera.as_deref() == Some("b"), "{told:?}");
            (told[0].span.from_ms, told[0].span.until_ms)
        };
        let from_ms = 10_000 - READING_MS;
        assert_eq!(spans(&[]), (from_ms, 12_000 + RETURN_MS));
        assert_eq!(spans(&[12_000 + STALE_MS]), (from_ms, 12_000 + RETURN_MS));
        assert_eq!(spans(&[14_000, 19_000]), (from_ms, 14_000 + KEYFRAME_MS));
    }
}
