//! A caller: the side of the pool that pulls items and takes outcomes.

use std::collections::BTreeSet;

use super::super::{DEPTH, Terms};
use super::broken::{Broken, Rule, broken};
use super::rng::Rng;
use super::terms::Limits;
use crate::ids::{Item, Items, JobId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Has not called yet.
    Outside,
    /// Still has items, or may have.
    Pulling,
    /// Has said that no more items will come; takes what does.
    Taking,
    /// Wants nothing more, but may have a late word.
    Leaving,
    Away,
}

/// What a caller does next.
#[derive(Debug)]
pub(super) enum Wish {
    Open,
    Queue(Items, u32),
    End,
    Drop,
}

/// What the chunks of a caller may weigh: all light, middling, heavy, or anything.
const WEIGHTS: [&[u32]; 4] = [
    &[1],
    &[DEPTH / 3, DEPTH / 2, DEPTH / 2 + 1],
    &[DEPTH],
    &[1, 1, 5, DEPTH / 2, DEPTH - 1, DEPTH],
];

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) job: JobId,
    pub(super) stage: Stage,
    /// Its deadline is counted from when it calls.
    pub(super) terms: Terms,
    /// How many items its iterator has; none if it has no end.
    pub(super) supply: Option<u64>,
    chunk: u64,
    /// What its chunks may weigh.
    weights: &'static [u32],
    window: u64,
    /// Takes outcomes in input order.
    ordered: bool,
    /// Leaves at the first failed item, as `map` does.
    fails_fast: bool,
    /// Pulls only for idle workers, or when nothing of its own is under way.
    frugal: bool,
    /// How often, in percent, it does nothing when it could.
    sloth: u64,
    /// Left before it had everything.
    pub(super) left: bool,
    pulled: u64,
    taken: u64,
    arrived: BTreeSet<Item>,
    seen_failure: bool,
}

impl Caller {
    pub(super) fn draw(job: JobId, limits: Limits, rng: &mut Rng) -> Self {
        let supply = match rng.below(10) {
            0 => Some(0),
            1 => None,
            2..=5 => Some(rng.between(1, 8)),
            _ => Some(rng.between(1, 60)),
        };
        let chunk = rng.between(1, 12);
        let window = match rng.below(4) {
            _ if supply.is_none() => rng.between(1, 30),
            0 => rng.between(1, 8),
            1 => rng.between(8, 30),
            _ => u64::MAX,
        };
        Caller {
            job,
            stage: Stage::Outside,
            // Some are, and some are not, in every world of many.
            terms: Terms { lazy: job.0 % 3 != 1, ..limits.draw(rng) },
            supply,
            chunk,
            weights: rng.pick(&WEIGHTS),
            window,
            ordered: rng.percent(70),
            fails_fast: rng.percent(20),
            frugal: rng.percent(25),
            sloth: rng.pick(&[0, 0, 30, 80]),
            left: false,
            pulled: 0,
            taken: 0,
            arrived: BTreeSet::new(),
            seen_failure: false,
        }
    }

    /// The only item of the only job of a pool that is one process.
    pub(super) fn single(job: JobId, limits: Limits, rng: &mut Rng) -> Self {
        let mut caller = Caller::draw(job, limits, rng);
        (caller.supply, caller.chunk, caller.terms.lazy) = (Some(1), 1, false);
        caller
    }

    fn under_way(&self) -> u64 {
        self.pulled - self.taken - self.arrived.len() as u64
    }

    fn is_exhausted(&self) -> bool {
        self.supply == Some(self.pulled)
    }

    fn may_pull(&self, hungry: bool) -> bool {
        let has_space = self.pulled - self.taken < self.window;
        let has_reason = !self.frugal || hungry || self.under_way() == 0;
        !self.is_exhausted() && has_space && has_reason
    }

    pub(super) fn is_window_full(&self) -> bool {
        self.stage == Stage::Pulling && self.pulled - self.taken == self.window
    }

    fn takeable(&self) -> Option<Item> {
        let first = self.arrived.first().copied()?;
        (!self.ordered || first == self.taken).then_some(first)
    }

    /// Whether it is not blocked.
    pub(super) fn can_act(&self, hungry: bool) -> bool {
        match self.stage {
            Stage::Outside | Stage::Leaving => true,
            Stage::Away => false,
            _ if self.fails_fast && self.seen_failure => true,
            Stage::Pulling => {
                self.is_exhausted() || self.may_pull(hungry) || self.takeable().is_some()
            }
            Stage::Taking => self.takeable().is_some() || self.under_way() == 0,
        }
    }

    /// Does the next thing that needs no scheduler, or says what does.
    pub(super) fn act(&mut self, rng: &mut Rng, hungry: bool) -> Option<Wish> {
        if rng.percent(self.sloth) {
            return None;
        }
        match self.stage {
            Stage::Outside => return Some(Wish::Open),
            Stage::Leaving | Stage::Away => return None,
            Stage::Pulling | Stage::Taking => {}
        }
        if self.fails_fast && self.seen_failure {
            return Some(Wish::Drop);
        }
        let takes_first = rng.percent(50);
        if takes_first && self.take() {
            return None;
        }
        if self.stage == Stage::Pulling {
            if self.is_exhausted() {
                return Some(Wish::End);
            }
            if self.may_pull(hungry) {
                return Some(Wish::Queue(self.pull(rng), rng.pick(self.weights)));
            }
        }
        if !takes_first {
            self.take();
        }
        if self.stage == Stage::Taking && self.taken == self.pulled {
            self.stage = Stage::Away;
        }
        None
    }

    fn take(&mut self) -> bool {
        let Some(item) = self.takeable() else {
            return false;
        };
        self.arrived.remove(&item);
        self.taken += 1;
        true
    }

    fn pull(&mut self, rng: &mut Rng) -> Items {
        let left = self.supply.map_or(u64::MAX, |supply| supply - self.pulled);
        let space = self.window - (self.pulled - self.taken);
        let chunk = rng.between(1, self.chunk).min(left).min(space);
        let start = self.pulled;
        self.pulled += chunk;
        start..self.pulled
    }

    /// An iterator without end comes to one all the same.
    pub(super) fn run_dry(&mut self) {
        self.supply.get_or_insert(self.pulled);
    }

    /// Something that it might still say of its job after it is gone.
    pub(super) fn late_items(&self) -> Items {
        self.pulled..self.pulled + 1
    }

    /// An outcome reaches the caller.
    pub(super) fn arrive(&mut self, item: Item, failed: bool) -> Result<(), Broken> {
        let missing = if self.ordered { item >= self.taken } else { true };
        let listening = matches!(self.stage, Stage::Pulling | Stage::Taking);
        if !listening || !missing || item >= self.pulled || !self.arrived.insert(item) {
            let detail = format!("item {item} arrived at {self:?}");
            return broken(Rule::CallerIsServed, detail);
        }
        self.seen_failure |= failed;
        Ok(())
    }

    /// What must hold at any time while the job is live.
    pub(super) fn check(&self, unsettled: u64) -> Result<(), Broken> {
        let in_window = self.pulled - self.taken <= self.window;
        if in_window && self.under_way() == unsettled {
            return Ok(());
        }
        broken(Rule::CallerIsServed, format!("{unsettled} items are unsettled for {self:?}"))
    }

    /// What must hold when the job is done and the caller away.
    pub(super) fn check_served(&self) -> Result<(), Broken> {
        if self.left {
            return Ok(());
        }
        if self.taken == self.pulled && self.is_exhausted() && self.arrived.is_empty() {
            return Ok(());
        }
        broken(Rule::CallerIsServed, format!("the caller went without all: {self:?}"))
    }
}
