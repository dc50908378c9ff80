//! The engine's state under its lock: the calls of a pool, the fleet of its workers, and the
//! events and commands that pass between them.

mod commands;
mod events;
mod gaps;
mod polling;

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::Seen;
use super::calls::Calls;
use super::locked::Notification;
use crate::error::Error;
use crate::ids::{Moment, Slot};
use crate::scheduler::{Config, Event};
use crate::supervisor::{Fleet, Launch, Outside, Token};
use crate::sys::poller::{BELL, Poller};
use gaps::Gaps;
use polling::Polling;

/// The state of one pool.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) calls: Calls,
    fleet: Fleet,
    polling: Polling,
    gaps: Gaps,
    /// Workers with more to read than one turn takes.
    unread: Vec<Slot>,
    /// Both are empty between uses and kept for their memory: the head of a chunk, and the
    /// slots that chunks were sent to.
    head: Vec<u8>,
    sent_to: Vec<Slot>,
    /// When the engine's thread reads the clock again: at the end of its sleep, or at once
    /// while it is awake or rung. `None` while it sleeps without a limit.
    awake_by: Option<Moment>,
}

impl Core {
    pub(super) fn new(config: Config, launch: Launch, poller: Arc<Poller>) -> Core {
        Core {
            fleet: Fleet::new(config.workers, launch, poller),
            polling: Polling::new(config.workers),
            calls: Calls::new(config),
            gaps: Gaps::default(),
            unread: Vec::new(),
            head: Vec::new(),
            sent_to: Vec::new(),
            awake_by: Some(Moment::ZERO),
        }
    }

    /// Ends a caller's turn before it releases the lock: lets the scheduler decide on the
    /// caller's events, and wakes the engine's thread if that has brought an earlier deadline.
    #[inline]
    pub(super) fn end_turn(&mut self) {
        if self.calls.is_undecided() {
            self.settle();
            self.wake_thread();
        }
    }

    /// Ends all jobs and workers. First reads what workers have sent: a worker whose outcomes
    /// have all arrived is idle and is asked to leave instead of being killed.
    pub(super) fn terminate(&mut self) {
        for slot in (0..self.fleet.size()).map(Slot) {
            self.drain(slot);
        }
        let now = self.calls.now();
        self.calls.tell(Event::Terminate { now });
    }

    /// Handles the events that the poller reported by these tokens, and the deadlines.
    pub(super) fn turn(&mut self, tokens: &[u64]) {
        self.notice_gap();
        for slot in std::mem::take(&mut self.unread) {
            self.serve_channel(slot);
        }
        for &token in tokens.iter().filter(|&&token| token != BELL) {
            match Token::of(token) {
                Token::Bell(slot) => self.serve_bell(slot),
                Token::Exit(slot) => self.serve_exit(slot),
                Token::Output(slot, stream) => self.serve_output(slot, stream),
            }
        }
        if tokens.contains(&BELL) {
            for (slot, stream) in self.fleet.resume_output() {
                self.serve_output(slot, stream);
            }
        }
        if self.polling.polls_others() {
            self.poll_others();
        }
        self.judge();
        self.settle();
    }

    /// Acts on deadlines that have passed.
    fn judge(&mut self) {
        let now = self.notice_gap();
        // A worker that has reported in is in time, even if its report is not read yet.
        for slot in self.calls.scheduler.overdue(now) {
            self.serve_channel(slot);
        }
        // Only after all are read: a report of one worker may recall the chunks of another,
        // which is then at an item whose progress was not checked.
        for slot in self.calls.scheduler.overdue(now) {
            if self.calls.scheduler.is_watched(slot) {
                self.check_progress(slot, now);
            }
        }
        self.fleet.end_parting(now);
        self.calls.scheduler.expire(now);
    }

    /// How long the engine's thread may sleep. It must ask right before it sleeps.
    pub(super) fn timeout(&mut self) -> Option<Duration> {
        let now = self.notice_gap();
        if !self.unread.is_empty() || self.polling.polls_others() {
            return Some(Duration::ZERO);
        }
        let wait = self.next_deadline().map(|deadline| gaps::part(deadline.saturating_sub(now)));
        self.awake_by = wait.map(|wait| now.saturating_add(wait));
        wait
    }

    fn next_deadline(&self) -> Option<Moment> {
        let of_calls = self.calls.scheduler.next_deadline();
        of_calls.into_iter().chain(self.fleet.next_parting()).min()
    }

    /// Wakes the engine's thread if it would sleep beyond the next deadline, or has work.
    fn wake_thread(&mut self) {
        let sooner = match (self.next_deadline(), self.awake_by) {
            (Some(deadline), Some(awake_by)) => deadline < awake_by,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if sooner {
            let now = self.calls.now();
            self.awake_by = Some(self.awake_by.map_or(now, |awake_by| awake_by.min(now)));
        }
        if sooner || self.is_finished() || !self.unread.is_empty() {
            self.fleet.ring();
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.calls.scheduler.is_finished()
    }

    /// Nothing is left to do. Gives what holds descriptors, which the caller drops after it has
    /// released the lock.
    pub(super) fn let_go(&mut self) -> Option<Outside> {
        assert!(self.is_finished());
        let outside = self.fleet.dissolve();
        // A worker need not have been the last: while none can be started, the last job ends by
        // its deadline or is cancelled.
        self.calls.note_life();
        outside
    }

    /// A panic has left the core inconsistent. Gives the notifications for all callers, which
    /// will find the lock poisoned.
    pub(super) fn abandon(&mut self) -> Vec<Notification> {
        self.fleet.abandon();
        self.calls.abandon()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        let scheduler = &self.calls.scheduler;
        let seen = self.fleet.iter().map(|process| Seen {
            slot: process.worker.slot,
            pid: process.pid(),
            life: scheduler.life(process.worker.slot).clone(),
            busy: scheduler.front(process.worker).is_some(),
            replaced: self.fleet.replaced(process.worker.slot),
            start: process.start,
        });
        seen.collect()
    }

    /// The process id of the latest worker of a slot.
    pub(super) fn pid(&self, slot: Slot) -> Option<u32> {
        self.fleet.pid(slot)
    }

    pub(super) fn signal(&self, slot: Slot, signal: Signal) -> Result<(), Error> {
        self.fleet.signal(slot, signal)
    }

    pub(super) fn last_exit(&self, slot: Slot) -> Option<Option<ExitStatus>> {
        self.fleet.exit_report(slot).map(|exit_report| exit_report.status)
    }
}
