//! Lazy maps: outcomes one by one, in input order or in order of completion.

use std::collections::BTreeMap;
use std::iter::FusedIterator;
use std::marker::PhantomData;

use super::feed::{Feed, Settled};
use super::pool::Pool;
use crate::error::Error;
use crate::ids::{Item, index};
use crate::task::{Task, TaskInput};

/// Where a lazy map stands.
#[derive(Debug)]
enum State<T, I> {
    Running(Box<Feed<T, I>>),
    /// Yields this, then nothing.
    Failed(Error),
    Over,
}

impl<T: Task, I: Iterator> State<T, I>
where
    I::Item: TaskInput<T>,
{
    fn new(feed: Result<Feed<T, I>, Error>) -> Self {
        match feed {
            Ok(feed) => State::Running(Box::new(feed)),
            Err(error) => State::Failed(error),
        }
    }

    /// The next outcome to arrive, or the end: of the input, or by an error.
    fn next(&mut self) -> Result<Settled<T>, Option<Error>> {
        if let State::Running(feed) = self {
            match feed.next() {
                Ok(Some(arrived)) => return Ok(arrived),
                Ok(None) => *self = State::Over,
                Err(error) => *self = State::Failed(error),
            }
        }
        match std::mem::replace(self, State::Over) {
            State::Failed(error) => Err(Some(error)),
            _ => Err(None),
        }
    }

    fn take(&mut self) {
        if let State::Running(feed) = self {
            feed.take();
        }
    }
}

/// The results of [`Pool::imap`], in input order.
///
/// What it yields when the call is cancelled, or the pool ended, is in a table at
/// [`Job`](crate::Job#the-results-of-a-call-that-is-ended).
///
/// Dropping it early cancels the rest of its work: queued items never run, and workers that run
/// items of it are ended, as for [`Job::timeout`](crate::Job::timeout), unless running items are
/// left to finish ([`Job::cancel_running`](crate::Job::cancel_running)). A fresh worker replaces
/// each, unless the pool's breaker has tripped ([`Pool::reset`]).
#[derive(Debug)]
#[must_use = "nothing runs until the iterator is asked for results"]
pub struct Imap<'pool, T: Task, I> {
    state: State<T, I>,
    /// The next to be yielded.
    next: Item,
    /// Arrived, but not yet their turn.
    early: BTreeMap<Item, Result<T::Output, Error>>,
    pool: PhantomData<&'pool Pool>,
}

impl<T: Task, I: Iterator> Imap<'_, T, I>
where
    I::Item: TaskInput<T>,
{
    pub(super) fn new(feed: Result<Feed<T, I>, Error>) -> Self {
        Imap { state: State::new(feed), next: 0, early: BTreeMap::new(), pool: PhantomData }
    }
}

impl<T: Task, I: Iterator> Iterator for Imap<'_, T, I>
where
    I::Item: TaskInput<T>,
{
    type Item = Result<T::Output, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(result) = self.early.remove(&self.next) {
                self.next += 1;
                self.state.take();
                return Some(result);
            }
            match self.state.next() {
                Ok((item, result)) if item == self.next => {
                    self.next += 1;
                    self.state.take();
                    return Some(result);
                }
                Ok((item, result)) => drop(self.early.insert(item, result)),
                Err(failure) => {
                    // What arrived out of turn is lost with the item it waited for.
                    self.early.clear();
                    return failure.map(Err);
                }
            }
        }
    }
}

impl<T: Task, I: Iterator> FusedIterator for Imap<'_, T, I> where I::Item: TaskInput<T> {}

/// The results of [`Pool::imap_unordered`], in order of completion, each with
/// the index of its item in the input.
///
/// Dropping it early cancels the rest of its work, as for [`Imap`].
///
/// If the whole job fails (the pool was terminated, no worker can be started), that error
/// comes last. It belongs to no item: its [`Error::item`](crate::Error::item) is `None`, and
/// the index beside it is only the number of results that came before. What each way to end
/// a call gives is in a table at [`Job`](crate::Job#the-results-of-a-call-that-is-ended).
#[derive(Debug)]
#[must_use = "nothing runs until the iterator is asked for results"]
pub struct ImapUnordered<'pool, T, I> {
    state: State<T, I>,
    yielded: Item,
    pool: PhantomData<&'pool Pool>,
}

impl<T: Task, I: Iterator> ImapUnordered<'_, T, I>
where
    I::Item: TaskInput<T>,
{
    pub(super) fn new(feed: Result<Feed<T, I>, Error>) -> Self {
        ImapUnordered { state: State::new(feed), yielded: 0, pool: PhantomData }
    }
}

impl<T: Task, I: Iterator> Iterator for ImapUnordered<'_, T, I>
where
    I::Item: TaskInput<T>,
{
    type Item = (usize, Result<T::Output, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        match self.state.next() {
            Ok((item, result)) => {
                self.yielded += 1;
                self.state.take();
                Some((index(item), result))
            }
            Err(failure) => failure.map(|error| (index(self.yielded), Err(error))),
        }
    }
}

impl<T: Task, I: Iterator> FusedIterator for ImapUnordered<'_, T, I> where I::Item: TaskInput<T> {}
