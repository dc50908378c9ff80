//! One process for one call.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use super::async_result::AsyncResult;
#[cfg(feature = "sandbox")]
use super::sandbox::Sandbox;
use crate::engine::{Engine, Request, Rules, Shape};
use crate::error::Error;
use crate::ids::Slot;
use crate::limits::{KILL_GRACE, START_TIMEOUT, STOP_GRACE};
use crate::scheduler::Config;
use crate::supervisor::{self, Launch, LaunchOptions};
use crate::task::{Task, TaskInput};
use crate::wire::settings::{OomScore, Resource};

/// A process of its own for one call of a task.
///
/// The methods have the names of Python's `multiprocessing.Process`. Dropped,
/// the process is killed and reaped.
///
/// ```
/// use pool_runtime::pool_task;
///
/// #[pool_task]
/// fn doubler(n: u64) -> u64 {
///     n * 2
/// }
///
/// let mut process = doubler.spawn(21)?;
/// assert_ne!(process.pid(), std::process::id());
/// assert_eq!(process.join()?, 42);
/// assert!(process.exit_status().unwrap().success());
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a process that is dropped is killed"]
pub struct Process<O> {
    engine: Engine,
    result: AsyncResult<O>,
    pid: u32,
    name: String,
}

/// The slot of a process's only worker.
const ONLY: Slot = Slot(0);

impl Process<()> {
    /// A process with other settings than the default ones.
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder { options: LaunchOptions::default() }
    }
}

impl<O> Process<O> {
    /// Its process id; that of another process, perhaps, once it was joined.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it is called: the task's name, unless the builder was told another.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        self.engine.last_exit(ONLY).is_none()
    }

    /// Waits for the result, and for the process to end. A result can be taken
    /// once.
    ///
    /// # Errors
    ///
    /// `Panicked` if the task panicked (the exit code is 101 then), `Died` if the
    /// process ended before it had a result.
    pub fn join(&mut self) -> Result<O, Error> {
        let result = self.result.get_timeout(Duration::MAX);
        self.engine.join();
        result
    }

    /// Waits for the result, but no longer than `timeout`, and then for the process to end.
    /// After a result the process has 5 s for its exit handlers.
    ///
    /// # Errors
    ///
    /// `TimedOut` if the result is not there in time: the process goes on, and one may ask
    /// again. All others as [`Process::join`].
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<O, Error> {
        let result = self.result.get_timeout(timeout);
        // Not asked for a second time: it may have come since.
        if self.result.is_taken() {
            self.engine.join();
        }
        result
    }

    /// Asks it to end, by SIGTERM; a task may have arranged to ignore that.
    /// One that has ended is left in peace.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the kernel refuses the signal, as to a process that has changed
    /// its user.
    pub fn terminate(&self) -> Result<(), Error> {
        self.engine.signal(ONLY, Signal::TERM)
    }

    /// Ends it, by SIGKILL, which nothing can ignore. One that has ended is left
    /// in peace.
    ///
    /// # Errors
    ///
    /// As [`Process::terminate`].
    pub fn kill(&self) -> Result<(), Error> {
        self.engine.signal(ONLY, Signal::KILL)
    }

    /// How it ended; `None` before that, or if other code of the program took its exit status (or
    /// the program ignores SIGCHLD). The code is 0 after a result and 101 after a panic.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.engine.last_exit(ONLY).flatten()
    }
}

/// Where a standard stream of a [`Process`] goes.
///
/// A pipe is made with [`std::io::pipe`], one end of which converts into this.
#[derive(Debug)]
pub struct Stdio(supervisor::Stdio);

impl Stdio {
    /// Where the program's own goes.
    pub fn inherit() -> Stdio {
        Stdio(supervisor::Stdio::Inherit)
    }

    /// Nowhere: `/dev/null`.
    pub fn null() -> Stdio {
        Stdio(supervisor::Stdio::Null)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Stdio {
        Stdio(supervisor::Stdio::To(fd))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        OwnedFd::from(file).into()
    }
}

impl From<std::io::PipeReader> for Stdio {
    fn from(pipe: std::io::PipeReader) -> Stdio {
        OwnedFd::from(pipe).into()
    }
}

impl From<std::io::PipeWriter> for Stdio {
    fn from(pipe: std::io::PipeWriter) -> Stdio {
        OwnedFd::from(pipe).into()
    }
}

/// The settings of a process to be; made by [`Process::builder`].
///
/// ```
/// use std::io::Read;
/// use pool_runtime::{Process, pool_task};
///
/// #[pool_task]
/// fn hello(name: &str) {
///     println!("hello {name}");
/// }
///
/// let (mut reader, writer) = std::io::pipe().unwrap();
/// let mut process = Process::builder().name("greeter").stdout(writer).spawn(hello, "you")?;
/// process.join()?;
/// let mut printed = String::new();
/// reader.read_to_string(&mut printed).unwrap();
/// assert_eq!(printed, "hello you\n");
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct ProcessBuilder {
    options: LaunchOptions,
}

impl ProcessBuilder {
    /// What the process is called, in messages and in `ps`, where the kernel
    /// shows the first 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Sets an environment variable of the process.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.options.env.push((name.into(), value.into()));
        self
    }

    /// The directory that the process works in.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.options.dir = Some(dir.into());
        self
    }

    /// Its standard input; unless set, nothing.
    pub fn stdin(mut self, stdio: impl Into<Stdio>) -> Self {
        self.options.stdin = stdio.into().0;
        self
    }

    /// Its standard output; unless set, the program's.
    pub fn stdout(mut self, stdio: impl Into<Stdio>) -> Self {
        self.options.stdout = stdio.into().0;
        self
    }

    /// Its standard error; unless set, the program's.
    pub fn stderr(mut self, stdio: impl Into<Stdio>) -> Self {
        self.options.stderr = stdio.into().0;
        self
    }

    /// The limit of the stack that the task runs on, in bytes: as
    /// [`PoolBuilder::stack_size`](crate::PoolBuilder::stack_size).
    pub fn stack_size(mut self, bytes: u64) -> Self {
        self.options.stack = Some(bytes);
        self
    }

    /// Whether the process may be a fork of an idle copy of the program: as
    /// [`PoolBuilder::forked`](crate::PoolBuilder::forked).
    pub fn forked(mut self, forked: bool) -> Self {
        self.options.forked = forked;
        self
    }

    /// The memory that the process may have, in bytes: as
    /// [`PoolBuilder::memory_limit`](crate::PoolBuilder::memory_limit).
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.settings.memory = Some(bytes);
        self
    }

    /// The one core that the process runs on: as
    /// [`PoolBuilder::pin`](crate::PoolBuilder::pin).
    pub fn pin(mut self, core: usize) -> Self {
        self.options.cores = Some(vec![core]);
        self
    }

    /// Its niceness: as [`PoolBuilder::nice`](crate::PoolBuilder::nice).
    pub fn nice(mut self, niceness: i32) -> Self {
        self.options.settings.nice = Some(niceness);
        self
    }

    /// How much sooner than the program the kernel kills the process for want of memory: as
    /// [`PoolBuilder::oom_score_adj`](crate::PoolBuilder::oom_score_adj).
    pub fn oom_score_adj(mut self, added: i32) -> Self {
        self.options.settings.oom = OomScore { amount: added, asked: true };
        self
    }

    /// Whether the process leaves SIGTERM to the program, unless it comes by
    /// [`Process::terminate`]: as
    /// [`PoolBuilder::ignore_sigterm`](crate::PoolBuilder::ignore_sigterm).
    pub fn ignore_sigterm(mut self, ignore: bool) -> Self {
        self.options.settings.ignore_sigterm = ignore;
        self
    }

    /// Limits a resource: as [`PoolBuilder::rlimit`](crate::PoolBuilder::rlimit).
    pub fn rlimit(mut self, resource: Resource, limit: u64) -> Self {
        self.options.settings.limit(resource, limit);
        self
    }

    /// Puts the process into a sandbox, which tasks cannot leave: as
    /// [`PoolBuilder::sandbox`](crate::PoolBuilder::sandbox).
    #[cfg(feature = "sandbox")]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.options.settings.sandbox = Some(sandbox.into_rules());
        self
    }

    /// Starts the process and hands it the call.
    ///
    /// # Errors
    ///
    /// `Spawn` if it cannot be started, `Encode` if the arguments cannot be
    /// encoded, `InvalidArgument` for a setting that makes no sense.
    pub fn spawn<T: Task>(
        self,
        task: T,
        args: impl TaskInput<T>,
    ) -> Result<Process<T::Output>, Error> {
        let mut options = self.options;
        options.one_shot = true;
        let name = options.name.get_or_insert_with(|| T::def().name.to_owned()).clone();
        let config = Config {
            workers: 1,
            start_timeout: START_TIMEOUT,
            stop_grace: STOP_GRACE,
            kill_grace: KILL_GRACE,
            restart_limit: None,
            replace: false,
        };
        let engine = Engine::start(config, Launch::new(options, 1)?)?;
        let pid = engine.pid(ONLY).expect("a process that has reported in has a pid");
        let shape = Shape { single: true, fail_fast: true };
        let request = Request { task: T::def(), shape, rules: Rules::default(), token: None };
        let result = AsyncResult::single(&engine, task, args, request)?;
        // Nothing else will be asked of it, so it leaves when it has answered.
        engine.close();
        Ok(Process { engine, result, pid, name })
    }
}

/// What a task's `spawn` calls.
pub fn spawn<T: Task>(task: T, args: impl TaskInput<T>) -> Result<Process<T::Output>, Error> {
    Process::builder().spawn(task, args)
}
