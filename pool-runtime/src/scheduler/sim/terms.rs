//! What jobs ask for beyond their results.

use super::super::Terms;
use super::rng::Rng;
use crate::ids::Moment;

/// Limits of time in one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limits {
    /// No job has any, nor other terms.
    None,
    /// Some milliseconds.
    Short,
    /// About as long as a worker may begin nothing.
    Long,
}

impl Limits {
    /// The terms of a job, its deadline counted from when it is opened.
    pub(super) fn draw(self, rng: &mut Rng) -> Terms {
        let timeout = match self {
            Limits::None => return Terms::default(),
            Limits::Short => Moment::from_millis(rng.between(1, 60)),
            Limits::Long => Moment::from_millis(rng.between(500, 8000)),
        };
        let deadline = match self {
            Limits::Long => Moment::from_millis(rng.between(0, 20_000)),
            // Now and then to the moment at which an item is overdue.
            _ if rng.percent(20) => timeout,
            _ => Moment::from_millis(rng.between(0, 100)),
        };
        Terms {
            timeout: rng.percent(45).then_some(timeout),
            deadline: rng.percent(30).then_some(deadline),
            retries: rng.percent(40),
            spares_running: rng.percent(30),
            lazy: false,
        }
    }
}
