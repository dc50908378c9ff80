//! How a worker was started.

use std::fmt;

/// How a worker was started: see [`WorkerInfo::start`](crate::WorkerInfo::start).
///
/// ```
/// use pool_runtime::{NotForked, Pool, Start};
///
/// let pool = Pool::new(1)?;
/// assert_eq!(pool.workers()[0].start, Start::Forked);
///
/// let pool = Pool::builder().workers(1).worker_program(std::env::current_exe()?).build()?;
/// let Start::Executed(why) = pool.workers()[0].start else { panic!("it was forked") };
/// assert_eq!(why, NotForked::WorkerProgram);
/// assert_eq!(why.to_string(), "the pool has a worker program of its own");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// As a fork of the idle copy of the program, which takes about 0.2 ms.
    Forked,
    /// By executing the program anew, for this reason. It takes 1 to 2 ms and whatever the
    /// program does before `main`. Such a worker behaves like any other.
    Executed(NotForked),
}

/// Why a worker was not forked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotForked {
    /// The pool has a [`worker_program`](crate::PoolBuilder::worker_program).
    WorkerProgram,
    /// The pool was built with [`forked(false)`](crate::PoolBuilder::forked).
    Unwanted,
    /// The copy to be forked has more than one thread: a shared library started one
    /// when it was loaded.
    Threads,
    /// A fork cannot be given its own thread id: this C library, or this kernel, does not
    /// let it.
    Library,
    /// The kernel, or a filter of system calls, refuses such a fork.
    Refused,
    /// Children of the program live in another PID namespace than the program.
    Namespace,
    /// The program may not inspect the copy, as a debugger would, or may not read `/proc`. So
    /// it cannot check that a fork would be like an executed worker.
    Unseen,
    /// The working directory may not be searched: an executed worker inherits it, a fork would
    /// have to enter it.
    Directory,
    /// The copy did not come up, or not in time: a constructor that hangs, exits or dies.
    NotUp,
    /// The copy ended, or gave no answer in time.
    NoAnswer,
    /// There were not enough processes, descriptors or memory.
    Exhausted,
    /// The copy was being started, for which a pool that is at work does not wait.
    Starting,
}

impl fmt::Display for NotForked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotForked::WorkerProgram => "the pool has a worker program of its own",
            NotForked::Unwanted => "the pool is one whose workers are each executed",
            NotForked::Threads => "a shared library has started a thread",
            NotForked::Library => "a fork would not know its own thread with this C library",
            NotForked::Refused => "the kernel, or a filter, refuses to fork a sibling",
            NotForked::Namespace => "children live in another PID namespace",
            NotForked::Unseen => "the program may not look into the copy that is forked",
            NotForked::Directory => "the working directory may not be searched",
            NotForked::NotUp => "the copy that is forked did not come up",
            NotForked::NoAnswer => "the copy that is forked gave no answer",
            NotForked::Starting => "the copy that is forked was not ready yet",
            NotForked::Exhausted => "there were too few processes, descriptors or bytes of memory",
        })
    }
}
