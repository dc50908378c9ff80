//! What is asked about workers from outside.

use std::process::ExitStatus;

use rustix::process::Signal;

use super::super::Seen;
use super::Core;
use crate::error::Error;
use crate::ids::Slot;

impl Core {
    pub(in crate::engine) fn seen(&self) -> Vec<Seen> {
        let members = self.members.iter().flatten();
        members
            .map(|member| Seen {
                slot: member.worker.slot,
                pid: member.child.pid(),
                life: self.scheduler.life(member.worker.slot).clone(),
                busy: self.scheduler.front(member.worker).is_some(),
                replaced: self.replaced[member.worker.slot.0],
                start: member.start,
            })
            .collect()
    }

    pub(in crate::engine) fn pid(&self, slot: Slot) -> Option<u32> {
        let living = self.members[slot.0].as_ref().map(|member| member.child.pid());
        living.or_else(|| self.obituaries[slot.0].as_ref().map(|obituary| obituary.pid))
    }

    pub(in crate::engine) fn signal(&self, slot: Slot, signal: Signal) -> Result<(), Error> {
        let Some(member) = &self.members[slot.0] else {
            return Ok(());
        };
        if signal == Signal::TERM {
            member.channel.ask_to_end();
        }
        member.child.signal(signal).map_err(|cause| {
            let message = format!("failed to signal process {}: {cause}", member.child.pid());
            Error::invalid(message).with_source(cause)
        })
    }

    pub(in crate::engine) fn last_exit(&self, slot: Slot) -> Option<Option<ExitStatus>> {
        self.obituaries[slot.0].as_ref().map(|obituary| obituary.status)
    }
}
