//! Turns what workers send, and their deaths, into events.

use super::super::calls::End;
use super::Core;
use crate::channel::Heard;
use crate::ids::{Moment, Slot};
use crate::scheduler::Event;
use crate::supervisor::{At, Gone, KillCause, Stream, TURNS};

impl Core {
    /// A slot's worker has rung its bell or has closed its end of the socket.
    pub(super) fn serve_bell(&mut self, slot: Slot) {
        let Some(heard) = self.fleet.hush(slot) else {
            return;
        };
        self.polling.note_bell(slot);
        self.serve_channel(slot);
        self.fleet.hear_crash(slot, || self.calls.now());
        if heard == Heard::Closed {
            self.fleet.end_of_channel(slot, self.calls.now());
        }
    }

    /// Reads what a worker has sent, sends on as it has made room, and sets when it rings
    /// again.
    pub(super) fn serve_channel(&mut self, slot: Slot) {
        let mut told = None;
        for _ in 0..TURNS {
            let Some(process) = self.fleet.get_mut(slot) else {
                return;
            };
            if process.channel.catch_up().is_err() {
                self.fleet.kill_unread(slot, KillCause::Corrupt);
                return;
            }
            self.drain(slot);
            self.settle();
            let process = self.fleet.get(slot).expect("only an exit removes it");
            // It rings for what it sends after the wake policy was set, if the policy says so.
            if told.is_some_and(|sent| process.channel.has_read(sent)) {
                return self.check_claims(slot);
            }
            self.arm(slot);
            self.check_claims(slot);
            let process = self.fleet.get(slot).expect("only an exit removes it");
            if !process.has_unread() {
                return;
            }
            told = Some(process.channel.sent());
        }
        self.unread.push(slot);
    }

    /// A stream of a slot's worker has bytes or has ended.
    pub(super) fn serve_output(&mut self, slot: Slot, stream: Stream) {
        while self.fleet.read_output(slot, stream) {
            self.serve_channel(slot);
            self.fleet.unstick_output(slot, stream);
        }
    }

    /// Kills a worker that cannot claim what it was sent, which may be why it rang.
    pub(super) fn check_claims(&mut self, slot: Slot) {
        if self.fleet.get(slot).is_some_and(|process| process.channel.is_stuck()) {
            self.fleet.kill_unread(slot, KillCause::Damaged);
        }
    }

    /// The process of a slot's worker has ended.
    pub(super) fn serve_exit(&mut self, slot: Slot) {
        let Some(status) = self.fleet.reap(slot) else {
            return;
        };
        // Read all that it sent before it ended. A process that it started may still map the
        // memory and write there, so the amount is bounded: a ring holds a few turns' worth.
        self.drain(slot);
        let Gone { worker, begun, asked } = self.fleet.remove(slot, status);
        let exit_report = self.fleet.exit_report(slot).expect("it was kept with that");
        let end = if asked { End::Asked } else { End::Unasked };
        self.calls.worker_ended(exit_report, end);
        self.calls.tell(Event::WorkerExited { worker, begun });
        self.settle();
    }

    /// Reads what a worker has sent by now into events; the scheduler decides later, when it
    /// has all of them.
    pub(super) fn drain(&mut self, slot: Slot) {
        self.fleet.drain(slot, &mut self.calls);
    }

    /// Tells the scheduler when the item of a worker began that may be overdue. If unread
    /// reports come first, the worker stays overdue and the next turn checks again.
    pub(super) fn check_progress(&mut self, slot: Slot, now: Moment) {
        let Some(process) = self.fleet.get_mut(slot) else {
            return;
        };
        let worker = process.worker;
        let began = if process.has_crashed() {
            // Its item has crashed it in time; the process remains while the core is dumped.
            process.cut_dump_short();
            Some(now)
        } else {
            let began = match process.at() {
                At::Nothing => None,
                At::Item { began } => Some(self.calls.moment(began).min(now)),
                At::Unread => return,
                At::Nonsense => return self.fleet.kill_unread(slot, KillCause::Corrupt),
            };
            process.see(began).map(|began| self.gaps.without(began).min(now))
        };
        self.calls.tell(Event::ProgressChecked { worker, began, now });
    }
}
