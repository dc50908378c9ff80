//! What a sandbox allows.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::wire::settings::Rules;

/// The files that the tasks of a pool may open; they have no network.
///
/// Give it to [`PoolBuilder::sandbox`](crate::PoolBuilder::sandbox). It needs the feature
/// `sandbox`.
///
/// Landlock limits files: opening one that is not allowed is an error for the task,
/// `PermissionDenied` (EACCES), which it may handle. Everything beneath a listed path is allowed
/// too. Open descriptors stay usable: standard output and error.
///
/// A filter of system calls blocks the network: a process that makes a socket, or uses a way
/// around that (`io_uring`, `ptrace`), is killed by SIGSYS, and the item's error, of kind `Died`,
/// names the call. The same holds for a pair of datagram sockets, which could send to other
/// addresses; pairs of stream sockets are allowed. A program that replaces the handler of SIGSYS
/// may live on, but the call is not made. Signals reach only processes that the task has started
/// itself.
///
/// Processes that a task starts inherit both limits, which cannot be removed. A task in a sandbox
/// cannot make a pool, and the backtrace of its panics has no function names unless the sandbox
/// can read the program's file.
///
/// It needs Linux 5.13, with Landlock and seccomp. Older kernels enforce less: before 6.2 a file
/// that the user may write can be truncated; before 6.10 devices can be controlled; before 6.12
/// other processes of the user can be signalled, and a process that has a socket can reach the
/// abstract namespace.
///
/// ```
/// use pool_runtime::{ErrorKind, Pool, Sandbox, pool_task};
///
/// #[pool_task]
/// fn lines(path: &str) -> Result<usize, String> {
///     Ok(std::fs::read_to_string(path).map_err(|error| error.to_string())?.lines().count())
/// }
///
/// let sandbox = Sandbox::new().read("/proc/version");
/// let pool = Pool::builder().workers(1).sandbox(sandbox).build()?;
/// assert_eq!(pool.apply(lines, "/proc/version")?, Ok(1));
/// assert!(pool.apply(lines, "/etc/passwd")?.is_err());
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a sandbox does nothing until a builder has it"]
pub struct Sandbox {
    rules: Rules,
}

impl Sandbox {
    /// No file at all, and no network.
    pub fn new() -> Sandbox {
        Sandbox::default()
    }

    /// Every file may be read, none written, and no network.
    pub fn read_only() -> Sandbox {
        Sandbox::new().read("/")
    }

    /// Lets tasks read and execute this file, or whatever is in this directory. The path
    /// is opened by each worker when it starts, in the directory that it works in; one
    /// that is not there then is an error of `build`.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Sandbox {
        self.rules.read.push(path.into().into_os_string().into_vec());
        self
    }

    /// Lets tasks read, write, make and remove whatever is in this directory, or read and
    /// write this file; else as [`Sandbox::read`].
    pub fn write(mut self, path: impl Into<PathBuf>) -> Sandbox {
        self.rules.write.push(path.into().into_os_string().into_vec());
        self
    }

    pub(super) fn into_rules(self) -> Rules {
        self.rules
    }
}
