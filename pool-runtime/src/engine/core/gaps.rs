//! Time in which this program did not run, and its workers did not either: its container
//! was frozen, or all were stopped together. No clock stands still meanwhile, but the
//! engine's thread shows it: it comes back from its sleep far later than it asked.
//!
//! On a machine that is busy that thread may be late alone, and the workers have run. Then
//! an item has as much longer as that thread was late, and no more.
//!
//! Not the machine's own sleep: the monotonic clock leaves that out by itself.

use std::collections::VecDeque;
use std::time::Duration;

use super::Core;
use crate::ids::Moment;

/// What a thread may be late for other reasons.
const TOLERANCE: Duration = Duration::from_millis(100);

/// A wait that is longer is cut into parts of this share of the rest, so that a gap within
/// it is seen but for so much: some 30 parts in a wait of a minute.
const PARTS: u32 = 8;

/// Older ones concern items only that have run since.
const KEPT: usize = 64;

/// The latest gaps, each from a moment until another.
#[derive(Debug, Default)]
pub(super) struct Gaps(VecDeque<(Moment, Moment)>);

impl Gaps {
    fn add(&mut self, from: Moment, until: Moment) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((from, until));
    }

    /// When what began at a moment would have begun if there had been no gap since.
    pub(super) fn without(&self, began: Moment) -> Moment {
        let since = |&(from, until): &(Moment, Moment)| until.saturating_sub(from.max(began));
        began.saturating_add(self.0.iter().map(since).sum())
    }
}

/// How long to sleep at once of a wait.
pub(super) fn part(wait: Duration) -> Duration {
    wait.min(TOLERANCE.max(wait / PARTS))
}

impl Core {
    /// The engine's thread is awake, and was to be by the moment until which it slept.
    pub(super) fn notice_gap(&mut self) {
        let Some(until) = self.asleep_until.take() else {
            return;
        };
        let now = self.calls.now();
        let late = now.saturating_sub(until);
        if late > TOLERANCE {
            self.gaps.add(until, now);
            self.fleet.postpone_partings(late);
            self.calls.scheduler.postpone(late, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Moment::from_secs(seconds)
    }

    #[test]
    fn of_a_gap_counts_what_lies_after_the_beginning() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.without(at(3)), at(3));
        gaps.add(at(10), at(15));
        gaps.add(at(20), at(21));
        assert_eq!(gaps.without(at(9)), at(15));
        assert_eq!(gaps.without(at(12)), at(16), "it began in the gap, so it ran in it");
        assert_eq!(gaps.without(at(16)), at(17));
        assert_eq!(gaps.without(at(22)), at(22));
    }

    #[test]
    fn so_many_are_kept() {
        let mut gaps = Gaps::default();
        (1..=100).for_each(|second| gaps.add(at(2 * second), at(2 * second + 1)));
        assert_eq!(gaps.0.len(), KEPT);
        assert_eq!(gaps.without(at(199)), at(200));
    }

    #[test]
    fn a_long_wait_has_few_parts_and_a_short_one_is_whole() {
        assert_eq!(part(Duration::from_millis(90)), Duration::from_millis(90));
        let mut rest = Duration::from_secs(60);
        let mut parts = 0;
        while !rest.is_zero() {
            assert!(part(rest) <= TOLERANCE.max(rest / PARTS));
            rest -= part(rest);
            parts += 1;
        }
        assert!(parts < 50, "{parts}");
    }
}
