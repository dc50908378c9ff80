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
/// From every state but `Vacant` an exit leads to `Vacant`, and the termination of
/// the pool to `Dying`. Else a serving worker is ended only if it is at an item or a
/// chunk that is to run no longer, or begins nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// No process.
    Vacant,
    /// A process that has not reported in.
    Starting { deadline: Moment },
    /// Ready for items, or at work on some.
    Serving,
    /// Finishes the item that it is at, which nobody waits for, and leaves; in time, if
    /// the item has a limit.
    Leaving { deadline: Option<Moment> },
    /// Told to leave, or leaving by itself; has no items.
    Stopping { deadline: Moment },
    /// Killed, or asked to end and to be killed at a moment; the exit is still to come.
    /// Whatever it sends is too late.
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

    /// The same, its deadline later by so much.
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
