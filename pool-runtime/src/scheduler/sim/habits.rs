//! What a process is like: how it starts, works, and ends.

use super::super::Terms;
use super::plan::Plan;
use super::rng::Rng;
use crate::ids::Moment;

#[derive(Debug, Default)]
pub(super) struct Habits {
    /// Never reports in.
    pub(super) mute: bool,
    /// Never leaves when told goodbye, nor when it has said that it leaves.
    pub(super) clingy: bool,
    /// Does not end when it is asked to.
    pub(super) stubborn: bool,
    /// In percent: items of jobs with retries that fail.
    pub(super) flaky: u64,
    /// In percent: items that take longer than they may, or never end.
    slow: u64,
    /// How many items are left to it.
    rest: Option<u64>,
}

impl Habits {
    pub(super) fn draw(rng: &mut Rng, plan: &Plan, is_calm: bool) -> Self {
        let mut befalls = |chance: u64| rng.percent(chance) && !is_calm;
        Habits {
            mute: befalls(plan.mute),
            clingy: befalls(plan.clingy),
            stubborn: befalls(plan.stubborn),
            flaky: plan.flaky,
            slow: plan.slow,
            rest: plan.lifespan,
        }
    }

    /// An item is done.
    pub(super) fn spend(&mut self) {
        self.rest = self.rest.map(|rest| rest - 1);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.rest == Some(0)
    }

    /// Until when an item takes that begins now.
    pub(super) fn until(&self, rng: &mut Rng, terms: Terms, now: Moment, is_calm: bool) -> Moment {
        if is_calm || !rng.percent(self.slow) {
            return now;
        }
        let limit = terms.timeout.unwrap_or(Moment::from_millis(20));
        let about = now.saturating_add(limit);
        match rng.below(5) {
            0 | 1 => Moment::MAX,
            2 => about - Moment::from_nanos(1),
            3 => about,
            _ => about + Moment::from_micros(rng.below(3000)),
        }
    }
}
