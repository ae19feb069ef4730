//! Spans of time in milliseconds since 1970, and what is left of one when others are taken from it. Pure.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub from_ms: i64,
    /// Exclusive.
    pub until_ms: i64,
}

impl Span {
    pub fn new(from_ms: i64, until_ms: i64) -> Self {
        Self { from_ms, until_ms }
    }

    pub fn length_ms(self) -> i64 {
        (self.until_ms - self.from_ms).max(0)
    }

    /// What of this span none of the others cover.
    pub fn without(self, others: impl IntoIterator<Item = Span>) -> Vec<Span> {
        let mut left = vec![self];
        for other in others {
            left = left.into_iter().flat_map(|span| span.minus(other)).collect();
        }
        left
    }

    fn minus(self, other: Span) -> impl Iterator<Item = Span> {
        let before = Span::new(self.from_ms, self.until_ms.min(other.from_ms));
        let after = Span::new(self.from_ms.max(other.until_ms), self.until_ms);
        let apart = other.length_ms() == 0 || before == self || after == self;
        let pieces = if apart { [Some(self), None] } else { [Some(before), Some(after)] };
        pieces.into_iter().flatten().filter(|span| span.length_ms() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_cover_is_taken_out() {
        let left = |others: &[(i64, i64)]| {
            let others: Vec<Span> = others.iter().map(|(from, until)| Span::new(*from, *until)).collect();
            let left = Span::new(10, 20).without(others);
            left.into_iter().map(|span| (span.from_ms, span.until_ms)).collect::<Vec<_>>()
        };
        assert_eq!(left(&[]), [(10, 20)]);
        assert_eq!(left(&[(0, 10), (20, 30), (15, 15)]), [(10, 20)]);
        assert_eq!(left(&[(12, 14), (17, 25)]), [(10, 12), (14, 17)]);
        assert_eq!(left(&[(0, 15), (15, 20)]), []);
        assert_eq!(left(&[(0, 12), (11, 13)]), [(13, 20)]);
    }
}
