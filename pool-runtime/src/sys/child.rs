//! A child process of ours: signalled and reaped by a descriptor, so that a pid
//! that was given to somebody else meanwhile is never touched.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, kill_process_group,
    pidfd_send_signal, setpgid, waitid,
};

use super::orphans::Orphans;
use super::pidfd;

/// Looks, and takes nothing.
const PEEK: WaitIdOptions =
    WaitIdOptions::EXITED.union(WaitIdOptions::NOHANG).union(WaitIdOptions::NOWAIT);

/// A process that leads a group of its own.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Child {
    pub(super) fn new(pid: Pid, pidfd: OwnedFd) -> Child {
        Child { pid, pidfd }
    }

    /// One that was forked for this program by a sibling. It leads its group from
    /// here on, whether or not it has come to that by itself.
    pub(crate) fn adopt(pid: u32, pidfd: OwnedFd) -> Option<Child> {
        let pid = Pid::from_raw(pid.cast_signed())?;
        // It fails if the process has ended, which its exit tells.
        let _ = setpgid(Some(pid), Some(pid));
        Some(Child::new(pid, pidfd))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Becomes readable when the process has ended.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to the process alone. One that has ended is no error.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let sent = match pidfd_send_signal(&self.pidfd, signal) {
            // A filter that does not know the call refuses it so. A child keeps its number
            // until it is reaped; one that is reaped needs no signal.
            Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => match self.wait(PEEK) {
                Ok(_) => kill_process(self.pid, signal),
                Err(_) => Ok(()),
            },
            sent => sent,
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What the kernel says of its end.
    fn wait(&self, options: WaitIdOptions) -> rustix::io::Result<Option<WaitIdStatus>> {
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            // A filter, or who plays the kernel, knows children by their numbers only.
            Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::INVAL) => {
                waitid(WaitId::Pid(self.pid), options)
            }
            known => known,
        }
    }

    /// Kills the process and whatever it started in its group, as far as this
    /// program may: not if it has given up the user that started the process.
    pub(crate) fn kill_group(&self) {
        // First the process, through its descriptor: this cannot miss. Then the
        // group, whose number is the pid and stays taken until `reap`, or until
        // somebody else takes the exit status.
        let _ = self.signal(Signal::KILL);
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    /// Asks the process, and whatever it started in its group, to end.
    pub(crate) fn ask_group(&self) {
        // Not the process too: it would be asked twice. It may have left the group.
        if kill_process_group(self.pid, Signal::TERM).is_err() {
            let _ = self.signal(Signal::TERM);
        }
    }

    /// Whether the process has not begun to end: the kernel closes its descriptors before
    /// it tells of its end. `None` where the kernel does not say (before Linux 5.15), or a
    /// filter refuses the question.
    ///
    /// `/proc` is not asked: it may be that of another PID namespace, where the number is
    /// somebody else's.
    pub(crate) fn lives_on(&self) -> Option<bool> {
        pidfd::lives_on(self.pidfd())
    }

    /// What it has left in its group, once it is reaped.
    pub(crate) fn orphans(&self) -> Orphans {
        Orphans::of(self.pid)
    }

    /// Waits for a process that is ending, and takes its exit status.
    pub(crate) fn reap_ending(&self) {
        while self.reap().is_none() {
            // An error would be that of a signal that came: look again.
            let _ = poll(&mut [PollFd::from_borrowed_fd(self.pidfd(), PollFlags::IN)], None);
        }
    }

    /// Takes the exit status of a process that has ended; kills what it left
    /// in its group. `None` while it runs. The inner `None` is a status that
    /// somebody else took (a program that ignores SIGCHLD, or waits for any
    /// child), where the kernel does not keep it.
    pub(crate) fn reap(&self) -> Option<Option<ExitStatus>> {
        match self.wait(PEEK) {
            Ok(None) => return None,
            // A zombie keeps its pid, so the group's number is still this one's.
            Ok(Some(_)) => drop(kill_process_group(self.pid, Signal::KILL)),
            // Somebody else has taken it. The number may be another's by now, but only
            // if the group is empty, and then hardly that of a group's leader.
            Err(_) => {
                let _ = kill_process_group(self.pid, Signal::KILL);
                return Some(pidfd::kept_status(self.pidfd()));
            }
        }
        match self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(status)) => {
                let raw = match (status.terminating_signal(), status.exit_status()) {
                    (Some(signal), _) => signal,
                    (None, Some(code)) => (code & 0xff) << 8,
                    (None, None) => return Some(None),
                };
                Some(Some(ExitStatus::from_raw(raw)))
            }
            _ => Some(None),
        }
    }
}

/// Kills and reaps a child of this program of which only the number is known. One
/// that is no child of this program, or that is gone, is left in peace.
pub(crate) fn end_by_number(pid: u32) {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else {
        return;
    };
    // A child keeps its number until it is reaped.
    if waitid(WaitId::Pid(pid), PEEK).is_ok() && kill_process(pid, Signal::KILL).is_ok() {
        while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).is_err_and(|why| why == Errno::INTR) {
        }
    }
}
