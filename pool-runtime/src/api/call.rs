//! A call with settings of its own, which `pool.job(task)` builds.

use super::async_result::AsyncResult;
use super::crossing::unencodable;
use super::feed::Feed;
use super::imap::{Imap, ImapUnordered};
use super::in_order::InOrder;
use super::pool::Pool;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{BatchEncoder, CancelToken, ChunkPolicy, Request, Rules, Shape};
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
///
/// # The results of a call that is ended
///
/// The error of an item has its index in [`Error::item`]; the error of the whole call has `None`.
/// `imap_unordered` yields the latter with a number that is no item's index, but the count of
/// results before it. So use the error's `item()`, not the number.
///
/// | | `map`, `pmap`, `map_async` | `imap`, `imap_unordered` | `apply`, `apply_async` |
/// |---|---|---|---|
/// | cancelled, by a token or [`AsyncResult::cancel`] | one error, `Cancelled`, of no item | results that had arrived, then one `Cancelled` of no item | one error, `Cancelled` |
/// | the [`deadline`](Job::deadline) has passed | one error, `TimedOut`, of an item or of none | finished results, one `TimedOut` for each unfinished item that was pulled, and one more of no item if not all items were pulled | one error, `TimedOut` |
/// | the pool is closed meanwhile | nothing: it goes on | nothing: it goes on | nothing: it goes on |
/// | the pool is terminated meanwhile | one error, `Terminated`, of no item | results that had arrived, then one `Terminated` of no item | one error, `Terminated` |
/// | the pool was closed or terminated before | one error, `Closed`, of no item | one `Closed` of no item | one error, `Closed` |
/// | the token was cancelled before | one error, `Cancelled`, of no item | one `Cancelled` of no item | one error, `Cancelled` |
///
/// After an error of no item an iterator ends. `imap` yields the arrived results that are next in
/// order; results behind a missing one are lost.
#[derive(Clone, Debug)]
#[must_use = "a job does nothing until it is given items"]
pub struct Job<'pool, T> {
    pool: &'pool Pool,
    task: T,
    policy: ChunkPolicy,
    rules: Rules,
    token: Option<CancelToken>,
}

impl<'pool, T: Task> Job<'pool, T> {
    pub(super) fn new(pool: &'pool Pool, task: T) -> Self {
        Job { pool, task, policy: ChunkPolicy::default(), rules: Rules::default(), token: None }
    }

    /// How many consecutive items travel as one message. Large chunks are for tiny items: the
    /// items of a chunk run one after another in one worker.
    ///
    /// Unless set, it follows from the time that the first items take: a chunk takes half a
    /// millisecond, slow items travel one by one, and chunks shrink towards the end if the
    /// iterator knows its length. A chunk size of 0 is an error of the call.
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.policy.chunk = Some(items);
        self
    }

    /// How many items may be pulled whose results are not yet taken. This bounds the memory of a
    /// lazy map.
    ///
    /// Unless set, it is four times the items that are queued for all workers at a time, and at
    /// least 16. For each worker one chunk is queued, or as many small ones as take 0.1 ms. So
    /// with 8 workers and chunks of 100 slow items it is 4 × 8 × 100 = 3200. A window of 0 is an
    /// error of the call.
    pub fn window(mut self, items: usize) -> Self {
        self.policy.window = Some(items);
        self
    }

    /// How long an item may run; unless set, without limit.
    ///
    /// The time starts when the item begins in its worker, not when it is queued. An item that
    /// runs longer fails with `TimedOut`, and its worker is ended: its process group gets
    /// SIGTERM, and SIGKILL after [`kill_grace`](crate::PoolBuilder::kill_grace). A fresh worker
    /// replaces it. Finished items of the same chunk keep their results; unbegun ones go to other
    /// workers. An item that finishes before the pool checks keeps its result, even if it took
    /// longer. A worker that has begun none of its items when the time has passed (as it was
    /// stopped by a signal) gets the same time again, at least 5 s, before it is replaced and its
    /// items go to other workers. A timeout of 0 is an error of the call.
    ///
    /// Time in which the program did not run either (a frozen container, a stop of all
    /// processes) does not count.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pool_runtime::{ErrorKind, Pool, pool_task};
    ///
    /// #[pool_task]
    /// fn nap(millis: u64) -> u64 {
    ///     std::thread::sleep(Duration::from_millis(millis));
    ///     millis
    /// }
    ///
    /// let pool = Pool::new(2)?;
    /// let mut naps = pool.job(nap).timeout(Duration::from_millis(500)).imap([1, 60_000, 2]);
    /// assert_eq!(naps.next().unwrap()?, 1);
    /// assert_eq!(naps.next().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    /// assert_eq!(naps.next().unwrap()?, 2);
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.rules.timeout = Some(limit);
        self
    }

    /// How long the whole call may take from its beginning; unless set, without limit.
    ///
    /// When the time has passed, finished results are delivered. Each pulled item that is not
    /// finished fails with `TimedOut`, and workers that run such items are ended as for
    /// [`Job::timeout`]. No more input is pulled, but a call to the input that is under way is
    /// waited for. A lazy map that has not reached the end of its input yields one more
    /// `TimedOut`, without an item, and ends. A `map` or `map_async` is a single error. A deadline
    /// of 0 is an error of the call.
    ///
    /// Unlike the limit of an item, a deadline counts time in which the program was frozen.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.rules.deadline = Some(limit);
        self
    }

    /// How often an item that failed is tried again; unless set, never.
    ///
    /// Items that end with `Died` or `TimedOut` are tried again. Others are not: no
    /// `MemoryLimit`, no panic, and no `Err` value, which is a result like any other;
    /// [`Job::retry_if`] decides otherwise. The error of the last try says how many
    /// there were ([`Error::tries`]).
    ///
    /// An item may then run more than once, also after it has had effects.
    pub fn retries(mut self, times: u32) -> Self {
        self.rules.retries = times;
        self
    }

    /// How long an item waits before it is tried again: `initial` after the first failure, then
    /// twice as long each time, at most `most`, less a random part of up to a half, so that items
    /// that failed together are not tried together. Unless set, it does not wait.
    pub fn backoff(mut self, initial: Duration, most: Duration) -> Self {
        (self.rules.backoff.initial, self.rules.backoff.most) = (initial, most);
        self
    }

    /// The seed of the random part of [`Job::backoff`]: the same seed, item and try give the same
    /// wait. Unless set, 0.
    pub fn backoff_seed(mut self, seed: u64) -> Self {
        self.rules.backoff.seed = seed;
        self
    }

    /// Which failures are tried again, in place of the rule of [`Job::retries`]. Without `retries`
    /// it does nothing.
    ///
    /// The rule runs on the thread that learns of the failure, which may be the pool's own. The
    /// pool does nothing else meanwhile, so the rule should be quick. If it panics, the item is not
    /// tried again.
    ///
    /// The rule must not wait for this pool, nor for a thread that does. Within it, `apply`, `map`,
    /// the `imap`s, [`Pool::join`], and [`AsyncResult::get`] of an unfinished result are errors of
    /// kind `InvalidArgument`; [`AsyncResult::wait`] and [`AsyncResult::wait_timeout`] return at
    /// once; `apply_async` and `map_async` work. The same holds for the destructors of the rule's
    /// captures.
    ///
    /// ```
    /// use pool_runtime::{ErrorKind, Pool, pool_task};
    ///
    /// #[pool_task]
    /// fn flaky(path: &str) -> bool {
    ///     let first = !std::path::Path::new(path).exists();
    ///     std::fs::write(path, "").unwrap();
    ///     if first {
    ///         panic!("try again");
    ///     }
    ///     true
    /// }
    ///
    /// let pool = Pool::new(1)?;
    /// let path = std::env::temp_dir().join(format!("flaky-{}", std::process::id()));
    /// let path = path.to_str().unwrap();
    /// let job = pool.job(flaky).retries(2);
    /// assert!(job.retry_if(|error| error.kind() == ErrorKind::Panicked).apply(path)?);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn retry_if(mut self, rule: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.rules.retry_if = Some(Arc::new(rule));
        self
    }

    /// Whether running items are killed when the call ends early (it is cancelled, its iterator
    /// is dropped, or an item has failed); unless set, they are, as for [`Job::timeout`]. With
    /// `false` running items finish, and no item after them begins.
    pub fn cancel_running(mut self, ended: bool) -> Self {
        self.rules.spares_running = !ended;
        self
    }

    /// Cancels the call when the token is cancelled.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.token = Some(token.clone());
        self
    }

    fn feed<I>(&self, items: I, fail_fast: bool) -> Result<Feed<T, I::IntoIter>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        let shape = Shape { single: false, fail_fast };
        Feed::open(self.pool, items.into_iter(), self.policy, self.request(shape)?)
    }

    /// Runs the task on every item and returns the results in input order, as [`Pool::map`].
    pub fn map<I>(&self, items: I) -> Result<Vec<T::Output>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        let mut feed = self.feed(items, true)?;
        let mut results = InOrder::<T>::new();
        while let Some(arrival) = feed.next_arrival()? {
            results.add(arrival)?;
        }
        Ok(results.into_all())
    }

    /// Runs the task on every item, lazily, with results in input order, as [`Pool::imap`].
    pub fn imap<I>(&self, items: I) -> Imap<'pool, T, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        Imap::new(self.feed(items, false))
    }

    /// Runs the task on every item, lazily, with results in order of completion, as
    /// [`Pool::imap_unordered`].
    pub fn imap_unordered<I>(&self, items: I) -> ImapUnordered<'pool, T, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        ImapUnordered::new(self.feed(items, false))
    }

    /// Runs the task once and waits for its result, as [`Pool::apply`].
    pub fn apply(&self, args: impl TaskInput<T>) -> Result<T::Output, Error> {
        self.pool.engine().check_may_wait(format_args!("call {}", T::def().name))?;
        self.apply_async(args)?.get()
    }

    /// Refuses rules by which nothing could be done.
    fn request(&self, shape: Shape) -> Result<Request, Error> {
        self.rules.check()?;
        let (rules, token) = (self.rules.clone(), self.token.clone());
        Ok(Request { task: T::def(), shape, rules, token })
    }

    /// Starts the task once and returns without waiting for it, as [`Pool::apply_async`].
    pub fn apply_async(&self, args: impl TaskInput<T>) -> Result<AsyncResult<T::Output>, Error> {
        self.policy.check()?;
        let request = self.request(Shape { single: true, fail_fast: true })?;
        AsyncResult::single(self.pool.engine(), self.task, args, request)
    }

    /// Starts the task on every item and returns without waiting, as [`Pool::map_async`].
    pub fn map_async<I>(&self, items: I) -> Result<AsyncResult<Vec<T::Output>>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        let mut items = items.into_iter();
        let engine = self.pool.engine();
        let policy = self.policy.check()?;
        let job = engine.open(self.request(Shape { single: false, fail_fast: true })?)?;
        let mut encoder = BatchEncoder::new(engine.arena());
        while !job.end_if_late()
            && let Some(item) = items.next()
        {
            let at = encoder.next();
            encoder
                .push(|out| item.write_item(&mut ItemWriter::new(out)))
                .map_err(|error| unencodable(T::def(), Some(at), error))?;
            if encoder.len() >= PACK || encoder.is_heavy() {
                job.hold(encoder.take(), policy);
            }
        }
        if !encoder.is_empty() {
            job.hold(encoder.take(), policy);
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
