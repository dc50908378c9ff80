//! From the scheduler to workers and jobs: every command carried out.

use super::super::failure::Failure;
use super::ends::End;
use super::tokens::Token;
use super::{Core, Member};
use crate::channel::{Attention, Corrupt};
use crate::error::Error;
use crate::ids::{Item, Items, JobId, Worker};
use crate::scheduler::{Command, Event, ItemFailure, JobFailure, Kept};
use crate::supervisor::{Doom, STREAMS, Started, is_scarce};
use crate::wire::message::{self, request};
use crate::wire::output::SINGLE;

impl Core {
    /// Carries out what the scheduler has decided, and what it decides upon that.
    pub(super) fn carry_out(&mut self) {
        let mut sent_to = std::mem::take(&mut self.sent_to);
        while let Some(command) = self.next_command() {
            match command {
                Command::Start { worker } => self.start(worker),
                Command::Send { worker, job, items } => {
                    self.send(worker, job, &items);
                    sent_to.push(worker.slot);
                }
                Command::Recall { worker } => self.recall(worker, None),
                Command::Condemn { worker, job, item } => self.recall(worker, Some((job, item))),
                Command::Stop { worker } => {
                    let told = self.member(worker).map(|member| member.channel.goodbye());
                    self.check(worker, told.unwrap_or(Ok(())));
                    sent_to.push(worker.slot);
                }
                Command::Ask { worker, why } => self.ask(worker, Doom::Commanded(why)),
                Command::Kill { worker, why } => {
                    if let Some(member) = self.member(worker) {
                        member.condemn(Doom::Commanded(why));
                    }
                }
                Command::FailItem { worker, job, item, why } => {
                    self.fail_item(worker, job, item, why);
                }
                Command::ExpireJob { job } => self.expire_job(job),
                Command::FailItems { job, items } => {
                    self.fail_late(job, &items);
                    self.undecided = true;
                }
                Command::FailJob { job, why } => self.fail_job(job, why),
            }
        }
        // Once, though a worker may have been sent many chunks.
        sent_to.dedup();
        for slot in sent_to.drain(..) {
            if let Some(member) = &self.members[slot.0] {
                member.channel.wake();
            }
        }
        self.sent_to = sent_to;
    }

    /// The next of what was decided; else of what is decided upon all that. Not before:
    /// an item that is still to fail may end its job, of which nothing must be sent then.
    fn next_command(&mut self) -> Option<Command> {
        let decided = self.scheduler.poll_command();
        if decided.is_none() && std::mem::take(&mut self.undecided) {
            self.redecide();
            return self.scheduler.poll_command();
        }
        decided
    }

    /// The worker that a command is for. It may have ended since: then its exit
    /// has been told to the scheduler after it gave the command.
    pub(super) fn member(&mut self, worker: Worker) -> Option<&mut Member> {
        self.members[worker.slot.0].as_mut().filter(|member| member.worker == worker)
    }

    fn start(&mut self, worker: Worker) {
        match self.try_start(worker) {
            Ok(member) => {
                let before = self.members[worker.slot.0].replace(member);
                assert!(before.is_none(), "two workers in slot {}", worker.slot);
            }
            Err(error) => {
                let (scarce, now) = (is_scarce(&error), self.now());
                self.note_end(error, End::NotStarted);
                self.life_changed = true;
                self.tell(Event::StartFailed { worker, scarce, now });
                self.undecided = true;
            }
        }
    }

    fn try_start(&self, worker: Worker) -> Result<Member, Error> {
        let outside = self.outside();
        let slot = worker.slot;
        let Started { process: (child, channel, tap), start, group } =
            outside.launch.start(slot, self.awaited > 0)?;
        let output = tap
            .iter()
            .flat_map(|tap| STREAMS.map(|stream| (tap.pipe(stream), Token::Output(slot, stream))));
        let waited_on = [(channel.bell(), Token::Bell(slot)), (child.pidfd(), Token::Exit(slot))]
            .into_iter()
            .chain(output)
            .try_for_each(|(fd, token)| outside.poller.add(fd, token.number()));
        if let Err(cause) = waited_on {
            child.kill_group();
            child.reap_ending();
            return Err(outside.launch.failed(slot, "wait on its channel", cause));
        }
        Ok(Member {
            worker,
            start,
            child,
            channel,
            reported_in: false,
            listening: true,
            attention: Attention::Eager,
            map: None,
            worked: 0,
            finished_items: 0,
            finished_chunks: 0,
            doom: None,
            last_words: None,
            seen_at: None,
            replaced: None,
            tap,
            group,
            unfit: None,
            cut_short: false,
        })
    }

    fn send(&mut self, worker: Worker, id: JobId, items: &Items) {
        let job = &self.jobs[&id];
        let careful = if job.rules.is_careful() { request::CAREFUL } else { 0 };
        let quiet = if job.shape.is_map() { request::QUIET } else { 0 };
        let tag = if job.shape.single { request::CALL } else { request::CHUNK } | careful | quiet;
        let first = job.named(items.start).unwrap_or(SINGLE);
        self.head.clear();
        message::put_chunk_head(
            &mut self.head,
            job.task.wire_key(),
            first,
            items.end - items.start,
        );
        let map = job.shape.is_map().then_some(id);
        self.attend_to(worker, map, (id, items));
        let body = self.jobs.get_mut(&id).expect("it was there").body(items);
        let member = self.members[worker.slot.0].as_mut().filter(|member| member.worker == worker);
        let sent = member.map(|member| {
            if let Some(group) = &mut member.group
                && !member.channel.lends(body.bytes)
            {
                group.make_room(self.head.len() + body.range.len());
            }
            member.channel.send_chunk(tag, &self.head, body)
        });
        self.check(worker, sent.unwrap_or(Ok(())));
    }

    /// Asks the worker, and what it has started in its process group, to end.
    fn ask(&mut self, worker: Worker, doom: Doom) {
        if let Some(member) = self.member(worker) {
            member.doom.get_or_insert(doom);
            member.channel.ask_to_end();
            member.child.ask_group();
            self.stop_listening(worker.slot);
        }
    }

    /// Takes back what the worker has not begun, and lets it begin nothing more if it is
    /// at the `condemned` item, or right before it; tells the scheduler.
    fn recall(&mut self, worker: Worker, condemned: Option<(JobId, Item)>) {
        let recalled = self.member(worker).map(|member| member.channel.recall());
        let kept = match recalled {
            None => Kept::Nothing,
            Some(Err(corrupt)) => {
                self.check(worker, Err(corrupt));
                // Who is killed begins no other.
                if condemned.is_some() { Kept::Item } else { Kept::Chunk }
            }
            Some(Ok(claimed)) => {
                // All that it has finished first: of what it has claimed, that is all but
                // the last at least.
                self.drain(worker.slot);
                let front = self.scheduler.front(worker).map(|(job, items)| (job, items.start));
                let member = self.member(worker).expect("only an exit removes it");
                let chunks = claimed.beyond(member.finished_chunks);
                let ahead = member.ahead();
                let between = chunks == 0 && ahead == 0;
                // Of one that has gone mad, whatever it says, it may be at an item.
                let is_mad = (!between && chunks != 1) || (ahead > 1 && !member.has_news());
                let is_there = !between && condemned.is_some() && condemned == front;
                let count = member.finished_items + ahead.min(1);
                let caught = is_there && ahead <= 1 && member.channel.condemn(count);
                if is_mad {
                    self.check(worker, Err(Corrupt));
                }
                match caught {
                    _ if between => Kept::Nothing,
                    true if ahead == 0 => Kept::Nothing,
                    true => Kept::Item,
                    false if is_mad && is_there => Kept::Item,
                    // It may have begun the next meanwhile.
                    false => Kept::Chunk,
                }
            }
        };
        let now = self.now();
        self.tell(Event::Recalled { worker, kept, now });
        self.undecided = true;
    }

    /// A worker whose memory makes no sense is killed.
    fn check(&mut self, worker: Worker, result: Result<(), Corrupt>) {
        if result.is_err() {
            self.condemn(worker.slot, Doom::Nonsense);
        }
    }

    fn fail_item(&mut self, worker: Worker, id: JobId, item: Item, why: ItemFailure) {
        self.undecided = true;
        if why == ItemFailure::TimedOut {
            let who = self.outside().launch.who(worker.slot);
            let pid = self.member(worker).expect("only an exit removes it").child.pid();
            let Some(job) = self.jobs.get(&id) else {
                return;
            };
            let named = job.named(item);
            let error = job.overdue(&who, pid, named);
            let written = self.written_by_overdue(worker.slot, named);
            return self.fail(id, item, error.with_written(written));
        }
        let obituary = self.obituaries[worker.slot.0].as_ref().expect("the worker has died");
        assert_eq!(obituary.worker, worker, "the worker that died last in its slot");
        // Behind a recall, which may have brought the end of the job.
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let error = obituary.of_item(job.task.name, job.named(item));
        self.fail(id, item, error);
    }

    fn fail_job(&mut self, id: JobId, why: JobFailure) {
        let task = self.job_mut(id).task;
        let why = match why {
            JobFailure::Terminated => Failure::PoolTerminated,
            JobFailure::NoWorkers => self.no_workers(task).with_task(task.name, None).into(),
        };
        let due = self.job_mut(id).fail(why);
        self.tell_later(due);
        self.remove_if_over(id);
    }
}
