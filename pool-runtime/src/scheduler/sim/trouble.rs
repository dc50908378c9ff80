//! Misfortune: deaths, departures, and words that are no news.

use super::super::{Event, Judgement, Kept, Mode};
use super::broken::Broken;
use super::caller::Stage;
use super::plan::Trouble;
use super::tally::Happening;
use super::world::World;
use crate::ids::{Items, JobId, Moment};

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
            Trouble::Halt => Ok(self.halt()),
            Trouble::Age => Ok(self.age()),
        }
    }

    /// What can happen before a recall is answered: a death, or what is no news.
    pub(super) fn trouble_in_between(&mut self) -> Result<(), Broken> {
        let happened = match self.rng.pick(&self.plan.kinds) {
            Trouble::Departure => false,
            Trouble::Death => self.death(),
            Trouble::Repeat => self.repeat()?,
            Trouble::StaleName => self.stale_name()?,
            Trouble::Nonsense => self.nonsense()?,
            Trouble::GoneJob => self.gone_job()?,
            Trouble::Again => self.again()?,
            Trouble::Halt => self.halt(),
            Trouble::Age => self.age(),
        };
        if happened {
            self.tally.count(Happening::TroubleBeforeAnswer);
        }
        Ok(())
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

    /// A process stops, or goes on.
    fn halt(&mut self) -> bool {
        let index = self.rng.index(self.children.len());
        match &mut self.children[index] {
            Some(child) if !child.is_gone() => {
                child.halted = !child.halted;
                let halted = child.halted;
                self.tally.count(if halted { Happening::Halted } else { Happening::WentOn });
                true
            }
            _ => false,
        }
    }

    /// A process has become too old, and says so before it begins another item.
    fn age(&mut self) -> bool {
        let index = self.rng.index(self.children.len());
        match &mut self.children[index] {
            Some(child) if child.may_be_old() && !child.halted => {
                let happening = child.retire(Happening::RetiredAtRandom);
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
        if self.children.iter().flatten().any(|child| child.runs(caller.job)) {
            self.tally.count(Happening::CallerLeftWithItemRunning);
        }
        let job = caller.job;
        if self.books.ledger.is_live(job) && self.books.ledger.has_expired(job) {
            self.tally.count(Happening::DroppedAfterExpiry);
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
        let front = post.and_then(|post| post.held.front());
        let begun = self.rng.percent(50);
        let kept = self.rng.pick(&[Kept::Nothing, Kept::Chunk, Kept::Item]);
        let now = self.now;
        let (event, happening) = match front {
            _ if self.rng.percent(10) => {
                let began = self.rng.percent(50).then_some(Moment::ZERO);
                (Event::ProgressChecked { worker, began, now }, Happening::StaleLook)
            }
            _ if self.rng.percent(10) => {
                (Event::WorkerRetired { worker, now }, Happening::StaleRetirement)
            }
            Some(front) if self.rng.percent(20) => {
                let (job, item) = (front.job, front.items.start);
                (Event::ItemHeld { worker, job, item }, Happening::StaleHeld)
            }
            _ if self.rng.percent(20) => {
                (Event::WorkerExited { worker, begun }, Happening::StaleExit)
            }
            _ if self.rng.percent(10) => {
                let exhausted = self.rng.percent(50);
                (Event::StartFailed { worker, exhausted, now }, Happening::StaleExit)
            }
            _ if self.rng.percent(20) => {
                (Event::Recalled { worker, kept, now: self.now }, Happening::StaleAnswer)
            }
            Some(front) => {
                let (job, start) = (front.job, front.items.start);
                let items = start..self.rng.between(start + 1, front.items.end);
                (Event::ItemsFinished { worker, job, items }, Happening::StaleFinished)
            }
            None => (Event::WorkerReady { worker }, Happening::StaleReady),
        };
        self.tell_no_news(event, happening)
    }

    /// The present process says what cannot be: mostly right, but of the wrong
    /// job, of the wrong items, or at the wrong time.
    fn nonsense(&mut self) -> Result<bool, Broken> {
        let slot = self.rng.index(self.books.places.len());
        let Some(post) = &self.books.places[slot].post else {
            return Ok(false);
        };
        let worker = post.name;
        if self.rng.percent(15) {
            let kept = self.rng.pick(&[Kept::Nothing, Kept::Chunk, Kept::Item]);
            let answer = Event::Recalled { worker, kept, now: self.now };
            return self.tell_no_news(answer, Happening::UnaskedAnswer);
        }
        if self.rng.percent(15) {
            let began = self.rng.percent(50).then_some(Moment::ZERO);
            let look = Event::ProgressChecked { worker, began, now: self.now };
            return self.tell_no_news(look, Happening::UnaskedLook);
        }
        if self.rng.percent(10) {
            let retired = Event::WorkerRetired { worker, now: self.now };
            return self.tell_no_news(retired, Happening::RepeatedRetirement);
        }
        if post.ready && self.rng.percent(25) {
            let ready = Event::WorkerReady { worker };
            return self.tell_no_news(ready, Happening::NonsenseOfPresentWorker);
        }
        // Mostly of its first chunk, else of one that it cannot have begun.
        let nth = if self.rng.percent(80) { 0 } else { post.held.len() / 2 };
        let (job, Items { start, end }) = match post.held.get(nth) {
            Some(held) => (held.job, held.items.clone()),
            None => (JobId(self.rng.below(6)), 3..5),
        };
        if self.rng.percent(20) {
            let item = self.rng.pick(&[start.saturating_sub(1), start + 1, end]);
            let held = Event::ItemHeld { worker, job, item };
            return self.tell_no_news(held, Happening::NonsenseOfPresentWorker);
        }
        let before = start.saturating_sub(1);
        let (job, items) = match self.rng.below(8) {
            0 => (JobId(job.0 ^ 1), start..end),
            1 => (job, start + 1..end + 1),
            2 => (job, start + 1..end),
            3 => (job, before..end),
            4 => (job, before..start),
            5 => (job, start..end + self.rng.between(1, 5)),
            6 => (job, start..before),
            _ => (job, start..start),
        };
        let event = Event::ItemsFinished { worker, job, items };
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
            0 => {
                let items = self.callers[job.0 as usize].late_items();
                Event::ItemsQueued { job, items, weight: 1 }
            }
            1 => Event::JobEnded { job },
            _ => Event::JobDropped { job },
        };
        self.tell_no_news(event, Happening::NewsForGoneJob).map(drop)
    }

    /// A caller says again what it said of a job or of the pool.
    fn again(&mut self) -> Result<bool, Broken> {
        if self.rng.percent(20) {
            return self.tell_no_news(Event::Reset, Happening::RepeatedReset);
        }
        if self.rng.percent(40) && !self.callers.is_empty() {
            let index = self.rng.index(self.callers.len());
            let caller = &self.callers[index];
            let (job, item) = (caller.job, self.rng.below(caller.late_items().end));
            let again = Judgement::Again { not_before: Moment::ZERO, weight: 1 };
            let verdict = self.rng.pick(&[Judgement::Settled, again]);
            let event = Event::ItemJudged { job, item, verdict };
            return self.tell_no_news(event, Happening::RepeatedJudgement);
        }
        let ended = |&job: &JobId| self.books.ledger.has_ended(job);
        let ended = self.books.ledger.live().find(ended);
        match (ended, self.books.mode) {
            (Some(job), _) if self.rng.percent(50) => {
                self.tell_no_news(Event::JobEnded { job }, Happening::RepeatedJobEnd)
            }
            (_, Mode::Open) => Ok(false),
            (_, Mode::Terminated) if self.rng.percent(50) => {
                self.tell_no_news(Event::Terminate { now: self.now }, Happening::RepeatedTerminate)
            }
            (_, Mode::Closing) if self.rng.percent(50) => {
                self.tell_no_news(Event::Join, Happening::RepeatedJoin)
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
