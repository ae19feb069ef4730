//! When each camera can have been without footage, and what of the plan was the reason. Pure: it is told the time.

use super::ledger::{Excuse, KILL_MS, Span};

/// Two readings of the clock, and frames on their way.
const READING_MS: i64 = 500;
/// Until a camera that is well again records again: the recorder may just have begun a wait or an attempt.
const RETURN_MS: i64 = 25_000;
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
}

impl Excuses {
    pub fn new(names: &[String]) -> Self {
        let none = names.iter().map(|_| None);
        Self { names: names.to_vec(), closed: Vec::new(), down: none.collect(), ill: vec![None; names.len()] }
    }

    pub fn started(&mut self, now_ms: i64) {
        self.all_down(now_ms, "program start");
    }

    pub fn killed(&mut self, now_ms: i64) {
        // what was open is lost at most, even where the camera had only just come back
        let open = Span::new(now_ms - KILL_MS, now_ms);
        self.closed.push(Excuse { camera: None, span: open, why: "kill" });
        self.all_down(now_ms, "kill");
    }

    pub fn terminated(&mut self, now_ms: i64) {
        self.all_down(now_ms - READING_MS, "restart");
    }

    pub fn recording(&mut self, camera: usize, now_ms: i64) {
        if let Some((from_ms, why)) = self.down[camera].take() {
            self.close(camera, Span::new(from_ms, now_ms + KEYFRAME_MS), why);
        }
    }

    pub fn ill(&mut self, camera: usize, now_ms: i64) {
        self.ill[camera].get_or_insert(now_ms - READING_MS);
    }

    pub fn well(&mut self, camera: usize, now_ms: i64) {
        if let Some(from_ms) = self.ill[camera].take() {
            self.close(camera, Span::new(from_ms, now_ms + RETURN_MS), "camera");
        }
    }

    /// Everything, with what is still open closed now.
    pub fn finish(mut self, now_ms: i64) -> Vec<Excuse> {
        for camera in 0..self.names.len() {
            self.recording(camera, now_ms - KEYFRAME_MS);
            self.well(camera, now_ms - RETURN_MS);
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
        assert_eq!(of("a"), [(100_000, 103_000 + KEYFRAME_MS)]);
        assert_eq!(of("b"), [(100_000, 110_000)]);
        assert_eq!(told.iter().filter(|one| one.camera.is_none()).count(), 2);
    }

    #[test]
    fn a_camera_that_is_ill_excuses_itself_only() {
        let mut excuses = Excuses::new(&["a".into(), "b".into()]);
        excuses.ill(1, 10_000);
        excuses.well(1, 12_000);
        excuses.well(0, 12_000);
        let told = excuses.finish(90_000);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].camera.as_deref(), told[0].span.until_ms), (Some("b"), 12_000 + RETURN_MS));
    }
}
