//! What can go wrong between a recorder and S3, and plans of it: the next few, a span of time, or a seeded mix.

use std::time::{Duration, Instant};

/// How a request is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is read, nothing is stored; this status and S3 error code are answered.
    Refuse(u16, &'static str),
    /// As [`Self::Refuse`], but answered before the body was read.
    RefuseEarly(u16, &'static str),
    /// `RequestTimeTooSkewed`, with a clock that is 20 minutes ahead.
    Skewed,
    /// The object is stored; this status and S3 error code are answered all the same.
    CommitThenRefuse(u16, &'static str),
    /// The object is stored, then the connection closes without an answer.
    CommitThenHangUp,
    /// The object is stored, then the connection is reset.
    CommitThenReset,
    /// The object is stored, and no answer ever comes.
    CommitThenStall,
    /// The object is stored; the answer names this ETag, or none.
    Etag(Option<&'static str>),
    /// Half of the body is read, then the connection is reset.
    ResetMidBody,
    /// Half of the body is read, then nothing happens any more.
    StallMidBody,
    /// Nothing is read and nothing answered.
    NeverAnswers,
    /// 307 to a page of the same server that takes everything.
    Redirect,
    /// A login page: 200 and HTML, whatever was asked.
    LoginPage,
    /// The body is read at this many bytes a second, then all is well.
    Slow(u32),
    /// Bytes that are no HTTP.
    Garbage,
}

/// Which requests a plan spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meets {
    /// PUTs of segments.
    Segments,
    /// Everything that makes an object: segments, manifests, probes.
    Puts,
    /// Every request, as a network in between or a broken server would.
    Everything,
}

/// Which faults come when. Printed when a test fails, so that its seed is known.
#[derive(Clone, Debug)]
pub struct Plan {
    meets: Meets,
    ends: Ends,
    faults: Choice,
}

#[derive(Clone, Debug)]
enum Ends {
    Never,
    After(usize),
    At(Instant),
}

#[derive(Clone, Debug)]
enum Choice {
    One(Fault),
    Mix { seed: u64, percent: u8, random: fastrand::Rng },
}

impl Plan {
    /// `fault` for everything that makes an object, until another plan comes.
    pub fn always(fault: Fault) -> Self {
        Self { meets: Meets::Puts, ends: Ends::Never, faults: Choice::One(fault) }
    }

    /// `fault` for the next `count` of them.
    pub fn next(count: usize, fault: Fault) -> Self {
        Self { ends: Ends::After(count), ..Self::always(fault) }
    }

    /// `fault` from now on for this long.
    pub fn during(span: Duration, fault: Fault) -> Self {
        Self { ends: Ends::At(Instant::now() + span), ..Self::always(fault) }
    }

    /// Of all kinds, on `percent` of all requests, in an order that `seed` decides; until another plan comes.
    pub fn mix(seed: u64, percent: u8) -> Self {
        let faults = Choice::Mix { seed, percent, random: fastrand::Rng::with_seed(seed) };
        Self { meets: Meets::Everything, ends: Ends::Never, faults }
    }

    pub fn meeting(self, meets: Meets) -> Self {
        Self { meets, ..self }
    }

    /// The fault for a request, if this plan has one for it now.
    pub(super) fn draw(&mut self, is_put: bool, is_segment: bool) -> Option<Fault> {
        let met = match self.meets {
            Meets::Segments => is_put && is_segment,
            Meets::Puts => is_put,
            Meets::Everything => true,
        };
        if !met || self.is_over() {
            return None;
        }
        if let Ends::After(left) = &mut self.ends {
            *left -= 1;
        }
        match &mut self.faults {
            Choice::One(fault) => Some(*fault),
            Choice::Mix { percent, random, .. } => (random.u8(..100) < *percent).then(|| any(random)),
        }
    }

    fn is_over(&self) -> bool {
        match self.ends {
            Ends::Never => false,
            Ends::After(left) => left == 0,
            Ends::At(end) => Instant::now() >= end,
        }
    }
}

/// Those that cost a client its whole patience come seldom, or nothing else would be tried.
fn any(random: &mut fastrand::Rng) -> Fault {
    const SELDOM: [Fault; 3] = [Fault::CommitThenStall, Fault::StallMidBody, Fault::NeverAnswers];
    const OFTEN: [Fault; 15] = [
        Fault::Refuse(503, "SlowDown"),
        Fault::RefuseEarly(503, "SlowDown"),
        Fault::Refuse(500, "InternalError"),
        Fault::Refuse(429, "TooManyRequests"),
        Fault::Refuse(400, "RequestTimeout"),
        Fault::Refuse(409, "OperationAborted"),
        Fault::CommitThenRefuse(500, "InternalError"),
        Fault::CommitThenRefuse(503, "ServiceUnavailable"),
        Fault::CommitThenHangUp,
        Fault::CommitThenReset,
        Fault::Etag(Some("0123456789abcdef0123456789abcdef")),
        Fault::Etag(None),
        Fault::ResetMidBody,
        Fault::LoginPage,
        Fault::Garbage,
    ];
    if random.u8(..100) < 3 { SELDOM[random.usize(..3)] } else { OFTEN[random.usize(..OFTEN.len())] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_mix_is_the_same_each_time_and_has_its_share() {
        let drawn = |seed| {
            let mut plan = Plan::mix(seed, 30);
            (0..1000).map(|_| plan.draw(false, false)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let faults: Vec<Fault> = drawn(7).into_iter().flatten().collect();
        assert!((250..350).contains(&faults.len()), "{}", faults.len());
        assert!(faults.contains(&Fault::Garbage) && faults.contains(&Fault::NeverAnswers), "{faults:?}");
    }
}
