//! The workers of one pool, by slot. The fleet starts, reads, signals and reaps them.
//!
//! It decides nothing. It names workers by incarnation, as the scheduler does, and passes their
//! reports to a [`Listener`], which knows their jobs.

mod output;
mod partings;
mod reports;
mod tokens;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::process::Signal;

use super::exit_report::{ExitReport, KillCause};
use super::launch::{Launch, Started};
use super::output::{STREAMS, Stream};
use super::process::{Replaced, WorkerProcess};
use super::reaper::Reaper;
use crate::channel::Heard;
use crate::error::Error;
use crate::ids::{Moment, Slot, Worker};
use crate::sys::dying::Note;
use crate::sys::poller::Poller;
use partings::Partings;
pub(crate) use reports::{Failed, Listener, TURNS, to_panic};
pub(crate) use tokens::Token;

/// All workers of one pool.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// By slot.
    processes: Vec<Option<WorkerProcess>>,
    /// How the latest worker of each slot ended.
    exit_reports: Vec<Option<ExitReport>>,
    /// Why the worker before the present one of each slot is gone.
    replaced: Vec<Option<Replaced>>,
    partings: Partings,
    /// Output that is not read until the mailbox has room.
    held_output: Vec<(Slot, Stream)>,
    /// `None` once the fleet is dissolved.
    outside: Option<Outside>,
}

/// The parts that hold descriptors.
#[derive(Debug)]
pub(crate) struct Outside {
    poller: Arc<Poller>,
    launch: Launch,
    reaper: Reaper,
}

/// A worker that has ended.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) worker: Worker,
    /// It had begun an item and sent no outcome.
    pub(crate) begun: bool,
    /// The pool ended it, or it left by itself as it should.
    pub(crate) asked: bool,
}

impl Fleet {
    /// Slots for this many workers, none of which is started.
    pub(crate) fn new(size: usize, launch: Launch, poller: Arc<Poller>) -> Fleet {
        Fleet {
            processes: (0..size).map(|_| None).collect(),
            exit_reports: (0..size).map(|_| None).collect(),
            replaced: vec![None; size],
            partings: Partings::default(),
            held_output: Vec::new(),
            outside: Some(Outside { poller, launch, reaper: Reaper::new() }),
        }
    }

    /// How many slots there are.
    pub(crate) fn size(&self) -> usize {
        self.processes.len()
    }

    /// The worker of a command; `None` if it has ended since, of which the scheduler learned
    /// after it issued the command.
    pub(crate) fn find(&mut self, worker: Worker) -> Option<&mut WorkerProcess> {
        self.processes[worker.slot.0].as_mut().filter(|process| process.worker == worker)
    }

    /// The present worker of a slot.
    pub(crate) fn get(&self, slot: Slot) -> Option<&WorkerProcess> {
        self.processes[slot.0].as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut WorkerProcess> {
        self.processes[slot.0].as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &WorkerProcess> {
        self.processes.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut WorkerProcess> {
        self.processes.iter_mut().flatten()
    }

    /// How the latest ended worker of a slot ended.
    pub(crate) fn exit_report(&self, slot: Slot) -> Option<&ExitReport> {
        self.exit_reports[slot.0].as_ref()
    }

    /// Why the worker before the present one of a slot is gone.
    pub(crate) fn replaced(&self, slot: Slot) -> Option<Replaced> {
        self.replaced[slot.0]
    }

    /// How messages call the worker of a slot.
    pub(crate) fn who(&self, slot: Slot) -> String {
        self.outside().launch.who(slot)
    }

    fn outside(&self) -> &Outside {
        self.outside.as_ref().expect("workers come and go only before the fleet is dissolved")
    }

    /// Starts a worker, its boot message on the way to it. `may_wait`: see `zygote::fork`.
    pub(crate) fn start(&mut self, worker: Worker, may_wait: bool) -> Result<(), Error> {
        let outside = self.outside();
        let slot = worker.slot;
        let Started { process: (child, channel, capture), start, group } =
            outside.launch.start(slot, may_wait)?;
        let output = capture.iter().flat_map(|capture| {
            STREAMS.map(|stream| (capture.pipe(stream), Token::Output(slot, stream)))
        });
        let waited_on = [(channel.bell(), Token::Bell(slot)), (child.pidfd(), Token::Exit(slot))]
            .into_iter()
            .chain(output)
            .try_for_each(|(fd, token)| outside.poller.add(fd, token.number()));
        if let Err(cause) = waited_on {
            child.kill_group();
            child.reap_ending();
            return Err(outside.launch.failed(slot, "wait on its channel", cause));
        }
        let process = WorkerProcess::new(worker, start, child, channel, capture, group);
        let before = self.processes[slot.0].replace(process);
        assert!(before.is_none(), "two workers in slot {slot}");
        Ok(())
    }

    /// Asks the worker and its process group to end, by SIGTERM.
    pub(crate) fn ask(&mut self, worker: Worker, kill_cause: KillCause) {
        if let Some(process) = self.find(worker) {
            process.kill_cause.get_or_insert(kill_cause);
            process.channel.ask_to_end();
            process.child.ask_group();
            self.stop_listening(worker.slot);
        }
    }

    /// Kills a worker. What it has sent may still be read.
    pub(crate) fn kill(&mut self, worker: Worker, kill_cause: KillCause) {
        if let Some(process) = self.find(worker) {
            process.kill(kill_cause);
        }
    }

    /// Kills a worker. What it sends from now on is not read.
    pub(crate) fn kill_unread(&mut self, slot: Slot, cause: KillCause) {
        if let Some(process) = self.get_mut(slot) {
            process.kill(cause);
            self.stop_listening(slot);
        }
    }

    fn stop_listening(&mut self, slot: Slot) {
        let process = self.processes[slot.0].as_mut().expect("the caller saw it");
        // Explicitly, not only by closing it: a copy of the descriptor in a process that the
        // program has forked would keep its events coming.
        if std::mem::take(&mut process.listening) {
            let poller = &self.outside.as_ref().expect("see Fleet::outside").poller;
            let removed = poller.remove(process.channel.bell());
            removed.expect("the bell is among those waited on");
        }
    }

    /// Silences the bell of a slot's worker. The token may be of a worker that ended earlier in
    /// this turn; then it finds no worker, or a successor that has not rung.
    pub(crate) fn hush(&self, slot: Slot) -> Option<Heard> {
        let process = self.get(slot).filter(|process| process.listening)?;
        Some(process.channel.hush())
    }

    /// A worker has closed its end of the channel, and all that it sent is read.
    pub(crate) fn end_of_channel(&mut self, slot: Slot, now: Moment) {
        self.stop_listening(slot);
        let process = self.processes[slot.0].as_mut().expect("only an exit removes it");
        let worker = process.worker;
        match process.child.lives_on() {
            _ if process.kill_cause.is_some() => {}
            // It can no longer ring, so it is useless.
            Some(true) => process.kill(KillCause::ChannelClosed),
            Some(false) | None => self.await_end(worker, now),
        }
    }

    /// Whether the process of a slot's worker has ended, and how. The inner `None` means that
    /// other code of the program took the status. [`Fleet::remove`] must follow, once all that
    /// it sent is read.
    pub(crate) fn reap(&self, slot: Slot) -> Option<Option<ExitStatus>> {
        self.get(slot)?.child.reap()
    }

    /// Removes a worker that has ended, and keeps its exit report.
    pub(crate) fn remove(&mut self, slot: Slot, status: Option<ExitStatus>) -> Gone {
        self.stop_listening(slot);
        let mut process = self.processes[slot.0].take().expect("only an exit removes it");
        let worker = process.worker;
        let outside = self.outside.as_mut().expect("see Fleet::outside");
        let removed = outside.poller.remove(process.child.pidfd());
        removed.expect("the process is among those waited on");
        outside.reaper.reap(process.child.orphans());
        self.partings.forget(worker);
        let note = Note::read(process.channel.sign());
        // If other code took the status, the worker's own note is all that is known. If its dump
        // was cut short, the status may be that of the kill.
        let status = status.filter(|&status| !(process.cut_short && is_killed(status)));
        let status = status.or_else(|| note.map(|note| ExitStatus::from_raw(note.signal)));
        if process.kill_cause == Some(KillCause::ChannelClosed) && !status.is_none_or(is_killed) {
            // It did not end by that kill: it was already ending, and took its time.
            process.kill_cause = None;
        }
        // Even a corrupt worker, whatever it reports, may have begun the next item.
        let begun = process.is_inside();
        let launch = &self.outside().launch;
        let mut exit_report = ExitReport {
            worker,
            who: launch.who(slot),
            pid: process.pid(),
            status,
            reported_in: process.has_reported_in(),
            began: process.channel.begun() > 0,
            kill_cause: process.kill_cause,
            panic: process.panic.take(),
            unfit: process.unfit.take(),
            sign: note.zip(status).and_then(|(note, status)| note.of(status)),
            memory_limit: launch.memory_limit(),
            group_ran_out: false,
            starter: launch.starter().map(Into::into),
            written: self.written_by_dead(&mut process, begun),
        };
        let (kill_cause, replaced, group) =
            (process.kill_cause, process.replaced, process.group.take());
        // Closes its descriptors, which the next step may need.
        drop(process);
        exit_report.group_ran_out = group.is_some_and(|group| group.ran_out());
        let asked = replaced.is_some() || exit_report.is_asked_for();
        self.replaced[slot.0] = Some(replaced.unwrap_or(match kill_cause {
            Some(KillCause::Commanded(_)) => Replaced::Ended,
            _ => Replaced::Died,
        }));
        self.exit_reports[slot.0] = Some(exit_report);
        Gone { worker, begun, asked }
    }

    pub(crate) fn pid(&self, slot: Slot) -> Option<u32> {
        let living = self.get(slot).map(WorkerProcess::pid);
        living.or_else(|| self.exit_report(slot).map(|exit_report| exit_report.pid))
    }

    pub(crate) fn signal(&self, slot: Slot, signal: Signal) -> Result<(), Error> {
        let Some(process) = self.get(slot) else {
            return Ok(());
        };
        process.signal(signal).map_err(|cause| {
            let message = format!("failed to signal process {}: {cause}", process.pid());
            Error::invalid(message).with_source(cause)
        })
    }

    /// Wakes the thread that waits for the fleet.
    pub(crate) fn ring(&self) {
        if let Some(outside) = &self.outside {
            outside.poller.ring();
        }
    }

    /// No worker is left and none will start. Gives the parts that hold descriptors. The caller
    /// drops them without a lock, as the last processes that were killed with workers may take
    /// a moment to end.
    pub(crate) fn dissolve(&mut self) -> Option<Outside> {
        assert!(self.processes.iter().all(Option::is_none), "a worker is left");
        let outside = self.outside.take();
        if let Some(outside) = &outside {
            outside.launch.close_mailbox();
        }
        outside
    }

    /// Gives up all workers: dropping their channels makes the kernel kill them.
    pub(crate) fn abandon(&mut self) {
        for mut process in self.processes.iter_mut().filter_map(Option::take) {
            process.channel.abandon();
        }
        if let Some(outside) = self.outside.take() {
            // The engine's thread may sleep on it.
            outside.poller.ring();
            outside.launch.close_mailbox();
        }
    }
}

fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGKILL)
}
