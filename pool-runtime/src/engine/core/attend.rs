//! Who looks at the workers' rings: callers that wait, or the engine's thread when
//! it hears a bell.

use super::{Core, Member};
use crate::channel::{Attention, Line};
use crate::ids::{JobId, Slot};
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

    /// Where a caller may sleep until its job has news: on the workers that are at the
    /// job. They have been told to wake it, and so has everybody who settles items of
    /// the job; [`Core::hang_up`] follows. Nothing if it must sleep otherwise.
    ///
    /// A worker wakes it for what others wait for too, and it sees to that as the
    /// engine's thread would. One that gets more to do of the job meanwhile rings its
    /// bell.
    pub(in crate::engine) fn lines(&mut self, id: JobId) -> Vec<(Slot, Line)> {
        if !self.is_looked_at() || self.job_mut(id).is_slept_on() {
            return Vec::new();
        }
        let attention = self.attention();
        let mut lines = Vec::new();
        for member in self.members.iter_mut().flatten() {
            if self.scheduler.front(member.worker).is_some_and(|(job, _)| job == id) {
                member.attention = attention;
                lines.push((member.worker.slot, member.channel.arm_line(attention)));
            }
        }
        if lines.len() > Line::most() {
            lines.iter().for_each(|&(slot, _)| self.rearm(slot));
            lines.clear();
        }
        self.job_mut(id).set_line(lines.first().map(|(_, line)| line.clone()));
        lines
    }

    /// The caller sleeps no longer on these workers, which are to ring their bells
    /// again. What they sent before they were told so is read here; [`Core::act`]
    /// follows.
    pub(in crate::engine) fn hang_up(&mut self, id: JobId, lines: &[(Slot, Line)]) {
        self.job_mut(id).set_line(None);
        for &(slot, _) in lines {
            self.rearm(slot);
            if self.has_news(slot) {
                self.drain(slot);
            }
        }
    }

    fn rearm(&mut self, slot: Slot) {
        let attention = self.attention();
        // If it is another worker by now, it is told what it would be told anyway.
        if let Some(member) = &mut self.members[slot.0] {
            member.attention = attention;
            member.channel.arm(attention);
        }
    }

    /// Whether a worker has sent what is not read.
    pub(in crate::engine) fn has_news(&self, slot: Slot) -> bool {
        self.members[slot.0].as_ref().is_some_and(Member::has_news)
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
