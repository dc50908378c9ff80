//! Misfortune: deaths, departures, and words that are no news.

use super::super::{Event, Mode};
use super::broken::Broken;
use super::caller::Stage;
use super::plan::Trouble;
use super::tally::Happening;
use super::world::World;
use crate::ids::JobId;

impl World {
    /// Something bad happens, if there is somebody to whom it can.
    pub(super) fn trouble(&mut self) -> Result<bool, Broken> {
        match self.rng.pick(&self.plan.kinds) {
            Trouble::Death => Ok(self.death()),
            Trouble::Departure => self.departure(),
            Trouble::Repeat => self.repeat(),
            Trouble::StaleName => self.stale_name(),
            Trouble::Nonsense => self.nonsense(),
            Trouble::GoneJob => self.gone_job(),
            Trouble::Again => self.again(),
        }
    }

    /// Nothing is heard of a death before all is heard that was said.
    fn death(&mut self) -> bool {
        let index = self.rng.index(self.children.len());
        match &mut self.children[index] {
            Some(child) if !child.is_gone() => {
                let happening = child.die(&mut self.rng);
                self.tally.count(happening);
                true
            }
            _ => false,
        }
    }

    fn departure(&mut self) -> Result<bool, Broken> {
        if self.callers.is_empty() {
            return Ok(false);
        }
        let index = self.rng.index(self.callers.len());
        let caller = &self.callers[index];
        let happening = match caller.stage {
            Stage::Pulling => Happening::CallerLeft,
            Stage::Taking => Happening::CallerLeftAfterEnd,
            Stage::Outside | Stage::Leaving | Stage::Away => return Ok(false),
        };
        self.tally.count(happening);
        let runs = |held: &super::books::Held| held.job == caller.job && held.begun;
        if self.books.posts().any(|post| post.held.as_ref().is_some_and(runs)) {
            self.tally.count(Happening::CallerLeftWithItemRunning);
        }
        self.drop_job(index)?;
        Ok(true)
    }

    /// A process is heard to say what it said before, often just now.
    fn repeat(&mut self) -> Result<bool, Broken> {
        if self.past.is_empty() {
            return Ok(false);
        }
        let len = self.past.len();
        let reach = if self.rng.percent(50) { len.min(4) } else { len };
        let event = self.past[len - 1 - self.rng.index(reach)].clone();
        self.tell_no_news(event, Happening::RepeatedNews)
    }

    /// A process of the past says what the present one is about to say.
    fn stale_name(&mut self) -> Result<bool, Broken> {
        let slot = self.rng.index(self.books.places.len());
        let place = &self.books.places[slot];
        let (post, past) = (place.post.as_ref(), &place.past);
        let gone = past.len() - usize::from(post.is_some());
        if gone == 0 {
            return Ok(false);
        }
        let worker = past[self.rng.index(gone)];
        let held = post.and_then(|post| post.held.as_ref());
        let (event, happening) = match held {
            _ if self.rng.percent(20) => (Event::WorkerExited { worker }, Happening::StaleExit),
            _ if self.rng.percent(10) => (Event::StartFailed { worker }, Happening::StaleExit),
            Some(held) => {
                let (job, item) = (held.job, held.items.start);
                match held.begun {
                    true => (Event::ItemFinished { worker, job, item }, Happening::StaleFinished),
                    false => (Event::ItemBegan { worker, job, item }, Happening::StaleBegan),
                }
            }
            None => (Event::WorkerReady { worker }, Happening::StaleReady),
        };
        self.tell_no_news(event, happening)
    }

    /// The present process says what cannot be: mostly right, but of the wrong
    /// job, of the wrong item, or at the wrong time.
    fn nonsense(&mut self) -> Result<bool, Broken> {
        let slot = self.rng.index(self.books.places.len());
        let Some(post) = &self.books.places[slot].post else {
            return Ok(false);
        };
        let worker = post.name;
        let (job, item) = match &post.held {
            Some(held) => (held.job, held.items.start),
            None => (JobId(self.rng.below(6)), self.rng.below(9)),
        };
        let (job, item) = match self.rng.below(4) {
            0 => (JobId(job.0 ^ 1), item),
            1 => (job, item + 1),
            2 => (job, item.saturating_sub(1)),
            _ => (job, item),
        };
        let event = match self.rng.below(4) {
            0 if post.ready => Event::WorkerReady { worker },
            1 => Event::ItemBegan { worker, job, item },
            _ => Event::ItemFinished { worker, job, item },
        };
        self.tell_no_news(event, Happening::NonsenseOfPresentWorker)
    }

    fn gone_job(&mut self) -> Result<bool, Broken> {
        if self.callers.is_empty() {
            return Ok(false);
        }
        let index = self.rng.index(self.callers.len());
        let job = self.callers[index].job;
        let gone = self.books.ledger.fate(job).is_some() && !self.books.ledger.is_live(job);
        if gone {
            self.talk_of_gone_job(job)?;
        }
        Ok(gone)
    }

    /// A caller says something of a job that the scheduler has forgotten.
    pub(super) fn talk_of_gone_job(&mut self, job: JobId) -> Result<(), Broken> {
        let event = match self.rng.below(3) {
            0 => Event::ItemsQueued { job, items: self.callers[job.0 as usize].late_items() },
            1 => Event::JobEnded { job },
            _ => Event::JobDropped { job },
        };
        self.tell_no_news(event, Happening::NewsForGoneJob).map(drop)
    }

    /// A caller says again what it said of a job or of the pool.
    fn again(&mut self) -> Result<bool, Broken> {
        let ended = |&job: &JobId| self.books.ledger.has_ended(job);
        let ended = self.books.ledger.live().find(ended);
        match (ended, self.books.mode) {
            (Some(job), _) if self.rng.percent(50) => {
                self.tell_no_news(Event::JobEnded { job }, Happening::RepeatedJobEnd)
            }
            (_, Mode::Open) => Ok(false),
            (_, Mode::Terminated) if self.rng.percent(50) => {
                self.tell_no_news(Event::Terminate, Happening::RepeatedTerminate)
            }
            _ => self.tell_no_news(Event::Close, Happening::RepeatedClose),
        }
    }

    /// Tells an event only if the books say that nothing may come of it.
    fn tell_no_news(&mut self, event: Event, happening: Happening) -> Result<bool, Broken> {
        if self.books.is_news(&event) {
            return Ok(false);
        }
        self.tally.count(happening);
        self.tell(event)?;
        Ok(true)
    }
}
