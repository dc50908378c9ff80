//! Reads the standard output and error of workers, if they are captured or prefixed.

use super::super::output::{Listening, OutputCapture, STREAMS, Stream, Taken};
use super::super::process::WorkerProcess;
use super::{Fleet, Token};
use crate::error::Written;
use crate::ids::{Item, Slot};
use crate::sys::poller::Poller;

impl Fleet {
    /// A stream of a slot's worker has bytes, or has ended. Tells whether it is stuck: the
    /// next bytes belong to an item, and the outcome of the failed one before is not read
    /// yet. The caller reads that outcome and calls [`Fleet::unstick_output`].
    #[must_use]
    pub(crate) fn read_output(&mut self, slot: Slot, stream: Stream) -> bool {
        let poller = &self.outside.as_ref().expect("see Fleet::outside").poller;
        let Some(capture) = capture_of(&mut self.processes[slot.0]) else {
            return false;
        };
        if capture.listening(stream) != Listening::Yes {
            return false;
        }
        match capture.take_in(stream) {
            Taken::Enough => {}
            Taken::All => {
                let removed = poller.remove(capture.pipe(stream));
                removed.expect("the pipe is among those waited on");
                capture.set_listening(stream, Listening::No);
            }
            Taken::Stuck if capture.is_relayed() => {
                // Until the mailbox has room.
                listen(poller, capture, slot, stream, false);
                self.held_output.push((slot, stream));
            }
            Taken::Stuck => return true,
        }
        false
    }

    /// The outcome of the failed item has been read. If there was none, the worker has
    /// written marks of its own, whose output belongs to no item.
    pub(crate) fn unstick_output(&mut self, slot: Slot, stream: Stream) {
        if let Some(capture) = capture_of(&mut self.processes[slot.0]) {
            capture.make_room(stream);
        }
    }

    /// The mailbox may have room again: gives the streams to read on.
    pub(crate) fn resume_output(&mut self) -> Vec<(Slot, Stream)> {
        let held = std::mem::take(&mut self.held_output);
        for &(slot, stream) in &held {
            let poller = &self.outside.as_ref().expect("see Fleet::outside").poller;
            let capture =
                capture_of(&mut self.processes[slot.0]).expect("held output is of living workers");
            listen(poller, capture, slot, stream, true);
        }
        held
    }

    /// The output of the item whose failure a slot's worker has just sent.
    pub(super) fn written_by_failed(&mut self, slot: Slot) -> Written {
        capture_of(&mut self.processes[slot.0])
            .map_or_else(Written::default, OutputCapture::of_failed)
    }

    /// The output of the overdue item that a worker is running.
    pub(crate) fn written_by_overdue(&mut self, slot: Slot, item: Option<Item>) -> Written {
        let capture = capture_of(&mut self.processes[slot.0]);
        capture.map_or_else(Written::default, |capture| capture.of_overdue(item))
    }

    /// The last output of a worker that has ended, within an item or not.
    pub(super) fn written_by_dead(
        &mut self,
        process: &mut WorkerProcess,
        in_item: bool,
    ) -> Written {
        let Some(capture) = process.capture.take() else {
            return Written::default();
        };
        // Keeps each stream in the list at most once, however many workers a slot has while
        // the mailbox is full.
        self.held_output.retain(|&(slot, _)| slot != process.worker.slot);
        // Explicitly, as with the bell.
        for stream in STREAMS.into_iter().filter(|&each| capture.listening(each) != Listening::No) {
            let removed = self.outside().poller.remove(capture.pipe(stream));
            removed.expect("the pipe is among those waited on");
        }
        capture.end(in_item)
    }
}

fn capture_of(process: &mut Option<WorkerProcess>) -> Option<&mut OutputCapture> {
    process.as_mut()?.capture.as_mut()
}

fn listen(poller: &Poller, capture: &mut OutputCapture, slot: Slot, stream: Stream, listens: bool) {
    let token = Token::Output(slot, stream).number();
    let changed = poller.set_heard(capture.pipe(stream), token, listens);
    changed.expect("the pipe is among those waited on");
    capture.set_listening(stream, if listens { Listening::Yes } else { Listening::Paused });
}
