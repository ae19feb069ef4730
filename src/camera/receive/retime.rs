//! Media time of a camera → running time of its pipeline, both in ns. Pure.
//!
//! A camera's clock is a little fast or slow, which is seconds a day. Times follow arrivals, slowly: by the shortest delay of
//! a while, because a network only ever adds to it. What stands between two frames is the camera's to say, so that a
//! network that held frames back and then hands over all of them at once changes nothing.

const SECOND: i64 = 1_000_000_000;
/// Over which the shortest delay is taken.
const WINDOW: i64 = 10 * SECOND;
/// The most that times are moved after a window: 2 ms a second, more than any quartz needs.
const SLEW: i64 = SECOND / 50;
/// A shortest delay beyond this is none of the network or a quartz: time is missing in what the camera counts.
const STEP: i64 = SECOND;
/// Frames cannot come this long before they were taken: the camera counts anew. Some send the group of pictures they are in all
/// at once to who joins, which is less.
const JUMP: i64 = 5 * SECOND;
/// Frames that are sent in another order than they are shown are less apart.
const BACK: i64 = SECOND / 2;
/// Media times beyond this, or below its negative, are none: 73 years.
pub const MOST: i64 = i64::MAX / 4;

#[derive(Debug, Default)]
pub struct Retime {
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    /// Running time less media time.
    shift: i64,
    /// Of the frame before.
    media: i64,
    /// The latest running time given.
    newest: i64,
    window: Window,
}

#[derive(Debug)]
struct Window {
    began: i64,
    shortest: i64,
}

impl Retime {
    /// The running time of a frame; `arrival` is the running time now.
    pub fn place(&mut self, media: i64, arrival: u64) -> u64 {
        let arrival = i64::try_from(arrival).unwrap_or(i64::MAX);
        let state = self.state.get_or_insert_with(|| State::new(media, arrival));
        if media < state.media.saturating_sub(BACK) || arrival.saturating_sub(state.at(media)) < -JUMP {
            let newest = state.newest;
            *state = State::new(media, arrival.max(newest.saturating_add(1)));
        }
        state.follow(media, arrival);
        let at = state.at(media);
        state.media = media;
        state.newest = state.newest.max(at);
        u64::try_from(at).unwrap_or(0)
    }

    /// The running time of any media time; `None` before the first frame, or for what was before it.
    pub fn at(&self, media: i64) -> Option<u64> {
        self.state.as_ref().and_then(|state| u64::try_from(state.at(media)).ok())
    }
}

impl State {
    fn new(media: i64, at: i64) -> State {
        let window = Window { began: at, shortest: i64::MAX };
        State { shift: at.saturating_sub(media), media, newest: at, window }
    }

    fn at(&self, media: i64) -> i64 {
        media.saturating_add(self.shift)
    }

    fn follow(&mut self, media: i64, arrival: i64) {
        let delay = arrival.saturating_sub(self.at(media));
        self.window.shortest = self.window.shortest.min(delay);
        if arrival.saturating_sub(self.window.began) >= WINDOW {
            let shortest = self.window.shortest;
            let by = if shortest > STEP { shortest } else { shortest.clamp(-SLEW, SLEW) };
            // never back before a frame that has its time
            self.shift = self.shift.saturating_add(by.max(self.newest.saturating_sub(self.at(media)) + 1));
            self.window = Window { began: arrival, shortest: i64::MAX };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const FRAME: i64 = 40 * MS;

    /// Frames of 25 a second, each with its delay in ms; the running times in ms.
    fn placed(frames: impl IntoIterator<Item = (i64, i64)>) -> Vec<i64> {
        let mut retime = Retime::default();
        let place = |(media, delay): (i64, i64)| {
            retime.place(media * MS, u64::try_from((media + delay + 100) * MS).unwrap()) as i64 / MS
        };
        frames.into_iter().map(place).collect()
    }

    #[test]
    fn the_first_frame_stands_where_it_came_and_the_others_as_the_camera_says() {
        assert_eq!(placed([(0, 0), (40, 15), (80, 3), (120, -4)]), [100, 140, 180, 220]);
        assert_eq!(placed([(0, 0), (80, 0), (40, 60), (120, 0)]), [100, 180, 140, 220], "reordered frames");
    }

    #[test]
    fn what_a_network_held_back_and_then_lets_go_keeps_its_distances() {
        let held =
            (0..1_000).map(|n| (n * 40, if (300..400).contains(&n) { 4_000 - (n - 300) * 40 } else { 0 }));
        let placed = placed(held);
        assert!(placed.windows(2).all(|pair| pair[1] - pair[0] == 40), "{placed:?}");
    }

    #[test]
    fn a_clock_that_is_slow_or_fast_is_followed_without_a_leap() {
        for per_mille in [-1, 1] {
            // an hour, counted by the camera
            let drifting =
                (0..90_000_i64).map(|n| (n * 40, n * 40 * per_mille / 1000 + if n % 7 == 0 { 0 } else { 9 }));
            let placed = placed(drifting);
            for pair in placed.windows(2) {
                assert!((20..=60).contains(&(pair[1] - pair[0])), "{pair:?}");
            }
            let (last, ideal) = (placed[89_999], 100 + 89_999 * 40 + 89_999 * 40 * per_mille / 1000);
            assert!((last - ideal).abs() < 60, "{last} {ideal}");
        }
    }

    #[test]
    fn a_camera_that_counts_anew_goes_on_from_now() {
        let mut retime = Retime::default();
        let place =
            |retime: &mut Retime, media: i64, at: i64| retime.place(media, u64::try_from(at).unwrap()) as i64;
        assert_eq!(place(&mut retime, 100 * SECOND, 5 * SECOND), 5 * SECOND);
        assert_eq!(place(&mut retime, 0, 6 * SECOND), 6 * SECOND, "back");
        assert_eq!(place(&mut retime, 900 * SECOND, 7 * SECOND), 7 * SECOND, "ahead");
        assert_eq!(place(&mut retime, 900 * SECOND + FRAME, 7 * SECOND), 7 * SECOND + FRAME);
        assert_eq!(place(&mut retime, -MOST, 8 * SECOND), 8 * SECOND);
        assert_eq!(place(&mut retime, MOST, 9 * SECOND), 9 * SECOND);
    }

    #[test]
    fn time_that_a_camera_forgot_is_made_up_for() {
        // it counts on where it stopped 5 s ago
        let frames = (0..1_000).map(|n| (n * 40, if n < 100 { 0 } else { 5_000 }));
        let placed = placed(frames);
        assert!((placed[999] - (100 + 999 * 40 + 5_000)).abs() < 50, "{}", placed[999]);
    }
}
