//! What workers write to their standard output and error, where that is read.

use super::tokens::Token;
use super::{Core, Member};
use crate::error::Written;
use crate::ids::{Item, Slot};
use crate::supervisor::{Listening, STREAMS, Stream, Taken, Tap};
use crate::sys::poller::Poller;

impl Core {
    /// A stream of a slot's worker has something, or has come to its end.
    pub(super) fn serve_output(&mut self, slot: Slot, stream: Stream) {
        loop {
            let poller = &self.outside.as_ref().expect("see Core::outside").poller;
            let Some(tap) = tap_of(&mut self.members[slot.0]) else {
                return;
            };
            if tap.listening(stream) != Listening::Yes {
                return;
            }
            match tap.take_in(stream) {
                Taken::Enough => return,
                Taken::All => {
                    let removed = poller.remove(tap.pipe(stream));
                    removed.expect("the pipe is among those waited on");
                    return tap.set_listening(stream, Listening::No);
                }
                Taken::Stuck if tap.is_relayed() => {
                    // Until the mailbox has place.
                    listen(poller, tap, slot, stream, false);
                    return self.held_output.push((slot, stream));
                }
                Taken::Stuck => {
                    // The outcome of the item that failed before has been sent by now. If
                    // not, the worker makes marks of its own, and nobody knows of what.
                    self.serve_channel(slot);
                    if let Some(tap) = tap_of(&mut self.members[slot.0]) {
                        tap.make_place(stream);
                    }
                }
            }
        }
    }

    /// There may be place in the mailbox.
    pub(super) fn resume_output(&mut self) {
        for (slot, stream) in std::mem::take(&mut self.held_output) {
            let poller = &self.outside.as_ref().expect("see Core::outside").poller;
            let tap = tap_of(&mut self.members[slot.0]).expect("of the dead nothing is held");
            listen(poller, tap, slot, stream, true);
            self.serve_output(slot, stream);
        }
    }

    /// The failure of an item has come from a slot's worker: what the item wrote.
    pub(super) fn written_by_failed(&mut self, slot: Slot) -> Written {
        tap_of(&mut self.members[slot.0]).map_or_else(Written::default, Tap::of_failed)
    }

    /// What the overdue item has written that a worker is at.
    pub(super) fn written_by_overdue(&mut self, slot: Slot, item: Option<Item>) -> Written {
        let tap = tap_of(&mut self.members[slot.0]);
        tap.map_or_else(Written::default, |tap| tap.of_overdue(item))
    }

    /// What a worker that has ended wrote last: in the middle of an item, or not.
    pub(super) fn written_by_dead(&mut self, member: &mut Member, in_item: bool) -> Written {
        let Some(tap) = member.tap.take() else {
            return Written::default();
        };
        // So that each stream is held once at most, however many workers a slot has while
        // the mailbox is full.
        self.held_output.retain(|&(slot, _)| slot != member.worker.slot);
        // Explicitly, as with the bell.
        for stream in STREAMS.into_iter().filter(|&each| tap.listening(each) != Listening::No) {
            let removed = self.outside().poller.remove(tap.pipe(stream));
            removed.expect("the pipe is among those waited on");
        }
        tap.end(in_item)
    }
}

fn tap_of(member: &mut Option<Member>) -> Option<&mut Tap> {
    member.as_mut()?.tap.as_mut()
}

fn listen(poller: &Poller, tap: &mut Tap, slot: Slot, stream: Stream, listens: bool) {
    let token = Token::Output(slot, stream).number();
    let changed = poller.set_heard(tap.pipe(stream), token, listens);
    changed.expect("the pipe is among those waited on");
    tap.set_listening(stream, if listens { Listening::Yes } else { Listening::Paused });
}
