//! The pool.

use super::async_result::AsyncResult;
use super::builder::PoolBuilder;
use super::call::Job;
use super::feed::exact_length;
use super::imap::{Imap, ImapUnordered};
use crate::engine::{Engine, Seen};
use crate::error::Error;
use crate::scheduler::Life;
use crate::supervisor::{Replaced, Start};
use crate::task::{Task, TaskInput};

/// A fixed number of worker processes that stay alive and share the work of any number of
/// threads.
///
/// The methods have the names of Python's `multiprocessing.Pool`. A worker that
/// dies costs the item that it ran, and is replaced. Dropping the pool terminates it, as
/// [`Pool::terminate`] does, and waits until all workers are gone; [`Pool::close`] and
/// [`Pool::join`] let the work finish first.
///
/// ```
/// use pool_runtime::{Pool, pool_task};
///
/// #[pool_task]
/// fn area((width, height): (f64, f64)) -> f64 {
///     width * height
/// }
///
/// let pool = Pool::new(2)?;
/// assert_eq!(pool.map(area, [(1.0, 2.0), (3.0, 4.0)])?, [2.0, 12.0]);
/// assert_eq!(pool.apply(area, (5.0, 6.0))?, 30.0);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    engine: Engine,
}

impl Pool {
    /// A pool of this many workers, all of them started.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`].
    pub fn new(workers: usize) -> Result<Pool, Error> {
        Pool::builder().workers(workers).build()
    }

    /// A pool with other settings than the default ones.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    pub(super) fn over(engine: Engine) -> Pool {
        Pool { engine }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs the task on every item and returns the results in input order.
    ///
    /// # Errors
    ///
    /// The first failure ends the job: queued items do not run, and workers that run items of
    /// it are killed and replaced. To go on past failures, use [`Pool::imap`].
    ///
    /// An item that cannot be encoded ends it at once too, with an error of kind `Encode`.
    ///
    /// # Panics
    ///
    /// If the iterator panics, or an item does while it is encoded: at once. The items that were
    /// pulled before are cancelled. The pool can be used after that.
    pub fn map<T: Task, I>(&self, task: T, items: I) -> Result<Vec<T::Output>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        self.job(task).map(items)
    }

    /// Runs the task on every item, lazily, and yields the results in input order. Items are
    /// pulled only as far ahead as the window allows (see [`Job::window`]), so the input may be
    /// endless. They are pulled on the calling thread: an input that waits for a result of the
    /// same map, before there is one to take, waits for ever.
    ///
    /// An item that fails, or cannot be encoded, is an `Err` in its place, and the others go on.
    /// If the pool is closed, terminated, or can start no worker, the iterator yields one `Err`
    /// whose `item()` is `None`, and ends: results that had arrived out of order are lost.
    ///
    /// ```
    /// use pool_runtime::{Pool, pool_task};
    ///
    /// #[pool_task]
    /// fn parse(text: String) -> i64 {
    ///     text.parse().unwrap()
    /// }
    ///
    /// let pool = Pool::new(2)?;
    /// let good: Vec<i64> = pool
    ///     .imap(parse, ["1", "x", "3"].map(String::from))
    ///     .filter_map(Result::ok)
    ///     .collect();
    /// assert_eq!(good, [1, 3]);
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the iterator panics, or an item does while it is encoded. The results of all items that
    /// were pulled before are yielded first; then `next` panics with the same payload. After
    /// catching that, `next` goes on with what the iterator yields after its panic. If the
    /// results are dropped before, so is the panic.
    pub fn imap<T: Task, I>(&self, task: T, items: I) -> Imap<'_, T, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        self.job(task).imap(items)
    }

    /// Runs the task on every item, lazily, and yields each result as it is done, with the index
    /// of its item. Otherwise it behaves like [`Pool::imap`]. The error of an item that cannot be
    /// encoded comes after the results of all items that were pulled before it.
    ///
    /// # Panics
    ///
    /// As [`Pool::imap`]: the results of all items that were pulled before come first, in any
    /// order.
    pub fn imap_unordered<T: Task, I>(&self, task: T, items: I) -> ImapUnordered<'_, T, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        self.job(task).imap_unordered(items)
    }

    /// Runs the task once and waits for its result.
    ///
    /// `args` is the argument, a tuple of several, or `()` for none.
    ///
    /// # Errors
    ///
    /// `Panicked`, `Died` or `MemoryLimit` if the task failed so; `Encode` or `Decode` if the
    /// arguments or the result cannot be encoded or decoded; `Closed` on a closed pool;
    /// `Terminated` if the pool is terminated meanwhile.
    pub fn apply<T: Task>(&self, task: T, args: impl TaskInput<T>) -> Result<T::Output, Error> {
        self.job(task).apply(args)
    }

    /// Starts the task once and returns without waiting for it.
    ///
    /// # Errors
    ///
    /// `Closed` on a closed pool, `Encode` if the arguments cannot be encoded.
    /// Later errors come with the result.
    pub fn apply_async<T: Task>(
        &self,
        task: T,
        args: impl TaskInput<T>,
    ) -> Result<AsyncResult<T::Output>, Error> {
        self.job(task).apply_async(args)
    }

    /// Starts the task on every item and returns without waiting for the results. All items are
    /// pulled and encoded before it returns.
    ///
    /// # Errors
    ///
    /// As [`Pool::apply_async`]. `Encode` as soon as an item cannot be encoded; the items that were
    /// pulled before are cancelled.
    ///
    /// # Panics
    ///
    /// As [`Pool::map`].
    pub fn map_async<T: Task, I>(
        &self,
        task: T,
        items: I,
    ) -> Result<AsyncResult<Vec<T::Output>>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        self.job(task).map_async(items)
    }

    /// A call with settings of its own.
    pub fn job<T: Task>(&self, task: T) -> Job<'_, T> {
        Job::new(self, task)
    }

    /// Stops taking new jobs. Accepted jobs finish, then the workers leave. Returns at once;
    /// [`Pool::join`] waits.
    ///
    /// An iterator of [`Pool::imap`] or [`Pool::imap_unordered`] that exists already is accepted
    /// with all of its input, and goes on as it is used, even after a `join`.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Waits until all work is done and all workers are gone. A worker has 5 s for its exit
    /// handlers before it is killed.
    ///
    /// It waits for every item that was pulled, and for a `map` that runs on another thread. It
    /// does not wait until results are taken.
    ///
    /// So an unfinished iterator of [`Pool::imap`] never blocks it. When the items that the
    /// iterator has pulled are done, the workers leave and this returns; the results stay for the
    /// iterator. If the iterator is used after that, the pool starts workers for it, which stay
    /// until it ends or is dropped. To wait for all items of an iterator, wait for the thread that
    /// takes its results.
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
    /// let mut squares = pool.imap(square, 0..1000);
    /// assert_eq!(squares.next().unwrap()?, 0);
    /// pool.close();
    /// pool.join()?; // not for the 999 others, of which only some were pulled
    /// assert!(pool.workers().is_empty());
    /// assert_eq!(squares.count(), 999); // other workers run what is pulled now
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the pool is neither closed nor terminated, or if it is called by the
    /// input of a `map` of this pool or within a [`retry_if`](Job::retry_if) of this pool, where
    /// it would wait for ever.
    pub fn join(&self) -> Result<(), Error> {
        if self.engine.is_open() {
            return Err(Error::invalid(
                "join of an open pool would wait for ever: call close() or terminate() first",
            ));
        }
        if self.engine.waits_for_this_thread() {
            return Err(Error::invalid(
                "join would wait for the call that this thread is inside of: the input of a map \
                 cannot join the map's own pool",
            ));
        }
        self.engine.check_may_wait(format_args!("join the pool"))?;
        self.engine.join();
        Ok(())
    }

    /// Stops the workers now. Unfinished work ends with an error of kind `Terminated`.
    ///
    /// A worker that runs an item is killed. An idle worker runs its exit handlers, and is killed
    /// if they take longer than [`kill_grace`](crate::PoolBuilder::kill_grace). Processes that a
    /// worker has started in its process group are killed in both cases.
    pub fn terminate(&self) {
        self.engine.terminate();
    }

    /// Lets the pool start workers again after its breaker has tripped.
    ///
    /// The breaker trips if no slot of the pool gets a worker that lives until it begins an item
    /// (three tries each); if the pool has no worker and could start none for more than two
    /// seconds, since descriptors, processes or memory were exhausted; or if workers have died
    /// more often than [`restart_limit`](crate::PoolBuilder::restart_limit) allows. Then every job
    /// fails with the latest cause, and so does each call until this one. The cause is the
    /// [`source`](std::error::Error::source) of a refused call's error. On a pool whose breaker
    /// has not tripped it does nothing.
    pub fn reset(&self) {
        self.engine.reset();
    }

    /// The workers as they are at this moment.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.engine.seen().into_iter().filter_map(WorkerInfo::new).collect()
    }
}

/// The state of one worker when [`Pool::workers`] was called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its process id.
    pub pid: u32,
    /// Its slot in the pool, counted from 0.
    pub slot: usize,
    /// What it is doing.
    pub state: WorkerState,
    /// Why the worker before it in its slot is gone; `None` for the first.
    pub replaced: Option<Replacement>,
    /// How it was started: as a fork, unless something prevented that.
    pub start: Start,
}

/// Why a worker was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replacement {
    /// It died: by a signal, an exit or exhausted memory.
    Died,
    /// It was killed with its item: a time limit had passed, or the call was cancelled.
    Ended,
    /// It had run [`max_tasks_per_child`](crate::PoolBuilder::max_tasks_per_child) items.
    MaxTasks,
    /// It had lived for [`max_age`](crate::PoolBuilder::max_age).
    MaxAge,
    /// It had grown past [`max_rss`](crate::PoolBuilder::max_rss).
    MaxRss,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It has not reported in yet.
    Starting,
    /// It waits for items.
    Idle,
    /// It has items to run.
    Busy,
    /// It is leaving, or was killed.
    Stopping,
}

impl WorkerInfo {
    fn new(Seen { slot, pid, life, busy, replaced, start }: Seen) -> Option<WorkerInfo> {
        let state = match life {
            Life::Vacant => return None,
            Life::Starting { .. } => WorkerState::Starting,
            Life::Serving if busy => WorkerState::Busy,
            Life::Leaving { .. } => WorkerState::Busy,
            Life::Serving => WorkerState::Idle,
            Life::Stopping { .. } | Life::Dying { .. } => WorkerState::Stopping,
        };
        let replaced = replaced.map(|why| match why {
            Replaced::Died => Replacement::Died,
            Replaced::Ended => Replacement::Ended,
            Replaced::Tasks => Replacement::MaxTasks,
            Replaced::Age => Replacement::MaxAge,
            Replaced::Memory => Replacement::MaxRss,
        });
        Some(WorkerInfo { pid, slot: slot.0, state, replaced, start })
    }
}

/// The workers of a `pmap`: a number of fresh ones, or those of a pool.
///
/// Sealed: implemented for `usize` and `&Pool`.
pub trait Workers: Sized + sealed::Workers {
    /// Runs the map.
    #[doc(hidden)]
    fn map<T: Task, I>(self, task: T, items: I) -> Result<Vec<T::Output>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>;
}

mod sealed {
    pub trait Workers {}
}

impl sealed::Workers for usize {}

impl sealed::Workers for &Pool {}

impl Workers for usize {
    fn map<T: Task, I>(self, task: T, items: I) -> Result<Vec<T::Output>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        let items = items.into_iter();
        // No more workers than items, as the others would start and leave unused.
        let workers = self.min(exact_length(&items).unwrap_or(self).max(1));
        let pool = Pool::new(workers)?;
        let results = pool.map(task, items)?;
        pool.close();
        pool.join()?;
        Ok(results)
    }
}

impl Workers for &Pool {
    fn map<T: Task, I>(self, task: T, items: I) -> Result<Vec<T::Output>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        Pool::map(self, task, items)
    }
}

/// What a task's `pmap` calls.
pub fn pmap<T: Task, I>(task: T, items: I, workers: impl Workers) -> Result<Vec<T::Output>, Error>
where
    I: IntoIterator,
    I::Item: TaskInput<T>,
{
    workers.map(task, items)
}
