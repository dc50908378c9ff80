//! From workers to the scheduler: what arrives on channels, and deaths.

use super::super::job::{JobState, Outcome};
use super::super::obituary::{Doom, Obituary};
use super::{Core, channel_token};
use crate::channel::{Incoming, Next};
use crate::error::{Error, ErrorKind, Panic};
use crate::ids::{Item, JobId, Slot, index};
use crate::scheduler::{Event, Verdict};
use crate::task::TaskDef;
use crate::wire::message::{self, PanicReport, Phase, Report};

impl Core {
    /// The channel of a slot's worker is readable or writable.
    pub(super) fn serve_channel(&mut self, slot: Slot) {
        // A token of a worker that went earlier in this turn finds nobody, or a
        // successor with nothing to say.
        let Some(member) = &mut self.members[slot.0] else {
            return;
        };
        let poller = &self.outside.as_ref().expect("see Core::outside").poller;
        if member.sending && member.channel.flush() {
            member.sending = false;
            let listening = poller.want_writable(member.channel.fd(), channel_token(slot), false);
            listening.expect("the channel is among those waited on");
        }
        if self.drain(slot) != Incoming::Closed {
            return;
        }
        self.stop_listening(slot);
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        if member.doom.is_none() && !member.child.is_exiting() {
            // It lives on, but nothing can be said to it or heard from it.
            member.condemn(Doom::ChannelClosed);
        }
    }

    /// The process of a slot's worker has ended.
    pub(super) fn serve_exit(&mut self, slot: Slot) {
        if self.members[slot.0].is_none() {
            return;
        }
        // All that it sent comes before its end. A process that it started may hold
        // the channel open, and write to it too, so this reads neither to the end
        // nor for ever: what is there is less than a few turns' worth.
        let _ = (0..4).find(|_| self.drain(slot) != Incoming::More);
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        let Some(status) = member.child.reap() else {
            return;
        };
        self.stop_listening(slot);
        let mut member = self.members[slot.0].take().expect("only an exit removes it");
        let removed = self.outside().poller.remove(member.child.pidfd());
        removed.expect("the process is among those waited on");
        let worker = member.worker;
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
        let _ = self.scheduler.note(Event::WorkerExited { worker });
        self.carry_out();
        self.scheduler.decide(self.now());
        self.carry_out();
    }

    fn stop_listening(&mut self, slot: Slot) {
        let member = self.members[slot.0].as_mut().expect("the caller saw it");
        // Explicitly, though closing would do: a copy of the descriptor in a
        // process that the program forked would keep its events coming.
        if std::mem::take(&mut member.listening) {
            let poller = &self.outside.as_ref().expect("see Core::outside").poller;
            let removed = poller.remove(member.channel.fd());
            removed.expect("the channel is among those waited on");
        }
    }

    /// Handles all that a worker has sent.
    fn drain(&mut self, slot: Slot) -> Incoming {
        let member = self.members[slot.0].as_mut().expect("the caller saw it");
        if member.doom == Some(Doom::Nonsense) {
            return Incoming::Drained;
        }
        let (mut frames, incoming) = member.channel.receive();
        let understood = loop {
            match frames.next() {
                Next::Frame(body) => match Report::decode(body) {
                    Some(report) => self.report(slot, report),
                    None => break false,
                },
                Next::Nothing => break true,
                Next::Corrupt => break false,
            }
        };
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        member.channel.put_back(frames);
        if !understood {
            // Nothing after it makes sense.
            member.condemn(Doom::Nonsense);
            self.stop_listening(slot);
        }
        incoming
    }

    fn report(&mut self, slot: Slot, report: Report<'_>) {
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        let worker = member.worker;
        match report {
            Report::Ready => {
                member.reported_in = true;
                self.life_changed = true;
                let accepted = self.tell(Event::WorkerReady { worker }) == Verdict::Accepted;
                if accepted && worker.incarnation == 1 {
                    self.awaited -= 1;
                }
            }
            Report::Began { job, item } => {
                member.last_words = None;
                let _ = self.tell(Event::ItemBegan { worker, job: JobId(job), item });
            }
            Report::Finished { job, item, outcome } => {
                member.last_words = None;
                let pid = member.child.pid();
                let job = JobId(job);
                // Noted first and decided after the delivery: a failure may end the
                // job, and then its worker must not be given more of it.
                let finished = Event::ItemFinished { worker, job, item };
                if self.scheduler.note(finished) == Verdict::Accepted {
                    self.deliver(job, item, pid, outcome);
                }
                self.scheduler.decide(self.now());
            }
            Report::LastWords(report) => member.last_words = Some(to_panic(report)),
        }
        // Before the next event: it may end the job that a command is for.
        self.carry_out();
    }

    /// An accepted outcome, to its job.
    fn deliver(&mut self, id: JobId, item: Item, pid: u32, outcome: message::Outcome<'_>) {
        let job = &self.jobs[&id];
        let outcome = match outcome {
            message::Outcome::Returned(bytes) => Ok(bytes.to_vec()),
            failed => Err(describe(failed, job.task, job.named(item).map(index), pid)),
        };
        self.settle(id, item, outcome);
    }

    /// An item has its outcome. The caller lets the scheduler decide.
    pub(super) fn settle(&mut self, id: JobId, item: Item, outcome: Outcome) {
        let job = self.jobs.get_mut(&id).expect("the scheduler knows only jobs that are kept");
        let waker = match outcome {
            Err(error) if job.shape.fail_fast => {
                let _ = self.scheduler.note(Event::JobDropped { job: id });
                job.fail(error)
            }
            outcome => job.settle(item, outcome),
        };
        self.wake_later(waker);
        self.remove_if_over(id);
    }

    pub(super) fn remove_if_over(&mut self, id: JobId) {
        if self.jobs.get(&id).is_some_and(JobState::is_over) {
            self.jobs.remove(&id);
        }
    }
}

/// Why a call in a living worker gave no result.
fn describe(
    outcome: message::Outcome<'_>,
    task: &'static TaskDef,
    item: Option<usize>,
    pid: u32,
) -> Error {
    let name = task.name;
    let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
    let error = match outcome {
        message::Outcome::Returned(_) => unreachable!("a result is no failure"),
        message::Outcome::Panicked(report) => {
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
        message::Outcome::Undecodable(why) => Error::new(
            ErrorKind::Decode,
            format!("task {name} could not decode its input{on}: {why}"),
        ),
        message::Outcome::Unencodable(why) => Error::new(
            ErrorKind::Encode,
            format!("task {name} could not encode its result{on}: {why}"),
        ),
        message::Outcome::UnknownTask => Error::invalid(format!(
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
