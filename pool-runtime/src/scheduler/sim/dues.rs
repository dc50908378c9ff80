//! What is due by what has happened: the books of what comes back, of what is looked
//! at, of deaths and of time.

use super::super::{Command, ItemFailure, Kept, KillReason, Mode};
use super::books::Books;
use super::lack::Lack;
use super::ledger::Fate;
use super::posts::{Accusation, Asked, Held, Post};
use crate::ids::{Item, Items, JobId, Moment, Worker};
use crate::limits::UNRESPONSIVE;

impl Books {
    /// Items that nobody has wait, or fail if their job has expired, or are forgotten if
    /// it is gone.
    pub(super) fn wait(&mut self, job: JobId, items: &Items, weight: u32) {
        if items.is_empty() || !self.ledger.is_live(job) {
            return;
        }
        if self.ledger.has_expired(job) {
            self.owed.push(Command::FailItems { job, items: items.clone() });
        } else {
            self.ledger.come_back(job, items, weight);
        }
    }

    pub(super) fn owe_recalls(&mut self, whom: impl Fn(&Post) -> bool) {
        let posts = self.places.iter().filter_map(|place| place.post.as_ref());
        let whom = posts.filter(|post| post.asked.is_none() && whom(post));
        let recalls: Vec<Command> =
            whom.map(|post| Command::Recall { worker: post.name }).collect();
        // For two jobs that end in the same step it is asked once.
        let news = recalls.into_iter().filter(|recall| !self.owed.contains(recall));
        self.owed.extend(news.collect::<Vec<_>>());
    }

    /// Enters that the deadlines up to now are acted on.
    pub(super) fn expire(&mut self, now: Moment) {
        let due = |post: &Post| post.deadline.is_some_and(|deadline| deadline <= now);
        self.owe_kills(KillReason::StartTimeout, |post| due(post) && !post.ready);
        self.owe_kills(KillReason::StopGrace, |post| due(post) && post.stopped);
        let over = self.posts().filter(|post| due(post) && post.leaving && !post.stopped);
        for worker in over.map(|post| post.name).collect::<Vec<_>>() {
            self.owe_end(worker, KillReason::ItemTimeout);
        }
        let posts = self.posts().filter(|post| due(post));
        let kills = posts.filter_map(|post| Some((post.name, post.ended?)));
        let kills: Vec<_> = kills.map(|(worker, why)| Command::Kill { worker, why }).collect();
        self.owed.extend(kills);
        for job in self.ledger.expire(now) {
            self.owed.push(Command::ExpireJob { job });
            let stranded = self.ledger.strand(job).into_iter();
            self.owed.extend(stranded.map(|items| Command::FailItems { job, items }));
            self.owe_recalls(|post| post.holds(job));
        }
        self.ledger.wake(now);
        self.wake_lack(now);
    }

    /// Who is at work, or has not begun to serve, is killed; the others have some time.
    pub(super) fn end_all(&mut self, now: Moment) {
        let grace = self.config.kill_grace;
        let latest = now.saturating_add(grace);
        let leaves = |post: &Post| {
            let is_done = post.is_idle() || (post.stopped && post.ended.is_none());
            is_done && !grace.is_zero()
        };
        self.owe_kills(KillReason::Terminated, |post| !leaves(post));
        for post in self.places.iter_mut().filter_map(|place| place.post.as_mut()) {
            if post.is_idle() && leaves(post) {
                self.owed.push(Command::Stop { worker: post.name });
            } else if leaves(post) {
                post.deadline = post.deadline.map(|deadline| deadline.min(latest));
            }
        }
    }

    pub(super) fn owe_kills(&mut self, why: KillReason, whom: impl Fn(&Post) -> bool) {
        let posts = self.places.iter().filter_map(|place| place.post.as_ref());
        let is_ended = |post: &Post| match why {
            // Also those that were only asked.
            KillReason::Terminated => post.killed,
            _ => post.ended.is_some(),
        };
        let whom = posts.filter(|post| !is_ended(post) && whom(post));
        self.owed.extend(whom.map(|post| Command::Kill { worker: post.name, why }));
    }

    fn owe_end(&mut self, worker: Worker, why: KillReason) {
        self.owed.push(match self.config.kill_grace.is_zero() {
            true => Command::Kill { worker, why },
            false => Command::Ask { worker, why },
        });
    }

    /// Somebody has seen how a watched process is getting on: it is accused if its item
    /// has run for as long as it may, or if none has begun for too long.
    pub(super) fn looked(&mut self, worker: Worker, began: Option<Moment>, now: Moment) {
        let post = self.post_mut(worker);
        let limit = post.limit();
        post.unbegun = match began {
            Some(_) => None,
            None => post.unbegun.or(Some(now)).filter(|_| limit.is_some()),
        };
        let Some(limit) = limit else { return };
        let is_overdue = began.is_some_and(|began| began.saturating_add(limit) <= now);
        let patience = limit.max(UNRESPONSIVE);
        let is_unresponsive =
            post.unbegun.is_some_and(|since| since.saturating_add(patience) <= now);
        // Who is asked already is looked at once more when it has answered.
        if post.asked.is_none() {
            post.accused = match (is_overdue, is_unresponsive) {
                (true, _) => Some(Accusation::Overdue),
                (_, true) => Some(Accusation::Unresponsive),
                _ => None,
            };
            self.owe_fence(worker);
        }
    }

    fn owe_fence(&mut self, worker: Worker) {
        let post = self.post_mut(worker);
        let Some(held) = post.held.front().filter(|_| post.accused.is_some()) else { return };
        let (job, item) = (held.job, held.items.start);
        self.owed.push(Command::Fence { worker, job, item });
    }

    /// All is back but what the process is at. If its job is over, or it has been at it
    /// for too long, or will not begin, the process must go.
    pub(super) fn take_back(&mut self, worker: Worker, kept: Kept, now: Moment) {
        let post = self.post_mut(worker);
        let asked = post.asked.take().expect("who answers was asked");
        let accusation = match asked {
            // Nothing was heard of it since.
            Asked::Fenced(why, job, item) if post.is_at(job, item) => Some(why),
            _ => None,
        };
        let keeps = usize::from(kept != Kept::Nothing).min(post.held.len());
        let back: Vec<Held> = post.held.drain(keeps..).collect();
        if keeps == 0 {
            post.unbegun = None;
        }
        let front = post.held.front().cloned();
        for Held { job, items, weight, .. } in back {
            self.wait(job, &items, weight);
        }
        if kept == Kept::Item {
            self.places[worker.slot.0].bear_fruit();
        }
        let Some(front) = front else {
            match accusation {
                Some(Accusation::Unresponsive) => self.owe_end(worker, KillReason::Unresponsive),
                Some(Accusation::Spared) => {
                    let deadline = now.saturating_add(self.config.stop_grace);
                    let post = self.post_mut(worker);
                    (post.stopped, post.deadline) = (true, Some(deadline));
                }
                _ => {}
            }
            return;
        };
        self.go_on(worker, &front, kept, accusation, now);
    }

    fn go_on(
        &mut self,
        worker: Worker,
        front: &Held,
        kept: Kept,
        accusation: Option<Accusation>,
        now: Moment,
    ) {
        let &Held { job, ref items, weight, terms, .. } = front;
        let behind = items.start + 1..items.end;
        let is_overdue = kept == Kept::Item && accusation == Some(Accusation::Overdue);
        match self.ledger.fate(job) {
            Some(Fate::Live) if self.ledger.has_expired(job) => {
                self.let_go(worker, KillReason::JobDeadline);
                self.wait(job, items, weight);
            }
            Some(Fate::Live) if is_overdue => {
                let (item, why) = (items.start, ItemFailure::TimedOut);
                self.owe_end(worker, KillReason::ItemTimeout);
                self.owed.push(Command::FailItem { worker, job, item, why });
                self.wait(job, &behind, weight);
            }
            // It has begun after all: it finishes that item.
            Some(Fate::Live) if kept == Kept::Item => {
                self.wait(job, &behind, weight);
                let held = self.post_mut(worker).held.front_mut().expect("it keeps its item");
                held.items.end = held.items.start + 1;
            }
            Some(Fate::Live) => {}
            _ if !terms.spares_running => self.let_go(worker, KillReason::JobDropped),
            _ if is_overdue => self.let_go(worker, KillReason::ItemTimeout),
            _ if kept == Kept::Item => {
                let post = self.post_mut(worker);
                post.leaving = true;
                post.deadline = terms.timeout.map(|limit| now.saturating_add(limit));
                post.held.clear();
            }
            _ if behind.is_empty() => {
                self.ledger.leave_with(job, self.post(worker.slot.0).serial);
            }
            _ => {
                self.post_mut(worker).accused = Some(Accusation::Spared);
                self.owe_fence(worker);
            }
        }
    }

    /// A process must end that may go on meanwhile with what it is at.
    fn let_go(&mut self, worker: Worker, why: KillReason) {
        let post = self.post(worker.slot.0);
        let (job, serial) = (post.held.front().expect("it is at a chunk").job, post.serial);
        self.ledger.leave_with(job, serial);
        self.owe_end(worker, why);
    }

    /// A process leaves by itself, with nothing begun that it has not finished.
    pub(super) fn retire(&mut self, worker: Worker, now: Moment) {
        let deadline = now.saturating_add(self.config.stop_grace);
        let place = &mut self.places[worker.slot.0];
        place.bear_fruit();
        let post = place.post.as_mut().expect("news comes from a process");
        (post.stopped, post.leaving, post.asked) = (true, false, None);
        post.deadline = Some(deadline);
        for Held { job, items, weight, .. } in std::mem::take(&mut post.held) {
            self.wait(job, &items, weight);
        }
    }

    pub(super) fn worker_exited(&mut self, worker: Worker, begun: bool) {
        let place = &mut self.places[worker.slot.0];
        let is_at_work = begun && !place.post.as_ref().is_some_and(|post| post.held.is_empty());
        if is_at_work {
            place.bear_fruit();
        }
        let post = place.post.take().expect("news comes from a process");
        let unasked = post.ended.is_none() && !post.stopped && !post.leaving;
        let by_its_own_fault = match post.ended {
            None => unasked,
            Some(why) => matches!(why, KillReason::StartTimeout | KillReason::Unresponsive),
        };
        if by_its_own_fault && !post.fruitful {
            place.fruitless += 1;
        }
        let for_job = matches!(post.ended, Some(KillReason::JobDropped | KillReason::JobDeadline));
        if for_job || post.stopped {
            place.starts = place.starts.saturating_sub(1);
        }
        self.untold_deaths += usize::from(unasked);
        for (index, Held { job, mut items, weight, .. }) in post.held.into_iter().enumerate() {
            if is_at_work && index == 0 {
                if self.ledger.is_live(job) {
                    let (item, why): (Item, _) = (items.start, ItemFailure::Died);
                    self.owed.push(Command::FailItem { worker, job, item, why });
                }
                items.start += 1;
            }
            self.wait(job, &items, weight);
        }
        self.buried = Some(post.serial);
    }

    /// Whether too many have died of late; called once all of a moment is entered.
    pub(super) fn count_deaths(&mut self, now: Moment) {
        let deaths = std::mem::take(&mut self.untold_deaths);
        let Some((limit, period)) = self.config.restart_limit else { return };
        if deaths == 0 {
            return;
        }
        self.deaths.extend(std::iter::repeat_n(now, deaths));
        self.deaths.retain(|death| death.saturating_add(period) >= now);
        if self.deaths.len() > limit as usize {
            self.trip();
        }
    }

    /// No worker will do: every job fails.
    pub(super) fn trip(&mut self) {
        self.tripping = true;
        self.tripped = self.config.replace && self.mode == Mode::Open;
        self.deaths.clear();
        self.lack = Lack::default();
        self.owe_recalls(|post| !post.held.is_empty());
    }
}
