//! One call with its settings: what `pool.job(task)` builds.

use super::async_result::AsyncResult;
use super::feed::{Feed, unencodable};
use super::imap::{Imap, ImapUnordered};
use super::in_order::InOrder;
use super::pool::Pool;
use crate::engine::{Pace, Packer, Shape};
use crate::error::Error;
use crate::task::{ItemWriter, Task, TaskInput};

/// A call on a pool with settings of its own; made by [`Pool::job`].
///
/// ```
/// use pool_runtime::{Pool, pool_task};
///
/// #[pool_task]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// let pool = Pool::new(2)?;
/// let squares = pool.job(square).chunk_size(100).map(0..1000)?;
/// assert_eq!(squares[999], 998_001);
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a job does nothing until it is given items"]
pub struct Job<'pool, T> {
    pool: &'pool Pool,
    task: T,
    pace: Pace,
}

impl<'pool, T: Task> Job<'pool, T> {
    pub(super) fn new(pool: &'pool Pool, task: T) -> Self {
        Job { pool, task, pace: Pace::default() }
    }

    /// How many consecutive items travel as one message. Large chunks are for
    /// tiny items: the items of a chunk run one after another in one worker.
    ///
    /// Unless set, it follows from the time that the first items take: half a
    /// millisecond's worth, one by one if they are slow, and fewer towards the end if
    /// the iterator knows its length. A chunk of 0 is an error of the call.
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.pace.chunk = Some(items);
        self
    }

    /// How many items may be pulled from the iterator and not yet taken from
    /// the results. This bounds the memory of a lazy map.
    ///
    /// Unless set, it is four times what is queued at a time for each worker (a chunk,
    /// or as many small ones as take 0.1 ms), and at least 16. A window of 0 is an
    /// error of the call.
    pub fn window(mut self, items: usize) -> Self {
        self.pace.window = Some(items);
        self
    }

    /// As [`Pool::map`].
    pub fn map<I>(self, items: I) -> Result<Vec<T::Output>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        let mut feed = Feed::<T, _>::open(self.pool, items.into_iter(), self.pace, true)?;
        let mut results = InOrder::<T>::new();
        while let Some(arrival) = feed.next_arrival()? {
            results.add(arrival)?;
        }
        Ok(results.into_all())
    }

    /// As [`Pool::imap`].
    pub fn imap<I>(self, items: I) -> Imap<'pool, T, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        Imap::new(Feed::open(self.pool, items.into_iter(), self.pace, false))
    }

    /// As [`Pool::imap_unordered`].
    pub fn imap_unordered<I>(self, items: I) -> ImapUnordered<'pool, T, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        ImapUnordered::new(Feed::open(self.pool, items.into_iter(), self.pace, false))
    }

    /// As [`Pool::apply`].
    pub fn apply(self, args: impl TaskInput<T>) -> Result<T::Output, Error> {
        self.apply_async(args)?.get()
    }

    /// As [`Pool::apply_async`].
    pub fn apply_async(self, args: impl TaskInput<T>) -> Result<AsyncResult<T::Output>, Error> {
        let Job { pool, task, pace } = self;
        pace.check()?;
        AsyncResult::single(pool.engine(), task, args)
    }

    /// As [`Pool::map_async`].
    pub fn map_async<I>(self, items: I) -> Result<AsyncResult<Vec<T::Output>>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        let items = items.into_iter();
        let engine = self.pool.engine();
        let pace = self.pace.check()?;
        let job = engine.open(T::def(), Shape { single: false, fail_fast: true })?;
        let mut packer = Packer::default();
        for item in items {
            let at = packer.next();
            packer
                .push(|out| item.write_item(&mut ItemWriter::new(out)))
                .map_err(|error| unencodable(T::def(), Some(at), error))?;
            if packer.len() >= PACK || packer.is_heavy() {
                job.hold(packer.take(), pace);
            }
        }
        if !packer.is_empty() {
            job.hold(packer.take(), pace);
        }
        job.end();
        Ok(AsyncResult::new(job, |arrivals| {
            let mut results = InOrder::<T>::new();
            arrivals.into_iter().try_for_each(|arrival| results.add(arrival))?;
            Ok(results.into_all())
        }))
    }
}

/// Items of a `map_async` that are encoded before the first of them is queued.
const PACK: usize = 4096;
