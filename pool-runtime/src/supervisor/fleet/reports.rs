//! Reads the reports of workers from their channels.

use super::super::exit_report::KillCause;
use super::Fleet;
use crate::channel::{Bodies, Frames, Next};
use crate::error::{Panic, Written};
use crate::ids::{Item, Items, JobId, Slot, Worker};
use crate::wire::message::{Failure, PanicReport, Report, report};

/// How often one worker is read before others get their turn.
pub(crate) const TURNS: usize = 4;

/// Receives the reports of workers, in the order in which they were sent.
pub(crate) trait Listener {
    /// The chunk that the worker runs: its job and its unfinished items. `None` if it has none,
    /// or is not the present worker of its slot.
    fn front(&self, worker: Worker) -> Option<(JobId, Items)>;

    /// Whether the worker serves and need not end.
    fn is_serving(&self, slot: Slot) -> bool;

    /// Whether the worker must end, so that its work is no longer wanted.
    fn is_ending(&self, slot: Slot) -> bool;

    fn ready(&mut self, worker: Worker);

    /// The next items of the worker's front have these results. The worker has worked on them
    /// for `time` nanoseconds.
    fn returned(&mut self, worker: Worker, job: JobId, items: Items, results: Bodies, time: u64);

    /// The next item of the worker's front has failed.
    fn failed(&mut self, worker: Worker, failed: Failed);

    /// The worker begins nothing more.
    fn retired(&mut self, worker: Worker);
}

/// An item that failed in a worker that lives on.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) job: JobId,
    pub(crate) item: Item,
    pub(crate) failure: Failure,
    pub(crate) pid: u32,
    pub(crate) written: Written,
    /// How long the worker has worked, in nanoseconds.
    pub(crate) time: u64,
}

impl Fleet {
    /// Reads what a worker has sent by now.
    pub(crate) fn drain(&mut self, slot: Slot, listener: &mut impl Listener) {
        let Some(process) = self.get(slot).filter(|process| process.has_unread()) else {
            return;
        };
        let sent = process.channel.sent();
        for _ in 0..TURNS {
            let process = self.processes[slot.0].as_mut().expect("the caller saw it");
            let Ok(mut frames) = process.channel.receive() else {
                return self.kill_unread(slot, KillCause::Corrupt);
            };
            let understood = self.take_in(slot, &mut frames, listener);
            let process = self.processes[slot.0].as_mut().expect("only an exit removes it");
            process.channel.put_back(frames);
            if !understood {
                return self.kill_unread(slot, KillCause::Corrupt);
            }
            if process.channel.has_read(sent) {
                return;
            }
        }
    }

    /// Handles frames; `false` if one of them is corrupt or contradicts the worker's state.
    fn take_in(&mut self, slot: Slot, frames: &mut Frames, listener: &mut impl Listener) -> bool {
        let worker = self.processes[slot.0].as_ref().expect("the caller saw it").worker;
        loop {
            let front = listener.front(worker);
            let process = self.processes[slot.0].as_mut().expect("only an exit removes it");
            if let Some((job, items)) = &front {
                // All results of the worker's present chunk that have arrived.
                let (count, results) = frames.run(report::RETURNED, items.end - items.start);
                if count > 0 {
                    let end = items.start + count;
                    let time = process.finish(count, end == items.end);
                    listener.returned(worker, *job, items.start..end, results, time);
                    continue;
                }
            }
            let report = match frames.next() {
                Next::Frame(tag, body) => Report::decode(tag, body),
                Next::Nothing => return true,
                Next::Corrupt => None,
            };
            match (report, front) {
                (Some(Report::Ready { reads }), _) => {
                    process.report_in(reads);
                    listener.ready(worker);
                }
                (Some(Report::Unfit(why)), _) if !process.has_reported_in() => {
                    process.unfit = Some(why);
                }
                (Some(Report::LastWords(report)), _) => {
                    process.panic = Some(to_panic(report));
                }
                (Some(Report::Failed(failure)), Some((job, items))) => {
                    let (is_end, pid) = (items.start + 1 == items.end, process.pid());
                    let time = process.finish(1, is_end);
                    let written = self.written_by_failed(slot);
                    let item = items.start;
                    let failed = Failed { job, item, failure, pid, written, time };
                    listener.failed(worker, failed);
                }
                (Some(Report::Retired(why)), _) => {
                    if !process.retire(why, listener.is_serving(slot)) {
                        return false;
                    }
                    listener.retired(worker);
                }
                // It sent more than it was asked for. If it must end, that does not matter.
                (Some(Report::Returned(_) | Report::Failed(_) | Report::Unfit(_)), _) => {
                    if !listener.is_ending(slot) {
                        return false;
                    }
                }
                (None, _) => return false,
            }
        }
    }
}

/// The panic as errors show it.
pub(crate) fn to_panic(report: PanicReport) -> Panic {
    let PanicReport { message, location, backtrace, .. } = report;
    Panic { message, location, backtrace }
}
