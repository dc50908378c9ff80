//! Items that have failed in jobs with retries, and what is said of them.

use super::super::{DEPTH, Event, Judgement, Mode};
use super::broken::Broken;
use super::tally::Happening;
use super::world::World;
use crate::ids::{Item, JobId, Moment};

/// How often an item may be tried again.
const RETRIES: u32 = 3;

impl World {
    /// An item has failed by a command.
    pub(super) fn fail_item(&mut self, job: JobId, item: Item) -> Result<(), Broken> {
        let caller = self.caller(job);
        // The job may be over since.
        if caller.left {
            return Ok(());
        }
        if !caller.terms.retries {
            return caller.arrive(item, true);
        }
        if self.books.ledger.is_unjudged(job, item)
            && let Some(verdict) = self.perhaps_judge(job, item)
        {
            self.report(verdict)?;
        }
        Ok(())
    }

    /// The judgement of an item that has failed, or none so far.
    pub(super) fn perhaps_judge(&mut self, job: JobId, item: Item) -> Option<Event> {
        if !self.books.ledger.is_unjudged(job, item) {
            return None;
        }
        if !self.rng.percent(self.plan.prompt) {
            self.questions.push((job, item));
            return None;
        }
        self.tally.count(Happening::JudgedAtOnce);
        Some(self.judge(job, item))
    }

    /// Some item is judged that was not at once.
    pub(super) fn let_judge_act(&mut self) -> Result<bool, Broken> {
        if self.questions.is_empty() {
            return Ok(false);
        }
        let index = self.rng.index(self.questions.len());
        let (job, item) = self.questions.swap_remove(index);
        let verdict = self.judge(job, item);
        self.tally.count(match self.books.is_news(&verdict) {
            false => Happening::JudgedForGoneJob,
            true if self.books.mode == Mode::Closing => Happening::JudgedWhileClosing,
            true => Happening::JudgedLater,
        });
        self.tell(verdict)?;
        Ok(true)
    }

    fn judge(&mut self, job: JobId, item: Item) -> Event {
        let tried_again = self.books.ledger.tried_again(job, item);
        let verdict = if tried_again >= RETRIES || self.rng.percent(25) {
            Judgement::Settled
        } else {
            let not_before = match self.rng.below(4) {
                0 => self.now,
                1 => self.now + Moment::from_micros(self.rng.below(30_000)),
                _ => Moment::ZERO,
            };
            Judgement::Again { not_before, weight: self.rng.pick(&[1, 1, DEPTH / 2, DEPTH]) }
        };
        Event::ItemJudged { job, item, verdict }
    }

    /// A judgement was news.
    pub(super) fn after_verdict(&mut self, event: &Event) -> Result<(), Broken> {
        let &Event::ItemJudged { job, item, verdict } = event else {
            unreachable!("the caller has seen what it is");
        };
        self.past.push(event.clone());
        let is_expired = self.books.ledger.has_expired(job);
        self.tally.count(match verdict {
            Judgement::Settled => Happening::JudgedSettled,
            Judgement::Again { .. } if is_expired => Happening::AgainAfterExpiry,
            Judgement::Again { not_before: Moment::ZERO, .. } => Happening::AgainAtOnce,
            Judgement::Again { .. } => Happening::AgainLater,
        });
        match verdict {
            Judgement::Settled if !self.caller(job).left => self.caller(job).arrive(item, true),
            _ => Ok(()),
        }
    }
}
