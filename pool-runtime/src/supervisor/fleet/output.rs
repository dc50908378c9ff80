//! What workers write to their standard output and error, where that is read.

use super::super::output::{Listening, STREAMS, Stream, Taken, Tap};
use super::super::process::WorkerProcess;
use super::{Fleet, Token};
use crate::error::Written;
use crate::ids::{Item, Slot};
use crate::sys::poller::Poller;

impl Fleet {
    /// A stream of a slot's worker has something, or has come to its end. Gives whether it
    /// is stuck before the output of an item whose outcome is not taken in:
    /// [`Fleet::unstick_output`] follows when it is.
    #[must_use]
    pub(crate) fn read_output(&mut self, slot: Slot, stream: Stream) -> bool {
        let poller = &self.outside.as_ref().expect("see Fleet::outside").poller;
        let Some(tap) = tap_of(&mut self.processes[slot.0]) else {
            return false;
        };
        if tap.listening(stream) != Listening::Yes {
            return false;
        }
        match tap.take_in(stream) {
            Taken::Enough => {}
            Taken::All => {
                let removed = poller.remove(tap.pipe(stream));
                removed.expect("the pipe is among those waited on");
                tap.set_listening(stream, Listening::No);
            }
            Taken::Stuck if tap.is_relayed() => {
                // Until the mailbox has place.
                listen(poller, tap, slot, stream, false);
                self.held_output.push((slot, stream));
            }
            Taken::Stuck => return true,
        }
        false
    }

    /// The outcome of the item that failed before is taken in by now. If not, the worker
    /// makes marks of its own, and nobody knows of what.
    pub(crate) fn unstick_output(&mut self, slot: Slot, stream: Stream) {
        if let Some(tap) = tap_of(&mut self.processes[slot.0]) {
            tap.make_place(stream);
        }
    }

    /// There may be place in the mailbox: gives what is to be read on.
    pub(crate) fn resume_output(&mut self) -> Vec<(Slot, Stream)> {
        let held = std::mem::take(&mut self.held_output);
        for &(slot, stream) in &held {
            let poller = &self.outside.as_ref().expect("see Fleet::outside").poller;
            let tap = tap_of(&mut self.processes[slot.0]).expect("of the dead nothing is held");
            listen(poller, tap, slot, stream, true);
        }
        held
    }

    /// The failure of an item has come from a slot's worker: what the item wrote.
    pub(super) fn written_by_failed(&mut self, slot: Slot) -> Written {
        tap_of(&mut self.processes[slot.0]).map_or_else(Written::default, Tap::of_failed)
    }

    /// What the overdue item has written that a worker is at.
    pub(crate) fn written_by_overdue(&mut self, slot: Slot, item: Option<Item>) -> Written {
        let tap = tap_of(&mut self.processes[slot.0]);
        tap.map_or_else(Written::default, |tap| tap.of_overdue(item))
    }

    /// What a worker that has ended wrote last: in the middle of an item, or not.
    pub(super) fn written_by_dead(
        &mut self,
        process: &mut WorkerProcess,
        in_item: bool,
    ) -> Written {
        let Some(tap) = process.tap.take() else {
            return Written::default();
        };
        // So that each stream is held once at most, however many workers a slot has while
        // the mailbox is full.
        self.held_output.retain(|&(slot, _)| slot != process.worker.slot);
        // Explicitly, as with the bell.
        for stream in STREAMS.into_iter().filter(|&each| tap.listening(each) != Listening::No) {
            let removed = self.outside().poller.remove(tap.pipe(stream));
            removed.expect("the pipe is among those waited on");
        }
        tap.end(in_item)
    }
}

fn tap_of(process: &mut Option<WorkerProcess>) -> Option<&mut Tap> {
    process.as_mut()?.tap.as_mut()
}

fn listen(poller: &Poller, tap: &mut Tap, slot: Slot, stream: Stream, listens: bool) {
    let token = Token::Output(slot, stream).number();
    let changed = poller.set_heard(tap.pipe(stream), token, listens);
    changed.expect("the pipe is among those waited on");
    tap.set_listening(stream, if listens { Listening::Yes } else { Listening::Paused });
}
