//! From workers to the scheduler: what arrives on channels, and deaths.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::super::job::Arrival;
use super::ends::End;
use super::outcomes::{describe, to_panic};
use super::{Core, Replaced};
use crate::channel::{Frames, Heard, Next};
use crate::ids::{Items, JobId, Moment, Slot, index};
use crate::scheduler::{Event, Life, Verdict};
use crate::supervisor::{Doom, Obituary};
use crate::sys::dying::Note;
use crate::wire::message::{Report, Retirement, report};

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
        self.hear_crash(slot);
        if heard == Heard::Ring {
            return;
        }
        self.stop_listening(slot);
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        let worker = member.worker;
        match member.child.lives_on() {
            _ if member.doom.is_some() => {}
            // It can say no more when there is something to hear.
            Some(true) => member.condemn(Doom::ChannelClosed),
            Some(false) | None => self.await_end(worker),
        }
    }

    /// Reads what a worker has sent, sends what it has made room for, and tells it
    /// when to ring again.
    pub(super) fn serve_channel(&mut self, slot: Slot) {
        let mut told = None;
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
            let member = self.members[slot.0].as_ref().expect("only an exit removes it");
            // What it has sent since it was told when to ring, it rings for if it is to.
            if told.is_some_and(|sent| member.channel.has_read(sent)) {
                return self.check_claims(slot);
            }
            self.arm(slot);
            self.check_claims(slot);
            let member = self.members[slot.0].as_ref().expect("only an exit removes it");
            if !member.has_news() {
                return;
            }
            told = Some(member.channel.sent());
        }
        self.unread.push(slot);
    }

    /// A worker that summons may do so because it can claim nothing that it was sent.
    pub(super) fn check_claims(&mut self, slot: Slot) {
        if self.members[slot.0].as_ref().is_some_and(|member| member.channel.is_stuck()) {
            self.condemn(slot, Doom::Damaged);
        }
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
        let outside = self.outside.as_mut().expect("see Core::outside");
        outside.reaper.reap(member.child.orphans());
        self.partings.forget(worker);
        let note = Note::read(member.channel.sign());
        // Where somebody else has taken the status, the worker's own word is all there is; and
        // where its dump was cut short, the status may be that of the kill.
        let status = status.filter(|&status| !(member.cut_short && is_killed(status)));
        let status = status.or_else(|| note.map(|note| ExitStatus::from_raw(note.signal)));
        if member.doom == Some(Doom::ChannelClosed) && !status.is_none_or(is_killed) {
            // Not by the kill that followed the guess: it was ending, and took its time.
            member.doom = None;
        }
        // Of a worker that has gone mad, whatever it says, it may have begun the next.
        let begun = member.channel.begun() != member.finished_items;
        let mut obituary = Obituary {
            worker,
            who: self.outside().launch.who(slot),
            pid: member.child.pid(),
            status,
            reported_in: member.reported_in,
            began: member.channel.begun() > 0,
            doom: member.doom,
            last_words: member.last_words.take(),
            written: self.written_by_dead(&mut member, begun),
            unfit: member.unfit.take(),
            sign: note.zip(status).and_then(|(note, status)| note.of(status)),
            memory_limit: self.outside().launch.memory_limit(),
            group_ran_out: false,
            starter: self.outside().launch.starter().map(Into::into),
        };
        let (doom, replaced, group) = (member.doom, member.replaced, member.group.take());
        // Its descriptors, of which the next step may find none else.
        drop(member);
        obituary.group_ran_out = group.is_some_and(|group| group.ran_out());
        let asked = replaced.is_some() || obituary.is_asked_for();
        let end = if asked { End::Asked } else { End::Unasked };
        self.note_end(obituary.of_worker(self.start_timeout), end);
        self.replaced[slot.0] = Some(replaced.unwrap_or(match doom {
            Some(Doom::Commanded(_)) => Replaced::Ended,
            _ => Replaced::Died,
        }));
        self.obituaries[slot.0] = Some(obituary);
        self.life_changed = true;
        // Decided once its item has failed: that may end the job, and then no worker
        // must be given more of it.
        self.tell(Event::WorkerExited { worker, begun });
        self.undecided = true;
        self.carry_out();
    }

    /// Kills a worker; what it sends from here on is not read.
    pub(super) fn condemn(&mut self, slot: Slot, doom: Doom) {
        if let Some(member) = &mut self.members[slot.0] {
            member.condemn(doom);
            self.stop_listening(slot);
        }
    }

    pub(super) fn stop_listening(&mut self, slot: Slot) {
        let member = self.members[slot.0].as_mut().expect("the caller saw it");
        // Explicitly, though closing would do: a copy of the descriptor in a
        // process that the program forked would keep its events coming.
        if std::mem::take(&mut member.listening) {
            let poller = &self.outside.as_ref().expect("see Core::outside").poller;
            let removed = poller.remove(member.channel.bell());
            removed.expect("the bell is among those waited on");
        }
    }

    /// Takes in what a worker has sent by now. The scheduler has not decided upon it yet:
    /// [`Core::decide`] follows, once all that is known is told.
    pub(super) fn drain(&mut self, slot: Slot) {
        let member = self.members[slot.0].as_ref().expect("the caller saw it");
        if !member.has_news() {
            return;
        }
        let sent = member.channel.sent();
        for _ in 0..TURNS {
            let member = self.members[slot.0].as_mut().expect("the caller saw it");
            let Ok(mut frames) = member.channel.receive() else {
                return self.condemn(slot, Doom::Nonsense);
            };
            let understood = self.take_in(slot, &mut frames);
            let member = self.members[slot.0].as_mut().expect("only an exit removes it");
            member.channel.put_back(frames);
            if !understood {
                return self.condemn(slot, Doom::Nonsense);
            }
            if member.channel.has_read(sent) {
                return;
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
                    self.finish(slot, *job, items, count);
                    let finished = Event::ItemsFinished { worker, job: *job, items: done.clone() };
                    self.accept(finished);
                    // A job that was dropped may still be at a worker that is not asked yet.
                    if self.jobs.contains_key(job) {
                        self.settle(*job, Arrival::Run { items: done, results });
                    }
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
                (Some(Report::Ready { reads }), _) => {
                    member.reported_in = true;
                    member.channel.lend(reads);
                    self.life_changed = true;
                    self.ends.worker_reported_in();
                    let ready = self.scheduler.note(Event::WorkerReady { worker });
                    if ready == Verdict::Accepted && worker.incarnation == 1 {
                        self.awaited -= 1;
                    }
                }
                (Some(Report::Unfit(why)), _) if !member.reported_in => member.unfit = Some(why),
                (Some(Report::LastWords(report)), _) => member.last_words = Some(to_panic(report)),
                (Some(Report::Failed(failure)), Some((job, items))) => {
                    let (item, pid) = (items.start, member.child.pid());
                    let written = self.written_by_failed(slot);
                    self.finish(slot, job, &items, 1);
                    let retries = self.jobs.get(&job).is_some_and(|job| job.rules.retries > 0);
                    self.accept(match retries {
                        true => Event::ItemHeld { worker, job, item },
                        false => Event::ItemsFinished { worker, job, items: item..item + 1 },
                    });
                    if let Some(state) = self.jobs.get(&job) {
                        let named = state.named(item).map(index);
                        let error = describe(failure, state.task, named, pid);
                        self.fail(job, item, error.with_written(written));
                    }
                }
                (Some(Report::Retired(why)), _) => {
                    if !self.retire(slot, why) {
                        return false;
                    }
                }
                // More than it was asked for. Of one that is to end nothing is wanted.
                (Some(Report::Returned(_) | Report::Failed(_) | Report::Unfit(_)), _) => {
                    if !matches!(
                        self.scheduler.life(slot),
                        Life::Dying { .. } | Life::Leaving { .. }
                    ) {
                        return false;
                    }
                }
                (None, _) => return false,
            }
        }
    }

    /// The first `count` of the items that a worker is at have their outcomes. Noted
    /// first and decided after the delivery: a failure may end the job, and then its
    /// worker must not be given more of it.
    fn finish(&mut self, slot: Slot, id: JobId, items: &Items, count: u64) {
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        member.last_words = None;
        let worked = member.channel.worked();
        let time = worked.saturating_sub(std::mem::replace(&mut member.worked, worked));
        member.finished_items += count;
        member.finished_chunks += u64::from(items.start + count == items.end);
        member.channel.finish(member.finished_chunks);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.work.add(count, time);
        }
    }

    fn accept(&mut self, event: Event) {
        let accepted = self.scheduler.note(event);
        assert_eq!(accepted, Verdict::Accepted, "the worker is at these items");
    }

    /// A worker says that it begins nothing more; `false` if that makes no sense.
    fn retire(&mut self, slot: Slot, why: Retirement) -> bool {
        let now = self.now();
        let wanted = matches!(self.scheduler.life(slot), Life::Serving);
        let member = self.members[slot.0].as_mut().expect("only an exit removes it");
        // It has said so; this sees to it.
        let Ok(claimed) = member.channel.recall() else {
            return false;
        };
        let is_between = member.channel.begun() == member.finished_items;
        // What it did when nothing of it was wanted any more is not counted.
        if wanted && (!is_between || claimed.beyond(member.finished_chunks) > 1) {
            return false;
        }
        let worker = member.worker;
        member.replaced = Some(match why {
            Retirement::Condemned => Replaced::Ended,
            Retirement::Tasks => Replaced::Tasks,
            Retirement::Age => Replaced::Age,
            Retirement::Memory => Replaced::Memory,
        });
        self.life_changed = true;
        self.tell(Event::WorkerRetired { worker, now });
        true
    }

    /// Tells the scheduler how a worker is getting on whose item may be overdue. If there
    /// is more to be read first, the worker stays overdue, and the next turn looks again.
    pub(super) fn look_at(&mut self, slot: Slot, now: Moment) {
        let Some(member) = self.members[slot.0].as_mut() else {
            return;
        };
        if member.has_crashed() && member.doom.is_none() {
            // It has died of its item, in time, though a core dump keeps it.
            member.cut_dump_short();
            let worker = member.worker;
            return self.tell(Event::Looked { worker, began: Some(now), now });
        }
        let begun = member.channel.begun();
        let began = match member.ahead() {
            0 => None,
            1 => {
                let said = member.channel.began_at().saturating_sub(self.epoch_nanos);
                let began = Moment::from_nanos(said).min(now);
                // What a task has written there must not give it ever more time.
                Some(match member.seen_at {
                    Some((item, earlier)) if item == begun => began.min(earlier),
                    _ => began,
                })
            }
            _ if member.has_news() => return,
            _ => return self.condemn(slot, Doom::Nonsense),
        };
        member.seen_at = began.map(|began| (begun, began));
        let worker = member.worker;
        let began = began.map(|began| self.gaps.without(began).min(now));
        self.tell(Event::Looked { worker, began, now });
    }
}

fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGKILL)
}
