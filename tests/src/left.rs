//! A process that outlives the one that started it.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Makes what it starts nobody's to reach: it has a session of its own.
pub fn apart(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec it makes one system call.
    unsafe { command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into)) }
}

/// Starts a process that holds this one's output and is in nobody's reach. Gives its
/// pid.
///
/// # Panics
///
/// When it cannot be started.
#[must_use]
// It outlives this process, whose successor as its parent waits for it.
#[allow(clippy::zombie_processes)]
pub fn leave_behind() -> u32 {
    let mut command = Command::new("sleep");
    apart(command.arg("1000000").stdin(Stdio::null())).spawn().unwrap().id()
}
