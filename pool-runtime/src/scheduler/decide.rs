//! What follows from the present state, whatever brought it about.

use super::jobs::Chunk;
use super::slots::Assignment;
use super::{Command, JobFailure, Mode, Scheduler, Verdict};
use crate::ids::Moment;

impl Scheduler {
    /// Commands whatever the present state calls for. Deciding twice is deciding
    /// once.
    ///
    /// It asks for the time only when a worker starts or stops: a clock takes 40 ns to
    /// read, and a call of a microsecond is decided upon three times.
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

    /// The breaker (the restart intensity of Erlang's supervisors): too many deaths
    /// within a time are one fault, of which starting again is no cure.
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

    /// No worker will do: the jobs fail, and so does what is called until somebody has
    /// reset the breaker. A pool that closes has nobody to do so, and ends.
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
        // A worker that is asked for what it has not begun is sent nothing before it
        // has answered: it would be asked for that too.
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

    /// Takes back what a worker has not begun, for one that has nothing: chunks are
    /// sent ahead so that a worker need not wait for the next, not to keep them
    /// from others.
    fn recall_chunks(&mut self) {
        // One at a time: what comes back may be enough, and the answer decides anew.
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
