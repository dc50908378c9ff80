//! A process that outlives the one that started it.

use std::process::{Command, Stdio};

use rustix::process::{Pid, getsid};

use crate::wait;

/// Starts a process that holds this one's output and is in nobody's reach: in a
/// session of its own. Gives its pid.
///
/// # Panics
///
/// When it cannot be started.
#[must_use]
// It outlives this process, whose successor as its parent waits for it.
#[allow(clippy::zombie_processes)]
pub fn leave_behind() -> u32 {
    let mut command = Command::new("setsid");
    let child = command.args(["sleep", "1000000"]).stdin(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    wait::until("it to have its own session", || getsid(Some(pid)) == Ok(pid));
    child.id()
}
