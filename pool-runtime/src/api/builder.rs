//! How a pool is set up.

mod resources;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::pool::Pool;
use crate::engine::Engine;
use crate::error::Error;
use crate::limits::{KILL_GRACE, LEAST_AGE, MAX_WORKERS, START_TIMEOUT, STOP_GRACE};
use crate::scheduler::Config;
use crate::supervisor::{Launch, LaunchOptions, Output};

/// The settings of a new pool; made by [`Pool::builder`].
///
/// A setting that is not set is as in the program itself at the moment of `build`.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct PoolBuilder {
    workers: Option<usize>,
    start_timeout: Duration,
    kill_grace: Duration,
    restart_limit: Option<(u32, Duration)>,
    options: LaunchOptions,
}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        PoolBuilder {
            workers: None,
            start_timeout: START_TIMEOUT,
            kill_grace: KILL_GRACE,
            restart_limit: None,
            options: LaunchOptions::default(),
        }
    }

    /// The number of worker processes; unless set,
    /// [`available_parallelism`](std::thread::available_parallelism). 0, or more
    /// than 4096, is an error of `build`.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Sets an environment variable of the workers.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.options.env.push((name.into(), value.into()));
        self
    }

    /// The working directory of the workers.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.options.dir = Some(dir.into());
        self
    }

    /// The name of the worker processes in `ps` and the like, with the slot appended; unless set,
    /// the program's name. The kernel shows the first 15 bytes.
    pub fn worker_name(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// The limit of the stack that tasks run on, in bytes: the soft limit
    /// `RLIMIT_STACK` of the workers. More than the hard limit (`ulimit -Hs`), or less than
    /// 64 KiB, is an error of `build`.
    ///
    /// A task that needs more is killed by SIGSEGV. The error says that its stack overflowed, and
    /// how large it was. If a thread that the task has started overflows its own stack, the error
    /// says only that this may be the cause.
    ///
    /// An argument or a result may be nested too deep for this stack. That is an error of its
    /// item ([`ErrorKind::Decode`](crate::ErrorKind::Decode) or
    /// [`Encode`](crate::ErrorKind::Encode)), which a larger stack avoids. In the program, the
    /// stack that counts is that of the thread which makes the call.
    pub fn stack_size(mut self, bytes: u64) -> Self {
        self.options.stack = Some(bytes);
        self
    }

    /// Where the standard output and error of the workers go; unless set, where the
    /// program's own go.
    ///
    /// ```
    /// use pool_runtime::{Output, Pool, pool_task};
    ///
    /// #[pool_task]
    /// fn parse(text: &str) -> i64 {
    ///     eprintln!("parser: reading {text:?}"); // a library in C that warns, say
    ///     text.parse().unwrap_or_else(|_| std::process::abort())
    /// }
    ///
    /// let pool = Pool::builder().workers(2).output(Output::Capture).build()?;
    /// let error = pool.map(parse, ["1", "x"]).unwrap_err();
    /// assert_eq!(error.signal(), Some(6));
    /// assert_eq!(error.stderr(), Some("parser: reading \"x\"\n"));
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn output(mut self, output: Output) -> Self {
        self.options.output = output;
        self
    }

    /// How long a worker may take to start before it is killed and the start counts as failed;
    /// unless set, 10 s. 0 is an error of `build`.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// How long a worker has between SIGTERM and SIGKILL; unless set, 1 s. With zero it is
    /// killed at once.
    ///
    /// The pool sends SIGTERM to the worker's process group when the item has passed its time
    /// limit, or when its call was cancelled. When the pool is terminated or dropped, busy workers
    /// are killed at once. Idle workers get no signal, and have the same time to run their exit
    /// handlers.
    pub fn kill_grace(mut self, grace: Duration) -> Self {
        self.kill_grace = grace;
        self
    }

    /// Replaces each worker by a fresh one after this many items, like multiprocessing's
    /// `maxtasksperchild`; unless set, never. 0 is an error of `build`.
    ///
    /// Items are counted exactly, even within a chunk: the rest of the chunk goes to another
    /// worker, and no item fails by it.
    pub fn max_tasks_per_child(mut self, items: u64) -> Self {
        self.options.lifespan.tasks = Some(items);
        self
    }

    /// Replaces a worker by a fresh one when it has lived for this long, between two items or while
    /// it is idle; unless set, never. Less than 0.1 ms is an error of `build`.
    ///
    /// A worker's age counts from when it can run items. A worker runs at least one item,
    /// however old it is by then: so a pool with a very short `max_age` still gets its work
    /// done on a slow machine, and an idle worker that has run nothing is kept.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.options.lifespan.age = Some(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        self
    }

    /// Replaces a worker by a fresh one between two items when its resident memory (with file
    /// pages and shared memory) is more than this many bytes; unless set, never. For tasks that
    /// leak.
    ///
    /// The worker checks after an item, at most once each millisecond.
    ///
    /// In other pools workers read large items in memory that the program shares with them. That
    /// would count as their resident memory. So in a pool with this setting each worker is sent a
    /// copy of its items instead.
    pub fn max_rss(mut self, bytes: u64) -> Self {
        self.options.lifespan.memory = Some(bytes);
        self
    }

    /// How many workers may die within a period before the pool's breaker trips; unless set, any
    /// number.
    ///
    /// Deaths of any cause count, except those by the pool's own kills, and starts that fail since
    /// descriptors, processes or memory are exhausted. If there are more, every job fails with the
    /// latest cause, and so does each call until [`Pool::reset`]. Without a limit, a map over a
    /// thousand items that all crash is a thousand errors, which most users of a process pool
    /// want.
    pub fn restart_limit(mut self, deaths: u32, within: Duration) -> Self {
        self.restart_limit = Some((deaths, within));
        self
    }

    /// Whether workers may be forked from one idle copy of the program; unless set, they may. With
    /// `false` each worker is executed, which takes 1 to 2 ms longer.
    ///
    /// `false` is for programs with a shared library that draws a seed, notes its process id or
    /// opens something when it is loaded. It is loaded once in that copy, so every forked worker
    /// has the same seed, and the copy's process id in place of its own. The program's own
    /// constructors (`#[ctor]`, static C++ objects that are linked into it) run anew in every
    /// worker, with either setting.
    ///
    /// ```
    /// # use pool_runtime::{Pool, pool_task};
    /// # #[pool_task]
    /// # fn simulate(run: u64) -> u64 {
    /// #     run
    /// # }
    /// // each worker loads the library, which seeds its generator
    /// let pool = Pool::builder().workers(2).forked(false).build()?;
    /// # assert_eq!(pool.map(simulate, 0..3)?, [0, 1, 2]);
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    pub fn forked(mut self, forked: bool) -> Self {
        self.options.forked = forked;
        self
    }

    /// The program that the workers run instead of this one, for a host that is not yours, as a
    /// Python interpreter that has loaded your library. It must be built with this library and the
    /// same tasks, from the same source paths: a task without a name of its own (`name = "…"`) is
    /// identified by its place.
    pub fn worker_program(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.program = Some(path.into());
        self
    }

    /// The memory that each worker may have, in bytes. A task that needs more fails
    /// with [`ErrorKind::MemoryLimit`](crate::ErrorKind::MemoryLimit); the others go on,
    /// and a fresh worker takes the place of the one that died of it.
    ///
    /// Private writable memory counts, used or not (`RLIMIT_DATA`): the heap, anonymous mappings,
    /// the stacks of all threads but the first, and about 1.5 MiB for the worker itself. The
    /// executable, shared libraries, mapped files and messages do not count: a borrowed argument
    /// (`&[u8]`) does not, an owned one does. Nor does the address space as a whole, as most of it
    /// is only reserved, and it differs with every library and build. Each process that a task
    /// starts has the same limit for itself.
    ///
    /// # Control groups
    ///
    /// If a directory of control groups (version 2) that count memory is delegated to the program,
    /// each worker also gets a group of its own. The group may have 32 MiB more than the limit, for
    /// the channel and the kernel's own, and as much again as the largest message beyond 8 MiB
    /// that the worker was sent. There all memory counts together: shared memory, files in a
    /// `tmpfs`, and the processes that the worker starts. When a group is full, its processes are
    /// killed, and the running item fails with `MemoryLimit`, even if another item's process has
    /// filled the group. The kernel may try for long before it finds a group full: set a timeout.
    /// Processes that are left in the group when its worker ends are killed, even those that left
    /// the process group by `setsid` (from Linux 5.14 on).
    ///
    /// A worker for which no group can be made, as when others have used up
    /// `cgroup.max.descendants`, has the limit above alone. A group is no security boundary:
    /// a process with the program's rights may raise its limit.
    ///
    /// The pools' groups are made beside the program's own, so the program must not be in
    /// the directory itself but in a child of it: under systemd 254 or later a unit with
    /// `Delegate=memory` and `DelegateSubgroup=program`; by hand, as root, for a user:
    ///
    /// ```sh
    /// cd /sys/fs/cgroup && echo +memory > cgroup.subtree_control
    /// mkdir -p work/program
    /// chown user work work/cgroup.procs work/cgroup.subtree_control
    /// echo $pid > work/program/cgroup.procs # of a shell of that user, or of the program
    /// ```
    ///
    /// A program that ends without dropping the pool, as when it is killed, leaves its groups
    /// there, and in them processes that left by `setsid`. They are removed with the unit, or when
    /// the next program makes such a pool there.
    ///
    /// # How a task learns of it
    ///
    /// Allocation fails at the limit as on a machine whose memory is full. If that ends the process,
    /// as in Rust by `abort` and in C by an access through a null pointer, handlers of SIGABRT and
    /// SIGSEGV find out whether memory was the cause, and the signals end the worker all the same.
    /// If a library turns it into an error, a panic or an `exit`, the item ends with that instead
    /// of `MemoryLimit`. If less than 256 MiB is left, the error of a panic has no
    /// [backtrace](crate::Error::backtrace) even if the environment asks for one, as reading the
    /// names of functions takes memory and keeps it.
    ///
    /// ```
    /// use pool_runtime::{ErrorKind, Pool, pool_task};
    ///
    /// #[pool_task]
    /// fn zeros(count: usize) -> usize {
    ///     vec![0_u8; count].len()
    /// }
    ///
    /// let pool = Pool::builder().workers(2).memory_limit(64 << 20).build()?;
    /// let results: Vec<_> = pool.imap(zeros, [1, 2, 1 << 30, 4]).collect();
    /// assert_eq!(results[2].as_ref().unwrap_err().kind(), ErrorKind::MemoryLimit);
    /// assert_eq!(*results[3].as_ref().unwrap(), 4);
    /// # Ok::<(), pool_runtime::Error>(())
    /// ```
    ///
    /// 0, or less than a worker needs (about 1.5 MiB, more if libraries allocate when they are
    /// loaded), is an error of `build`.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.settings.memory = Some(bytes);
        self
    }

    /// Starts the workers and returns when all of them have reported in.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for an invalid setting; `Spawn` if a worker cannot be started. Then those
    /// that were started are gone.
    pub fn build(self) -> Result<Pool, Error> {
        let workers = match self.workers {
            Some(0) => return Err(Error::invalid("a pool of 0 workers: it needs at least one")),
            Some(workers) if workers > MAX_WORKERS => {
                return Err(Error::invalid(format!(
                    "a pool of {workers} workers: the limit is {MAX_WORKERS}"
                )));
            }
            Some(workers) => workers,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        if self.options.lifespan.tasks == Some(0) {
            return Err(Error::invalid("max_tasks_per_child of 0: a worker needs at least one"));
        }
        if let Some(age) =
            self.options.lifespan.age.map(Duration::from_nanos).filter(|&age| age < LEAST_AGE)
        {
            return Err(Error::invalid(format!(
                "a max_age of {age:?}: the least is {LEAST_AGE:?}, as a worker takes longer to start"
            )));
        }
        if self.start_timeout.is_zero() {
            return Err(Error::invalid("a start_timeout of 0: no worker could start in it"));
        }
        let config = Config {
            workers,
            start_timeout: self.start_timeout,
            stop_grace: STOP_GRACE,
            kill_grace: self.kill_grace,
            restart_limit: self.restart_limit,
            replace: true,
        };
        Ok(Pool::over(Engine::start(config, Launch::new(self.options, workers)?)?))
    }
}
