//! How a worker is asked for what it has not begun, and answers.

use super::super::{Command, Event, Kept};
use super::broken::Broken;
use super::posts::{Accusation, Asked};
use super::tally::Happening;
use super::world::World;
use crate::ids::{Item, Items, JobId, Worker};

/// What has come back by asking.
struct Back {
    chunks: Vec<(JobId, Items)>,
    had_died: bool,
    had_news: bool,
}

impl World {
    /// What a process has not claimed it loses at once; then it is heard, while it
    /// goes on and others may say what is no news; then it is told what it keeps.
    pub(super) fn answer(
        &mut self,
        worker: Worker,
        fenced: Option<(JobId, Item)>,
    ) -> Result<(), Broken> {
        let slot = worker.slot.0;
        let child = self.child(worker.slot);
        let chunks = child.recall().into_iter().map(|sent| (sent.job, sent.items)).collect();
        let (had_died, had_news) = (child.is_gone(), child.unheard() > 0);
        let mut back = Back { chunks, had_died, had_news };
        // Some go on in the very moment in which they are given up.
        if fenced.is_some() && self.child(worker.slot).halted && self.rng.percent(30) {
            self.child(worker.slot).halted = false;
            self.let_go_on(slot)?;
        }
        self.hear_the_asked(slot)?;

        let is_at = fenced.is_some_and(|(job, item)| self.books.post(slot).is_at(job, item));
        let caught = if is_at { self.child(worker.slot).fence() } else { None };
        let kept = match caught {
            Some((kept, given_up)) => {
                back.chunks.splice(0..0, given_up);
                kept
            }
            None if self.child(worker.slot).has_begun_chunk() => Kept::Chunk,
            None => Kept::Nothing,
        };
        let post = self.books.post(slot);
        let held = post.held.iter().skip(usize::from(kept != Kept::Nothing));
        assert!(
            // Who has said meanwhile that it retires has given back all.
            post.stopped
                || held.map(|held| (held.job, held.items.clone())).eq(back.chunks.iter().cloned()),
            "what {worker:?} has lost is not what it has not begun: {kept:?}, {:?}, {:?}",
            back.chunks,
            post.held
        );
        let answer = Event::Recalled { worker, kept, now: self.now };
        self.past.push(answer.clone());
        let is_silent = self.child(worker.slot).is_silent();
        if is_silent && !self.is_commanded(worker) && self.rng.percent(30) {
            self.tally.count(Happening::ExitBeforeAnswer);
            let exit = self.next_word(slot);
            self.report(exit)?;
            return self.report(answer).map(drop);
        }
        self.count_answer(slot, kept, &back);
        self.report(answer).map(drop)
    }

    /// What was under way when it was asked is heard, and perhaps more.
    fn hear_the_asked(&mut self, slot: usize) -> Result<(), Broken> {
        let mut due = self.children[slot].as_ref().map_or(0, |child| child.unheard());
        loop {
            if !self.is_calm() && self.rng.per_mille(self.plan.trouble) {
                self.trouble_in_between()?;
            }
            if self.rng.percent(20) {
                self.let_go_on(slot)?;
            }
            let child = self.children[slot].as_ref().expect("its exit was not heard");
            if child.unheard() == 0 || (due == 0 && self.rng.percent(50)) {
                return Ok(());
            }
            let unheard = child.unheard();
            let word = self.next_word(slot);
            let child = self.children[slot].as_ref().expect("that was no exit");
            due = due.saturating_sub(unheard - child.unheard());
            // Save who was told goodbye meanwhile, having finished all.
            let is_heard = self.report(word)? || self.books.post(slot).stopped;
            assert!(is_heard, "it was asked, so it is heard");
        }
    }

    fn count_answer(&mut self, slot: usize, kept: Kept, back: &Back) {
        let post = self.books.post(slot);
        let Some(asked) = post.asked else { return };
        let is_gone = |job| !self.books.ledger.is_live(job);
        let has_begun = kept != Kept::Nothing;
        let front = post.held.front();
        let kept_gone = has_begun && front.is_some_and(|held| is_gone(held.job));
        let kept_expired = has_begun
            && front
                .is_some_and(|held| !is_gone(held.job) && self.books.ledger.has_expired(held.job));
        let kept_live = has_begun && !kept_gone && !kept_expired;
        let back_gone = back.chunks.iter().any(|&(job, _)| is_gone(job));
        let gives_back = !back.chunks.is_empty();
        let spared = kept_gone && front.is_some_and(|held| held.terms.spares_running);
        let left = front.map_or(0, |held| held.items.end - held.items.start);
        let is_at_chunk = self.children[slot].as_ref().is_some_and(|child| child.is_at_chunk());
        let (accusation, is_same) = match asked {
            Asked::ToShare => (None, false),
            Asked::Fenced(why, job, item) => (Some(why), post.is_at(job, item)),
        };
        let (is_overdue, is_suspect, is_spare) = (
            accusation == Some(Accusation::Overdue),
            accusation == Some(Accusation::Unresponsive),
            accusation == Some(Accusation::Spared),
        );
        let is_item = kept == Kept::Item;
        let happened = [
            (Happening::RecallBroughtNothing, !gives_back),
            (Happening::RecallFoundChunkBegun, has_begun && gives_back),
            (Happening::RecallCrossedResult, has_begun && !is_at_chunk),
            (Happening::RecallFoundNoneBegun, !has_begun && gives_back),
            (Happening::RecallFoundDeath, back.had_died),
            (Happening::RecallBroughtNews, back.had_news),
            (Happening::DropSparedWorker, back_gone && has_begun && !kept_gone),
            (Happening::KillGaveOthersBack, kept_gone && !spared && gives_back && !back_gone),
            (Happening::TimedOut, is_overdue && is_item && kept_live),
            (Happening::NeighboursWentElsewhere, is_overdue && is_item && kept_live && left > 1),
            (Happening::CondemnationFoundChunk, is_overdue && kept == Kept::Chunk),
            (Happening::CondemnationFoundNothing, is_overdue && !has_begun),
            (Happening::CondemnationFoundDeath, is_overdue && back.had_died),
            (Happening::CondemnationFoundJobGone, is_overdue && kept_gone),
            (Happening::CondemnationFoundJobExpired, is_overdue && kept_expired),
            (Happening::SuspectHadBegun, is_suspect && (is_item || !is_same)),
            (Happening::EndedUnresponsive, is_suspect && is_same && !has_begun),
            (Happening::SparedItem, is_spare && is_item),
            (Happening::SparedBetweenItems, is_spare && is_same && !has_begun),
            (Happening::SparedLastItem, spared && !is_item && left == 1),
            (Happening::SparedOverran, spared && is_item && is_overdue),
            (Happening::EndedAfterExpiry, kept_expired),
        ];
        for (happening, _) in happened.into_iter().filter(|&(_, has)| has) {
            self.tally.count(happening);
        }
    }

    /// Whether a command is under way that wants to find it.
    fn is_commanded(&self, worker: Worker) -> bool {
        self.pending.iter().any(|command| match *command {
            Command::Stop { worker: whom }
            | Command::Recall { worker: whom }
            | Command::Fence { worker: whom, .. }
            | Command::Ask { worker: whom, .. }
            | Command::Kill { worker: whom, .. } => whom == worker,
            _ => false,
        })
    }
}
