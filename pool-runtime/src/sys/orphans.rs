//! What a process leaves in its group, once it is reaped.
//!
//! A program that adopts orphans (`PR_SET_CHILD_SUBREAPER`, or the first of a PID
//! namespace) becomes the parent of what its workers have started, when they end. That
//! was killed with the group, and it is the program's to reap: nobody else will.
//!
//! Only members of the group are reaped, and never its leader: a leader is there only if
//! the number is another worker's by now, which is reaped by whoever has started it.

use std::mem::MaybeUninit;

use rustix::process::Pid;

/// A process group whose leader is reaped, and whose members have been killed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orphans {
    group: Pid,
}

impl Orphans {
    pub(super) fn of(leader: Pid) -> Orphans {
        Orphans { group: leader }
    }

    /// Reaps those that have ended; tells whether others are still to end. Where this
    /// program adopts none, that is one system call.
    pub(crate) fn reap_ended(self) -> bool {
        loop {
            match self.look(libc::WNOHANG) {
                Ok(0) => return true,
                Ok(pid) if self.reap(pid) => {}
                Ok(_) | Err(()) => return false,
            }
        }
    }

    /// Waits until all have ended, and reaps them.
    pub(crate) fn reap_all(self) {
        while self.look(0).is_ok_and(|pid| self.reap(pid)) {}
    }

    /// The number of one that has ended, and that stays as it is; 0 if there is none yet.
    fn look(self, options: i32) -> Result<i32, ()> {
        let options = libc::WEXITED | libc::WNOWAIT | options;
        let group = self.group.as_raw_nonzero().get().cast_unsigned();
        loop {
            // SAFETY: all zero is a valid description of no child.
            let mut child: libc::siginfo_t = unsafe { MaybeUninit::zeroed().assume_init() };
            // SAFETY: the kernel writes the description that it is given.
            if unsafe { libc::waitid(libc::P_PGID, group, &raw mut child, options) } == 0 {
                // SAFETY: of a child that has ended its number is told, and of none the
                // kernel says so by 0 there.
                return Ok(unsafe { child.si_pid() });
            }
            if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
                return Err(());
            }
        }
    }

    /// Reaps a member; `false` if it leads a group of this number, which then is not the
    /// one that was.
    fn reap(self, pid: i32) -> bool {
        if pid == self.group.as_raw_nonzero().get() {
            return false;
        }
        // SAFETY: it has ended, and its status is written nowhere. Until it is reaped its
        // number is nobody else's; if somebody reaps every child, this finds none.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
        true
    }
}
