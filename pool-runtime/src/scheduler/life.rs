//! The states of a worker's life.

use super::KillReason;
use std::time::Duration;

use crate::ids::Moment;

/// What the worker of a slot is doing.
///
/// ```text
///            start             ready            last item done
///   Vacant ---------> Starting -----> Serving <----------------+
///     ^                  |             |  |  |  chunk sent     |
///     |                  | deadline    |  |  +---> Serving ----+
///     |                  v    ended    |  |        with assignments
///     +--- exited --- Dying <----------+  | goodbye, or it retires, or was
///     |                  ^                |    fenced before it began
///     |                  |                v
///     |                  +-- deadline - Stopping <-- it retires -- Leaving
///     +------------------- exited --------+             (from Serving, when its
///                                                        job leaves it to finish)
/// ```
///
/// From every state but `Vacant`, an exit leads to `Vacant` and the termination of the pool to
/// `Dying`. Otherwise a serving worker is killed only if it runs an item or a chunk that must
/// not go on, or if it begins nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// No process.
    Vacant,
    /// A process that has not reported in.
    Starting { deadline: Moment },
    /// Ready for items, or running some.
    Serving,
    /// Finishes its item, which no caller waits for, and leaves; within the item's limit, if it
    /// has one.
    Leaving { deadline: Option<Moment> },
    /// Told to leave, or leaving by itself; it has no items.
    Stopping { deadline: Moment },
    /// Killed, or asked to end and killed at `kill_at`; it has not exited yet. Whatever it sends
    /// is too late.
    Dying { why: KillReason, fruitless: bool, kill_at: Option<Moment> },
}

impl Life {
    pub(super) fn deadline(&self) -> Option<Moment> {
        match *self {
            Life::Starting { deadline } | Life::Stopping { deadline } => Some(deadline),
            Life::Dying { kill_at, .. } => kill_at,
            Life::Leaving { deadline } => deadline,
            Life::Vacant | Life::Serving => None,
        }
    }

    /// Moves its deadline later.
    pub(super) fn postpone(&mut self, by: Duration) {
        let deadline = match self {
            Life::Starting { deadline } | Life::Stopping { deadline } => Some(deadline),
            Life::Dying { kill_at: deadline, .. } | Life::Leaving { deadline } => deadline.as_mut(),
            Life::Vacant | Life::Serving => None,
        };
        if let Some(deadline) = deadline {
            *deadline = deadline.saturating_add(by);
        }
    }
}
