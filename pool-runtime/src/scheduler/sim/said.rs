//! Messages on the way from a process to the engine.

use std::collections::VecDeque;

use super::super::Event;
use super::rng::Rng;
use crate::ids::{Item, JobId, Moment, Worker};

#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    StartFailed {
        exhausted: bool,
    },
    Ready,
    Finished {
        job: JobId,
        item: Item,
        /// Of its chunk.
        last: bool,
    },
    /// An item of a job with retries, done as well.
    Failed {
        job: JobId,
        item: Item,
    },
    Retired,
}

/// What is said and not yet heard, in order. What was said before a death is heard.
#[derive(Debug, Default)]
pub(super) struct Channel(VecDeque<Said>);

impl Channel {
    pub(super) fn say(&mut self, said: Said) {
        self.0.push_back(said);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has_outcomes(&self) -> bool {
        self.0.iter().any(|said| matches!(said, Said::Finished { .. } | Said::Failed { .. }))
    }

    /// What is heard next, and how many outcomes that are. Of one chunk, several results
    /// may be heard as one.
    pub(super) fn hear(&mut self, worker: Worker, rng: &mut Rng) -> Option<(Event, u64)> {
        Some(match self.0.pop_front()? {
            Said::StartFailed { exhausted } => {
                (Event::StartFailed { worker, exhausted, now: Moment::ZERO }, 0)
            }
            Said::Ready => (Event::WorkerReady { worker }, 0),
            Said::Retired => (Event::WorkerRetired { worker, now: Moment::ZERO }, 0),
            Said::Failed { job, item } => (Event::ItemHeld { worker, job, item }, 1),
            Said::Finished { job, item, mut last } => {
                let mut end = item + 1;
                let together = rng.pick(&[0, 50, 100]);
                while !last
                    && rng.percent(together)
                    && let Some(&Said::Finished { last: next_last, .. }) = self.0.front()
                {
                    self.0.pop_front();
                    end += 1;
                    last = next_last;
                }
                (Event::ItemsFinished { worker, job, items: item..end }, end - item)
            }
        })
    }
}
