//! Who looks at the workers' rings: callers that wait, or the engine's thread when
//! it hears a bell.

use super::super::obituary::Doom;
use super::{Core, Member};
use crate::channel::Attention;
use crate::ids::Slot;
use crate::limits::LOOK_MOST;

impl Core {
    /// What a worker is to be told now.
    pub(super) fn attention(&self) -> Attention {
        match self.waiters > 0 || !self.is_looked_at() {
            true => Attention::Eager,
            false => Attention::Lazy,
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
            // Of one that makes no sense nothing is taken, so its news would stay.
            let has_news = |member: &Member| {
                member.doom != Some(Doom::Nonsense) && member.channel.has_news()
            };
            if self.members[slot].as_ref().is_some_and(has_news) {
                self.drain(Slot(slot));
                came = true;
            }
        }
        came
    }

    /// Has every worker that is at work ring at its next result; tells whether some
    /// had one by now. Then [`Core::act`] follows.
    pub(in crate::engine) fn listen(&mut self) -> bool {
        if !self.is_looked_at() {
            return false;
        }
        for member in self.members.iter_mut().flatten() {
            if member.attention != Attention::Eager
                && self.scheduler.front(member.worker).is_some()
            {
                member.attention = Attention::Eager;
                member.channel.arm(Attention::Eager);
            }
        }
        self.look()
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
