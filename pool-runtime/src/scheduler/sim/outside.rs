//! Whether what the scheduler tells whoever asks is true.

use super::super::Scheduler;
use super::books::Books;
use super::broken::{Broken, Rule, broken};
use super::posts::{Held, Post};

impl Books {
    pub(super) fn check_answers(&self, scheduler: &Scheduler) -> Result<(), Broken> {
        let size = scheduler.size();
        if size != self.places.len() {
            return broken(Rule::LivesAreTrue, format!("the pool's size is said to be {size}"));
        }
        for (job, waiting) in self.ledger.waiting() {
            let queued = scheduler.queued(job);
            if queued != waiting {
                let detail = format!("{queued} chunks of {job:?} are said to wait, not {waiting}");
                return broken(Rule::LivesAreTrue, detail);
            }
        }
        for place in &self.places {
            let present = place.post.as_ref();
            if let Some(detail) = present.and_then(|post| untruth(post, scheduler)) {
                return broken(Rule::LivesAreTrue, detail);
            }
            let mut gone =
                place.past.iter().filter(|&&name| present.is_none_or(|p| p.name != name));
            if let Some(name) = gone.find(|&&name| scheduler.front(name).is_some()) {
                return broken(Rule::LivesAreTrue, format!("{name:?} is gone, but has a chunk"));
            }
        }
        Ok(())
    }
}

/// What is said of the chunks of a process, if it is not so.
fn untruth(post: &Post, scheduler: &Scheduler) -> Option<String> {
    let count = scheduler.chunks(post.name.slot);
    if count != post.held.len() {
        return Some(format!("{count} chunks are said to be with {post:?}"));
    }
    let front = scheduler.front(post.name);
    if front != post.held.front().map(|held| (held.job, held.items.clone())) {
        return Some(format!("{front:?} is said to be the first of {post:?}"));
    }
    for Held { job, .. } in &post.held {
        let behind = post.held.iter().skip(1).filter(|held| held.job == *job);
        let stock = scheduler.stock(post.name.slot, *job);
        if stock != behind.map(|held| held.items.end - held.items.start).sum() {
            return Some(format!("{stock} items of {job:?} are said to be behind in {post:?}"));
        }
    }
    None
}
