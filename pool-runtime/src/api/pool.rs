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

/// A fixed number of worker processes that stay, and share the work of any
/// number of threads.
///
/// The methods have the names of Python's `multiprocessing.Pool`. A worker that
/// dies costs the item it was running and is replaced. Dropping the pool is as
/// [`Pool::terminate`], and waits until all workers are gone; [`Pool::close`] and
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
    /// The first failure ends the job: the items that are queued do not run, and
    /// the workers that run some are replaced. To go on past failures, use
    /// [`Pool::imap`].
    ///
    /// An item that cannot be encoded ends it at once too, with an error of kind `Encode`.
    ///
    /// # Panics
    ///
    /// When the iterator panics, or an item does while it is encoded: at once, without waiting
    /// for what was pulled before, which is taken back. The pool can be used after that.
    pub fn map<T: Task, I>(&self, task: T, items: I) -> Result<Vec<T::Output>, Error>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        self.job(task).map(items)
    }

    /// Runs the task on every item, lazily: a result in input order each time
    /// the iterator is asked for one. Items are pulled only as far ahead as the
    /// window allows (see [`Job::window`]), so the input may be endless. They are
    /// pulled on the calling thread: an input that waits for a result of this very
    /// map, before there is one to be taken, waits for ever.
    ///
    /// An item that fails is an `Err` in its place, and the others go on. So is one that cannot
    /// be encoded. If the pool is closed, terminated, or can start no worker, that is one `Err`,
    /// whose `item()` is `None`, and then the end: results that had come out of turn are lost.
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
    /// When the iterator panics, or an item does while it is encoded. The results of
    /// all that was pulled before are yielded first; then `next` panics with what was thrown.
    /// Whoever catches that may ask on, and gets what the iterator gives after its panic. If
    /// the results are dropped before, the panic goes with them.
    pub fn imap<T: Task, I>(&self, task: T, items: I) -> Imap<'_, T, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: TaskInput<T>,
    {
        self.job(task).imap(items)
    }

    /// Runs the task on every item, lazily: results in order of completion, each with the
    /// index of its item. In all else it is as [`Pool::imap`]. An item that cannot be encoded
    /// comes after all that were pulled before it.
    ///
    /// # Panics
    ///
    /// As [`Pool::imap`]: the results of all that was pulled before, in any order, come first.
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
    /// How the task failed: `Panicked`, `Died`, `MemoryLimit`. `Encode` or `Decode` if the
    /// arguments or the result cannot cross, `Closed` on a closed pool, `Terminated` if the
    /// pool is terminated meanwhile.
    pub fn apply<T: Task>(&self, task: T, args: impl TaskInput<T>) -> Result<T::Output, Error> {
        self.job(task).apply(args)
    }

    /// Runs the task once, and returns while it does.
    ///
    /// # Errors
    ///
    /// `Closed` on a closed pool, `Encode` if the arguments cannot be encoded.
    /// What goes wrong later comes with the result.
    pub fn apply_async<T: Task>(
        &self,
        task: T,
        args: impl TaskInput<T>,
    ) -> Result<AsyncResult<T::Output>, Error> {
        self.job(task).apply_async(args)
    }

    /// Runs the task on every item, and returns while it does. All items are
    /// pulled and encoded before it returns.
    ///
    /// # Errors
    ///
    /// As [`Pool::apply_async`]; `Encode` as soon as an item cannot be encoded, and what was
    /// pulled before is taken back.
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

    /// Takes no new jobs; those that were accepted finish, then the workers
    /// leave. Returns at once; [`Pool::join`] waits.
    ///
    /// An iterator of [`Pool::imap`] or [`Pool::imap_unordered`] that was made before is
    /// accepted with all of its input, and goes on as it is asked for results, also after a
    /// `join`.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Waits until all work is done and every worker is gone. A worker has 5 s for
    /// its exit handlers before it is killed.
    ///
    /// It waits for each item that was pulled, and for a `map` that runs on another thread.
    /// It does not wait for anybody to take results.
    ///
    /// So an unfinished iterator of [`Pool::imap`] never holds it up. When the items that the
    /// iterator has pulled are done, the workers leave and this returns; the results stay for
    /// the iterator. If the iterator is asked for more after that, the pool starts workers for
    /// it, which stay until it ends or is dropped. To wait for the whole of an iterator, wait
    /// for the thread that takes its results.
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
    /// `InvalidArgument` if the pool is neither closed nor terminated, if it is called by the
    /// input of a `map` of this pool, or inside of a [`retry_if`](Job::retry_if) of this pool:
    /// each wait would be for ever.
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

    /// Stops the workers now. Work that is not done ends with an error of kind
    /// `Terminated`.
    ///
    /// A worker that runs something is killed. One that has nothing to do leaves in order:
    /// it runs its exit handlers, and is killed if that takes longer than
    /// [`kill_grace`](crate::PoolBuilder::kill_grace). What a worker has started in its
    /// process group is killed in both cases.
    pub fn terminate(&self) {
        self.engine.terminate();
    }

    /// Lets the pool start workers again, after its breaker has tripped.
    ///
    /// The breaker trips when no place of the pool has a worker that lives until it
    /// begins an item (three tries each), when there is no worker and for want of
    /// descriptors, processes or memory none could be started for more than two seconds, or when
    /// workers have died more often than
    /// [`restart_limit`](crate::PoolBuilder::restart_limit) allows. Then every job fails
    /// with the latest cause, and so does each call until this; the cause is the
    /// [`source`](std::error::Error::source) of a refused call's error. On any other pool
    /// it does nothing.
    pub fn reset(&self) {
        self.engine.reset();
    }

    /// The workers as they are at this moment.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.engine.seen().into_iter().filter_map(WorkerInfo::new).collect()
    }
}

/// One worker, as it was when [`Pool::workers`] looked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its process id.
    pub pid: u32,
    /// Its place in the pool, counted from 0.
    pub slot: usize,
    /// What it is doing.
    pub state: WorkerState,
    /// Why the worker before it in its place is gone; `None` for the first.
    pub replaced: Option<Replacement>,
    /// How it was started: as a fork, unless something stood against that.
    pub start: Start,
}

/// Why a worker was followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replacement {
    /// It died: by a signal, an exit, a lack of memory.
    Died,
    /// It was ended with what it ran: a time limit had passed, or the call was taken
    /// back.
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

/// Who runs a `pmap`: a number of fresh workers, or a pool that stays.
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
        // No more workers than items: the others would start and leave unused.
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
