//! The rotation: the jobs with queued chunks, in turn. The first is served and goes last.
//!
//! A job may leave from anywhere in the rotation, as callers cancel jobs, and there may be very
//! many: removing each would walk all others. So a job that leaves is only counted, and its
//! name stays until its turn. When more than half of all names are of such jobs, these are
//! swept out, which costs a step or two for each job that left. A job that has left has an
//! empty queue for ever, as it is removed or expired, so its queue tells that it has left.

use std::collections::VecDeque;

use crate::ids::JobId;

#[derive(Debug, Default)]
pub(super) struct Rotation {
    names: VecDeque<JobId>,
    /// How many names are of jobs that have left.
    left: usize,
}

impl Rotation {
    pub(super) fn is_empty(&self) -> bool {
        self.names.len() == self.left
    }

    /// Adds a job that has its first queued chunk, or that was served and has more.
    pub(super) fn push(&mut self, job: JobId) {
        self.names.push_back(job);
    }

    /// The next name, if any job is left. If that job has left, [`Rotation::pass_over`] must
    /// follow.
    pub(super) fn pop(&mut self) -> Option<JobId> {
        if self.is_empty() {
            self.clear();
        }
        self.names.pop_front()
    }

    /// The popped name is of a job that has left.
    pub(super) fn pass_over(&mut self) {
        self.left = self.left.checked_sub(1).expect("whoever leaves is counted");
    }

    /// A job of the rotation has an empty queue now. `waits` tells which jobs have chunks.
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
