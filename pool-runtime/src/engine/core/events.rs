//! From workers to the scheduler: what arrives on channels, and deaths.

use super::super::job::{Arrival, JobState};
use super::super::obituary::{Doom, Obituary};
use super::Core;
use crate::channel::{Frames, Heard, Next};
use crate::error::{Error, ErrorKind, Panic};
use crate::ids::{Items, JobId, Slot, index};
use crate::scheduler::{Event, Life, Verdict};
use crate::task::TaskDef;
use crate::wire::message::{Failure, PanicReport, Phase, Report, report};

/// Times that one worker is read from before others get their turn.
const TURNS: usize = 4;

impl Core {
    /// The worker of a slot has rung, or has closed its end.
    pub(super) fn serve_bell(&mut self, slot: Slot) {
        // A token of a worker that went earlier in this turn finds nobody, or a
        // successor with nothing to say.
        let Some(member) = self.members[slot.0].as_mut().filter(|member| member.listening) else {
            return;
        };
        let heard = member.channel.hush();
        self.look_around |= member.map.is_some();
        self.serve_channel(slot);
        if heard == Heard::Ring {
            return;
        }
        self.stop_listening(slot);
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        if member.doom.is_none() && !member.child.is_exiting() {
            // It lives on, but can say no more when there is something to hear.
            member.condemn(Doom::ChannelClosed);
        }
    }

    /// Reads what a worker has sent, sends what it has made room for, and tells it
    /// when to ring again.
    pub(super) fn serve_channel(&mut self, slot: Slot) {
        for _ in 0..TURNS {
            let Some(member) = &mut self.members[slot.0] else {
                return;
            };
            if member.channel.catch_up().is_err() {
                self.condemn(slot, Doom::Nonsense);
                return;
            }
            self.drain(slot);
            self.decide();
            self.arm(slot);
            let member = self.members[slot.0].as_ref().expect("only an exit removes it");
            if !member.has_news() {
                return;
            }
        }
        self.unread.push(slot);
    }

    /// The process of a slot's worker has ended.
    pub(super) fn serve_exit(&mut self, slot: Slot) {
        let Some(member) = &self.members[slot.0] else {
            return;
        };
        let Some(status) = member.child.reap() else {
            return;
        };
        // All that it sent comes before its end. A process that it started may have the
        // memory still, and write there, so this does not read for ever: what is there
        // is less than a few turns' worth.
        self.drain(slot);
        self.stop_listening(slot);
        let mut member = self.members[slot.0].take().expect("only an exit removes it");
        let removed = self.outside().poller.remove(member.child.pidfd());
        removed.expect("the process is among those waited on");
        let worker = member.worker;
        // Of a worker that has gone mad, whatever it says, it may have begun the next.
        let begun = member.channel.begun() != member.finished_items;
        let obituary = Obituary {
            worker,
            who: self.outside().launch.who(slot),
            pid: member.child.pid(),
            status,
            reported_in: member.reported_in,
            doom: member.doom,
            last_words: member.last_words.take(),
        };
        self.note_end(obituary.of_start(self.start_timeout));
        self.obituaries[slot.0] = Some(obituary);
        self.life_changed = true;
        // Decided once its item has failed: that may end the job, and then no worker
        // must be given more of it.
        self.tell(Event::WorkerExited { worker, begun });
        self.carry_out();
        self.decide();
    }

    /// Kills a worker; what it sends from here on is not read.
    pub(super) fn condemn(&mut self, slot: Slot, doom: Doom) {
        if let Some(member) = &mut self.members[slot.0] {
            member.condemn(doom);
            self.stop_listening(slot);
        }
    }

    fn stop_listening(&mut self, slot: Slot) {
        let member = self.members[slot.0].as_mut().expect("the caller saw it");
        // Explicitly, though closing would do: a copy of the descriptor in a
        // process that the program forked would keep its events coming.
        if std::mem::take(&mut member.listening) {
            let poller = &self.outside.as_ref().expect("see Core::outside").poller;
            let removed = poller.remove(member.channel.bell());
            removed.expect("the bell is among those waited on");
        }
    }

    /// Takes in what a worker has sent. The scheduler has not decided upon it yet:
    /// [`Core::decide`] follows, once all that is known is told.
    pub(super) fn drain(&mut self, slot: Slot) {
        for _ in 0..TURNS {
            let member = self.members[slot.0].as_mut().expect("the caller saw it");
            if !member.has_news() {
                return;
            }
            let Ok(mut frames) = member.channel.receive() else {
                return self.condemn(slot, Doom::Nonsense);
            };
            let understood = self.take_in(slot, &mut frames);
            let member = self.members[slot.0].as_mut().expect("only an exit removes it");
            member.channel.put_back(frames);
            if !understood {
                return self.condemn(slot, Doom::Nonsense);
            }
        }
    }

    /// Handles frames; `false` if something among them makes no sense.
    fn take_in(&mut self, slot: Slot, frames: &mut Frames) -> bool {
        let worker = self.members[slot.0].as_ref().expect("the caller saw it").worker;
        loop {
            let front = self.scheduler.front(worker);
            if let Some((job, items)) = &front {
                // All results that are there of the chunk that the worker is at.
                let (count, results) = frames.run(report::RETURNED, items.end - items.start);
                if count > 0 {
                    let done = items.start..items.start + count;
                    let arrival = Arrival::Run { items: done, results };
                    self.finish(slot, *job, items, count, |_, _| arrival);
                    continue;
                }
            }
            let report = match frames.next() {
                Next::Frame(tag, body) => Report::decode(tag, body),
                Next::Nothing => return true,
                Next::Corrupt => None,
            };
            let member = self.members[slot.0].as_mut().expect("only an exit removes it");
            match (report, front) {
                (Some(Report::Ready), _) => {
                    member.reported_in = true;
                    self.life_changed = true;
                    let ready = self.scheduler.note(Event::WorkerReady { worker });
                    if ready == Verdict::Accepted && worker.incarnation == 1 {
                        self.awaited -= 1;
                    }
                }
                (Some(Report::LastWords(report)), _) => member.last_words = Some(to_panic(report)),
                (Some(Report::Failed(failure)), Some((job, items))) => {
                    let item = items.start;
                    self.finish(slot, job, &items, 1, |job, pid| {
                        let named = job.named(item).map(index);
                        Arrival::Failed(item, describe(failure, job.task, named, pid))
                    });
                }
                // More than it was asked for. Of one that was killed nothing is wanted.
                (Some(Report::Returned(_) | Report::Failed(_)), _) => {
                    if !matches!(self.scheduler.life(slot), Life::Dying { .. }) {
                        return false;
                    }
                }
                (None, _) => return false,
            }
        }
    }

    /// The first `count` of the items that a worker is at have their outcomes.
    fn finish(
        &mut self,
        slot: Slot,
        id: JobId,
        items: &Items,
        count: u64,
        arrival: impl FnOnce(&JobState, u32) -> Arrival,
    ) {
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        let (worker, pid) = (member.worker, member.child.pid());
        member.last_words = None;
        let worked = member.channel.worked();
        let time = worked.saturating_sub(std::mem::replace(&mut member.worked, worked));
        let done = items.start..items.start + count;
        member.finished_items += count;
        member.finished_chunks += u64::from(done.end == items.end);
        // Noted first and decided after the delivery: a failure may end the job, and
        // then its worker must not be given more of it.
        let finished = Event::ItemsFinished { worker, job: id, items: done };
        let accepted = self.scheduler.note(finished);
        assert_eq!(accepted, Verdict::Accepted, "the worker is at these items");
        // A job that was dropped may still be at a worker that is not asked yet.
        if let Some(job) = self.jobs.get_mut(&id) {
            job.work.add(count, time);
            let arrival = arrival(job, pid);
            self.settle(id, arrival);
        }
    }

    /// Items have their outcomes. The caller lets the scheduler decide.
    pub(super) fn settle(&mut self, id: JobId, arrival: Arrival) {
        let job = self.jobs.get_mut(&id).expect("the scheduler knows only jobs that are kept");
        if job.has_failed() {
            return;
        }
        let due = match arrival {
            Arrival::Failed(_, error) if job.shape.fail_fast => {
                let due = job.fail(error);
                self.tell(Event::JobDropped { job: id });
                due
            }
            arrival => {
                let due = job.settle(arrival, self.scheduler.queued(id));
                self.feed(id);
                due
            }
        };
        self.tell_later(due);
        self.remove_if_over(id);
    }

    pub(in crate::engine) fn remove_if_over(&mut self, id: JobId) {
        if self.jobs.get(&id).is_some_and(JobState::is_over) {
            self.jobs.remove(&id);
        }
    }
}

/// Why a call in a living worker gave no result.
fn describe(failure: Failure, task: &'static TaskDef, item: Option<usize>, pid: u32) -> Error {
    let name = task.name;
    let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
    let error = match failure {
        Failure::Panicked(report) => {
            let during = match report.phase {
                Phase::Decode => " while its arguments were decoded",
                Phase::Body => "",
                Phase::Encode => " while its result was encoded",
            };
            let panic = to_panic(report);
            let place =
                panic.location.as_deref().map_or_else(String::new, |at| format!(" at {at}"));
            let message = format!("task {name} panicked{during}{on}{place}: {}", panic.message);
            Error::new(ErrorKind::Panicked, message).with_panic(panic)
        }
        Failure::Undecodable(why) => Error::new(
            ErrorKind::Decode,
            format!("task {name} could not decode its input{on}: {why}"),
        ),
        Failure::Unencodable(why) => Error::new(
            ErrorKind::Encode,
            format!("task {name} could not encode its result{on}: {why}"),
        ),
        Failure::UnknownTask => Error::invalid(format!(
            "the worker's program has no task {name:?} (likely cause: it was built from other \
             sources than this program, or the linker dropped the crate that has the task: name \
             that crate, as in `use my_tasks as _;`)"
        )),
    };
    error.with_task(name, item).with_process(pid, None)
}

fn to_panic(report: PanicReport) -> Panic {
    let PanicReport { message, location, backtrace, .. } = report;
    Panic { message, location, backtrace }
}
