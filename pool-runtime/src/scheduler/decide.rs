//! Derives commands from the present state, whatever events have led to it.

use super::jobs::Chunk;
use super::slots::Assignment;
use super::{Command, JobFailure, Mode, Scheduler, Verdict};
use crate::ids::Moment;

impl Scheduler {
    /// Issues the commands that the present state calls for. Deciding twice issues nothing
    /// more.
    ///
    /// It reads the clock only if a worker starts or stops: that takes 40 ns, and a call of a
    /// microsecond has three decisions.
    pub(crate) fn decide(&mut self, now: impl Fn() -> Moment) {
        self.count_deaths(&now);
        self.start_workers(&now);
        if !self.jobs.is_empty() && self.slots.all_given_up() {
            self.trip();
        }
        self.send_chunks(&now);
        self.recall_chunks();
        if self.mode == Mode::Closing {
            if self.may_leave() {
                self.stop_workers(&now);
            }
            self.depart();
        }
        #[cfg(test)]
        self.check();
    }

    /// The breaker (the restart intensity of Erlang's supervisors): too many deaths within a
    /// period have one cause, which restarting does not cure.
    fn count_deaths(&mut self, now: &impl Fn() -> Moment) {
        let deaths = std::mem::take(&mut self.untold_deaths);
        let Some((limit, period)) = self.config.restart_limit.filter(|_| deaths != 0) else {
            return;
        };
        let now = now();
        self.deaths.extend(std::iter::repeat_n(now, deaths as usize));
        let since = now.saturating_sub(period);
        while self.deaths.front().is_some_and(|&death| death < since) {
            self.deaths.pop_front();
        }
        if self.deaths.len() > limit as usize {
            self.trip();
        }
    }

    /// Trips the breaker: all jobs fail, and so do calls until it is reset. A closed pool
    /// cannot be reset, so it ends.
    fn trip(&mut self) {
        self.fail_jobs(JobFailure::NoWorkers);
        self.deaths.clear();
        self.exhaustion.end();
        self.tripped = self.config.replace && self.mode == Mode::Open;
        for worker in self.slots.assigned() {
            self.recall(worker);
        }
    }

    pub(super) fn reset(&mut self) -> Verdict {
        if !std::mem::take(&mut self.tripped) {
            return Verdict::Ignored;
        }
        // What it was reset for is over, and so are the deaths that came of it.
        self.deaths.clear();
        self.exhaustion.end();
        self.slots.forgive();
        Verdict::Accepted
    }

    fn start_workers(&mut self, now: &impl Fn() -> Moment) {
        let wanted = match self.mode {
            Mode::Open => !self.tripped,
            Mode::Closing => !self.rests(),
            Mode::Terminated => false,
        };
        if !wanted || self.exhaustion.is_waited_out() {
            return;
        }
        let timeout = self.config.start_timeout;
        let deadline = || now().saturating_add(timeout);
        while let Some(worker) = self.slots.start_next(&deadline) {
            self.commands.push_back(Command::Start { worker });
            if self.exhaustion.probes(worker, now) {
                return;
            }
        }
    }

    fn send_chunks(&mut self, now: &impl Fn() -> Moment) {
        // Nothing is sent while a recall is unanswered: the worker might be asked for that
        // chunk too.
        if !self.recalls.is_empty() {
            return;
        }
        while self.slots.has_room() {
            let Some(job) = self.rotation.pop() else {
                return;
            };
            let state = self.jobs.get_mut(&job);
            let Some((state, Chunk { items, weight })) =
                state.and_then(|state| state.queue.pop_front().map(|chunk| (state, chunk)))
            else {
                self.rotation.pass_over();
                continue;
            };
            state.assignments += 1;
            let (timeout, spared) = (state.terms.timeout, state.terms.spares_running);
            let since = timeout.map_or(Moment::ZERO, |_| now());
            if !state.queue.is_empty() {
                self.rotation.push(job);
            }
            let assignment =
                Assignment { job, items: items.clone(), weight, timeout, since, spared };
            let worker = self.slots.assign(assignment);
            self.commands.push_back(Command::Send { worker, job, items });
        }
    }

    /// Recalls the unbegun chunks of a worker for an idle one. Chunks are sent ahead so that a
    /// worker need not wait for the next one, not to keep them from others.
    fn recall_chunks(&mut self) {
        // One worker at a time: its chunks may be enough, and its answer decides anew.
        if self.slots.has_idle()
            && self.recalls.is_empty()
            && let Some(worker) = self.slots.stocked()
        {
            self.recall(worker);
        }
    }

    fn stop_workers(&mut self, now: &impl Fn() -> Moment) {
        let grace = self.config.stop_grace;
        let deadline = || now().saturating_add(grace);
        while let Some(worker) = self.slots.stop_next_idle(&deadline) {
            self.commands.push_back(Command::Stop { worker });
        }
    }
}
