//! Which keyframe begins a segment. Pure; all times are running times.

use std::time::Duration;

/// How much longer than its target a segment may become before it is cut, where the camera's own keyframes decide:
/// five groups of 2 s are 10.0002 s with a real camera's jitter, and would be cut at 8 s without this.
const SLACK: Duration = Duration::from_millis(500);
/// An encoder has its frames where it wants them, to the nanosecond or not: half of a frame of 60 a second.
const NEARLY: Duration = Duration::from_millis(8);

/// Who says where keyframes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyframes {
    /// An encoder of ours, which is asked for one at each segment's end.
    OnDemand,
    /// The camera.
    AsTheyCome,
}

#[derive(Debug)]
pub struct Rule {
    target: Duration,
    keyframes: Keyframes,
    /// Of the open segment's first frame.
    began: Option<Duration>,
    last_key: Duration,
}

impl Rule {
    pub fn new(target: Duration, keyframes: Keyframes) -> Rule {
        Rule { target, keyframes, began: None, last_key: Duration::ZERO }
    }

    /// Whether a segment begins with this keyframe.
    pub fn begins(&mut self, at: Duration) -> bool {
        let Some(began) = self.began else {
            self.begin(at);
            return true;
        };
        let lasted = at.saturating_sub(began);
        let is_due = match self.keyframes {
            Keyframes::OnDemand => lasted + NEARLY >= self.target,
            // the next one will come after as long as this one did, and be too late
            Keyframes::AsTheyCome => {
                let group = at.saturating_sub(self.last_key);
                !group.is_zero() && lasted + group > self.target + SLACK
            }
        };
        self.last_key = at;
        if is_due {
            self.begin(at);
        }
        is_due
    }

    /// When a keyframe is wanted, if somebody can be asked.
    pub fn wanted(&self) -> Option<Duration> {
        let began = self.began.filter(|_| self.keyframes == Keyframes::OnDemand)?;
        Some(began + self.target)
    }

    fn begin(&mut self, at: Duration) {
        self.began = Some(at);
        self.last_key = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of the segments, in ms, for keyframes at these ms.
    fn lengths(target: u64, keyframes: Keyframes, at: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut rule = Rule::new(Duration::from_secs(target), keyframes);
        let mut begin = |at: &u64| rule.begins(Duration::from_millis(*at));
        let starts: Vec<u64> = at.into_iter().filter(|at| begin(at)).collect();
        starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn every(ms: u64) -> impl Iterator<Item = u64> {
        (0..100).map(move |n| 3_600_000 + n * ms)
    }

    #[test]
    fn a_camera_s_groups_fill_a_segment_as_far_as_they_fit() {
        use Keyframes::AsTheyCome;
        for (group, length) in [
            (1_000, 10_000),
            (2_000, 10_000),
            (3_000, 9_000),
            (4_000, 8_000),
            (6_000, 6_000),
            (10_000, 10_000),
            (20_000, 20_000),
        ] {
            let lengths = lengths(10, AsTheyCome, every(group));
            assert!(lengths.len() > 8 && lengths.iter().all(|one| *one == length), "{group}: {lengths:?}");
        }
    }

    #[test]
    fn jitter_does_not_cut_a_segment_short() {
        let jitter = every(2_000).enumerate().map(|(n, at)| at + (n as u64 * 37) % 50);
        let lengths = lengths(10, Keyframes::AsTheyCome, jitter);
        assert!(lengths.iter().all(|one| (9_950..10_050).contains(one)), "{lengths:?}");
    }

    #[test]
    fn groups_that_grow_longer_are_cut_as_soon_as_that_is_known() {
        let keyframes = [0, 2_000, 4_000, 6_000, 8_000, 14_000, 20_000, 26_000];
        assert_eq!(lengths(10, Keyframes::AsTheyCome, keyframes), [14_000, 6_000, 6_000]);
    }

    #[test]
    fn an_encoder_s_segments_are_as_long_as_asked() {
        let mut rule = Rule::new(Duration::from_secs(5), Keyframes::OnDemand);
        assert_eq!(rule.wanted(), None);
        assert!(rule.begins(Duration::from_secs(7)));
        assert_eq!(rule.wanted(), Some(Duration::from_secs(12)));
        assert!(!rule.begins(Duration::from_secs(11)), "a scene's own keyframe");
        assert!(rule.begins(Duration::from_nanos(11_999_999_990)));
        assert_eq!(lengths(5, Keyframes::OnDemand, every(2_000)), vec![6_000; 33], "who ignores the wish");
        assert_eq!(Rule::new(Duration::from_secs(5), Keyframes::AsTheyCome).wanted(), None);
    }

    #[test]
    fn a_keyframe_in_several_pieces_is_one() {
        let pieces = every(2_000).flat_map(|at| [at, at, at]);
        let lengths = lengths(10, Keyframes::AsTheyCome, pieces);
        assert!(lengths.iter().all(|one| *one == 10_000), "{lengths:?}");
    }
}
