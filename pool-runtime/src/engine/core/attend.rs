//! Who looks at the workers' rings: callers that wait, or the engine's thread when
//! it hears a bell.

use super::super::job::JobState;
use super::{Core, Member};
use crate::channel::{Attention, Line};
use crate::ids::{JobId, Slot, Worker};
use crate::limits::LOOK_MOST;

impl Core {
    /// What a worker is to be told now.
    pub(super) fn attention(&self) -> Attention {
        match (self.waiters, self.patient) {
            _ if !self.is_looked_at() => Attention::Eager,
            (0, 0) => Attention::Lazy,
            (0, _) => Attention::Patient,
            _ => Attention::Eager,
        }
    }

    /// Whether callers look at the rings. In a large pool that would cost each of
    /// them more than the bells cost.
    fn is_looked_at(&self) -> bool {
        self.members.len() <= LOOK_MOST
    }

    /// Takes in what workers have sent, if callers look at the rings; tells whether
    /// there was anything. [`Core::act`] follows.
    pub(in crate::engine) fn look(&mut self) -> bool {
        if !self.is_looked_at() {
            return false;
        }
        let mut came = false;
        for slot in 0..self.members.len() {
            if self.members[slot].as_ref().is_some_and(Member::has_news) {
                self.drain(Slot(slot));
                came = true;
            }
        }
        came
    }

    /// Has every worker that is at work ring as somebody who waits needs it; tells
    /// whether some had news by now. Then [`Core::act`] follows.
    pub(in crate::engine) fn listen(&mut self) -> bool {
        if !self.is_looked_at() {
            return false;
        }
        let attention = self.attention();
        for member in self.members.iter_mut().flatten() {
            if member.attention < attention && self.scheduler.front(member.worker).is_some() {
                member.attention = attention;
                member.channel.arm(attention);
            }
        }
        self.look()
    }

    /// Where a caller may sleep until its result is there, if that is the next that one
    /// worker will have. The worker has been told; [`Core::rearm`] follows.
    pub(in crate::engine) fn direct(&mut self, id: JobId) -> Option<(Worker, Line)> {
        if !self.is_looked_at() || !self.jobs.get(&id).is_some_and(JobState::wants_one) {
            return None;
        }
        let is_at_it = |worker| self.scheduler.front(worker).is_some_and(|(job, _)| job == id);
        let member = self.members.iter_mut().flatten().find(|member| is_at_it(member.worker))?;
        member.attention = Attention::Direct;
        member.channel.arm(Attention::Direct);
        let (worker, line) = (member.worker, member.channel.line());
        self.job_mut(id).set_line(Some(line.clone()));
        Some((worker, line))
    }

    /// Whether a worker has sent what is not read.
    pub(in crate::engine) fn has_news(&self, worker: Worker) -> bool {
        let member = self.members[worker.slot.0].as_ref();
        member.is_some_and(|member| member.worker == worker && member.has_news())
    }

    /// The caller sleeps no longer on this worker, which is to ring its bell again.
    /// What it sent before it was told so is read here; [`Core::act`] follows.
    pub(in crate::engine) fn rearm(&mut self, worker: Worker) {
        let attention = self.attention();
        let member = self.members[worker.slot.0].as_mut();
        if let Some(member) = member.filter(|member| member.worker == worker) {
            member.attention = attention;
            member.channel.arm(attention);
            self.drain(worker.slot);
        }
    }

    /// Whether a core is left for a caller that looks.
    pub(in crate::engine) fn has_free_core(&self) -> bool {
        if !self.is_looked_at() {
            return false;
        }
        let members = self.members.iter().flatten();
        let busy = members.filter(|member| self.scheduler.front(member.worker).is_some()).count();
        busy < self.cores
    }
}
