//! From the scheduler to workers and jobs: every command carried out.

use super::super::obituary::Doom;
use super::{Core, Member, channel_token, exit_token};
use crate::error::{Error, ErrorKind};
use crate::ids::{Item, Items, JobId, Worker};
use crate::scheduler::{Command, Event, JobFailure};
use crate::wire::message;

impl Core {
    pub(in crate::engine) fn carry_out(&mut self) {
        while let Some(command) = self.scheduler.poll_command() {
            match command {
                Command::Start { worker } => self.start(worker),
                Command::Send { worker, job, items } => self.send(worker, job, &items),
                Command::Stop { worker } => {
                    if let Some(member) = self.member(worker) {
                        member.channel.goodbye();
                    }
                }
                Command::Kill { worker, why } => {
                    if let Some(member) = self.member(worker) {
                        member.condemn(Doom::Commanded(why));
                    }
                }
                Command::FailItem { worker, job, item } => self.fail_item(worker, job, item),
                Command::FailJob { job, why } => self.fail_job(job, why),
            }
        }
    }

    /// The worker that a command is for. It may have ended since: then its exit
    /// has been told to the scheduler after it gave the command.
    fn member(&mut self, worker: Worker) -> Option<&mut Member> {
        self.members[worker.slot.0].as_mut().filter(|member| member.worker == worker)
    }

    fn start(&mut self, worker: Worker) {
        match self.try_start(worker) {
            Ok(member) => {
                let before = self.members[worker.slot.0].replace(member);
                assert!(before.is_none(), "two workers in slot {}", worker.slot);
            }
            Err(error) => {
                self.note_end(error);
                self.life_changed = true;
                let _ = self.tell(Event::StartFailed { worker });
            }
        }
    }

    fn try_start(&self, worker: Worker) -> Result<Member, Error> {
        let outside = self.outside();
        let slot = worker.slot;
        let (child, channel) = outside.launch.start(slot)?;
        let waited_on = outside
            .poller
            .add(channel.fd(), channel_token(slot))
            .and_then(|()| outside.poller.add(child.pidfd(), exit_token(slot)));
        if let Err(cause) = waited_on {
            child.kill_group();
            child.reap_ending();
            return Err(outside.launch.failed(slot, "wait on its channel", cause));
        }
        Ok(Member {
            worker,
            child,
            channel,
            reported_in: false,
            listening: true,
            sending: false,
            doom: None,
            last_words: None,
        })
    }

    fn send(&mut self, worker: Worker, id: JobId, items: &Items) {
        let job = &self.jobs[&id];
        let body = job.pack(items).body(items);
        let mut head = Vec::new();
        message::put_chunk_head(&mut head, job.task.key, id.0, items, body.range.len());
        let Some(member) = self.member(worker) else {
            return;
        };
        member.channel.send(head, body);
        if member.channel.flush() || !member.listening {
            return;
        }
        member.sending = true;
        let outside = self.outside.as_ref().expect("see Core::outside");
        let member = self.members[worker.slot.0].as_ref().expect("seen above");
        let token = channel_token(worker.slot);
        let listening = outside.poller.want_writable(member.channel.fd(), token, true);
        listening.expect("the channel is among those waited on");
    }

    fn fail_item(&mut self, worker: Worker, id: JobId, item: Item) {
        let obituary = self.obituaries[worker.slot.0].as_ref().expect("the worker has died");
        assert_eq!(obituary.worker, worker, "the worker that died last in its slot");
        let job = &self.jobs[&id];
        let error = obituary.of_item(job.task.name, job.named(item));
        self.settle(id, item, Err(error));
        self.scheduler.decide(self.now());
    }

    fn fail_job(&mut self, id: JobId, why: JobFailure) {
        let job = self.jobs.get_mut(&id).expect("the scheduler knows only jobs that are kept");
        let name = job.task.name;
        let error = match why {
            JobFailure::Terminated => {
                let message = format!("the pool was terminated before {name} was done");
                Error::new(ErrorKind::Terminated, message)
            }
            JobFailure::NoWorkers => {
                self.last_end.as_ref().expect("a worker has come to its end").again()
            }
        };
        let waker = job.fail(error.with_task(name, None));
        self.wake_later(waker);
        self.remove_if_over(id);
    }
}
