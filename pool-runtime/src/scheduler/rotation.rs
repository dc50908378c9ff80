//! Whose turn it is: the jobs with queued chunks, of which the first is served next,
//! then goes last.
//!
//! A job may leave from anywhere in it, since callers take their work back, and there
//! may be very many of them: to take each out would walk all others. So a job that
//! leaves is only counted, and its name stays until its turn would come. When one leaves
//! and more than half of all names are of such jobs, these are swept out, which costs
//! each leaving a step or two; so there are never more of them than there were of
//! others. A job that has left has nothing queued, and never has again: it is gone, or
//! has expired. So whether a job has left can be seen by its queue.

use std::collections::VecDeque;

use crate::ids::JobId;

#[derive(Debug, Default)]
pub(super) struct Rotation {
    names: VecDeque<JobId>,
    /// How many of them are of jobs that have left.
    left: usize,
}

impl Rotation {
    pub(super) fn is_empty(&self) -> bool {
        self.names.len() == self.left
    }

    /// A job has something queued that had nothing, or has been served and has more.
    pub(super) fn push(&mut self, job: JobId) {
        self.names.push_back(job);
    }

    /// The next name, if there is a job. If it is of one that has left,
    /// [`Rotation::pass_over`] follows.
    pub(super) fn pop(&mut self) -> Option<JobId> {
        if self.is_empty() {
            self.clear();
        }
        self.names.pop_front()
    }

    /// The name that was next is of a job that has left.
    pub(super) fn pass_over(&mut self) {
        self.left = self.left.checked_sub(1).expect("whoever leaves is counted");
    }

    /// A job that is in here has nothing queued any more. `waits` tells it from those
    /// that have.
    pub(super) fn leave(&mut self, waits: impl Fn(JobId) -> bool) {
        self.left += 1;
        if self.left * 2 <= self.names.len() {
            return;
        }
        self.names.retain(|&job| waits(job));
        self.left = 0;
    }

    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.left = 0;
    }

    /// All names, and how many of them are of jobs that have left.
    #[cfg(test)]
    pub(super) fn names(&self) -> (&VecDeque<JobId>, usize) {
        (&self.names, self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    use super::*;

    const JOBS: u64 = 100_000;

    /// All leave in some order; gives how many names were looked at for it.
    fn looks(order: impl Iterator<Item = u64>) -> u64 {
        let mut rotation = Rotation::default();
        (0..JOBS).for_each(|job| rotation.push(JobId(job)));
        let waiting: RefCell<BTreeSet<JobId>> = RefCell::new((0..JOBS).map(JobId).collect());
        let looks = Cell::new(0);
        for job in order {
            waiting.borrow_mut().remove(&JobId(job));
            rotation.leave(|job| {
                looks.set(looks.get() + 1);
                waiting.borrow().contains(&job)
            });
            let (names, left) = rotation.names();
            assert_eq!(names.len() - left, waiting.borrow().len());
        }
        assert!(rotation.is_empty() && rotation.names().0.is_empty());
        looks.get()
    }

    #[test]
    fn whoever_leaves_costs_a_few_steps_however_many_there_are() {
        assert!(looks(0..JOBS) <= 2 * JOBS);
        assert!(looks((0..JOBS).rev()) <= 2 * JOBS);
        assert!(looks((0..JOBS).map(|job| job * 77_777 % JOBS)) <= 2 * JOBS);
    }
}
