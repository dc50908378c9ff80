//! Time in which neither this program nor its workers ran: their container was frozen, or all
//! of them were stopped. The clock goes on meanwhile, so the engine's thread finds such a gap
//! when it reads the clock: it does so far later than it should have.
//!
//! The thread reads the clock when it wakes, before it judges deadlines, and before it sleeps.
//! So a gap is found before a deadline is judged, whether the thread was asleep, awake or about
//! to wake. A gap that begins after the reading cannot end an item too early: deadlines are
//! judged by the reading, and the next reading finds the gap.
//!
//! The thread may also be late alone: on a busy machine, or because it has much to do. The
//! workers run meanwhile. Then an item gets as much more time as the thread was late, and no
//! more.
//!
//! When the machine itself sleeps there is no gap: the monotonic clock stands still.

use std::collections::VecDeque;
use std::time::Duration;

use super::Core;
use crate::ids::Moment;

/// A thread that is late by no more than this was not stopped.
const TOLERANCE: Duration = Duration::from_millis(100);

/// A longer wait is cut into parts: each is one such share of what is left of the wait. A gap
/// that begins in a part is found but for the rest of that part. A wait of a minute has some 30
/// parts.
const PARTS: u32 = 8;

/// So many gaps are kept. Older gaps matter only for items that have been running since then.
const KEPT: usize = 64;

/// The latest gaps: when each began, and when it ended.
#[derive(Debug, Default)]
pub(super) struct Gaps(VecDeque<(Moment, Moment)>);

impl Gaps {
    fn add(&mut self, from: Moment, until: Moment) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((from, until));
    }

    /// The moment at which something began, moved later by all gaps since.
    pub(super) fn without(&self, began: Moment) -> Moment {
        let since = |&(from, until): &(Moment, Moment)| until.saturating_sub(from.max(began));
        began.saturating_add(self.0.iter().map(since).sum())
    }
}

/// How long to sleep before the next look at the clock, of a wait as long as this.
pub(super) fn part(wait: Duration) -> Duration {
    wait.min(TOLERANCE.max(wait / PARTS))
}

impl Core {
    /// Reads the clock, on the engine's thread, and notes a gap if it is late.
    pub(super) fn notice_gap(&mut self) -> Moment {
        let now = self.calls.now();
        if let Some(expected) = self.awake_by.replace(now) {
            let late = now.saturating_sub(expected);
            if late > TOLERANCE {
                self.gaps.add(expected, now);
                self.fleet.postpone_partings(late);
                self.calls.scheduler.postpone(late, now);
            }
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::Slot;
    use crate::scheduler::{Config, Life};
    use crate::supervisor::{Launch, LaunchOptions};
    use crate::sys::poller::Poller;

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

    /// How long a worker may take to start. Far more than the tolerance of a few readings.
    const LIMIT: Duration = Duration::from_secs(1);

    /// The core of a pool of one worker that is to start, which nobody does.
    fn core() -> Core {
        let config = Config {
            workers: 1,
            start_timeout: LIMIT,
            stop_grace: Duration::MAX,
            kill_grace: Duration::MAX,
            restart_limit: None,
            replace: true,
        };
        let launch = Launch::new(LaunchOptions::default(), 1).unwrap();
        Core::new(config, launch, Arc::new(Poller::new().unwrap()))
    }

    /// Does nothing for longer than the limit, as if all were stopped.
    fn stop(core: &Core) {
        let until = core.calls.now() + LIMIT + TOLERANCE;
        while core.calls.now() < until {
            std::thread::yield_now();
        }
    }

    fn is_starting(core: &Core) -> bool {
        matches!(core.calls.scheduler.life(Slot(0)), Life::Starting { .. })
    }

    #[test]
    fn a_stop_within_a_turn_uses_up_no_limit_and_without_one_the_limit_holds() {
        let mut core = core();
        core.notice_gap();
        let began = core.calls.now();
        stop(&core);
        let ended = core.calls.now();
        core.judge();
        assert!(is_starting(&core));
        assert!(core.gaps.without(began) >= ended);
        // However late this thread is at times.
        while is_starting(&core) {
            core.judge();
        }
    }

    #[test]
    fn a_stop_between_a_turn_and_the_sleep_uses_up_no_limit() {
        let mut core = core();
        core.judge();
        stop(&core);
        assert!(core.timeout().is_some_and(|wait| !wait.is_zero()));
        core.judge();
        assert!(is_starting(&core));
    }

    #[test]
    fn a_stop_before_a_thread_wakes_that_was_rung_uses_up_no_limit() {
        let mut core = core();
        core.judge();
        // It sleeps until somebody rings.
        core.awake_by = None;
        core.wake_thread();
        stop(&core);
        core.notice_gap();
        core.judge();
        assert!(is_starting(&core));
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
