//! Makes a process that runs a program.
//!
//! By `clone(CLONE_VM | CLONE_VFORK)`, as `posix_spawn` does it: the child
//! borrows the parent's memory until it calls exec, so the cost does not grow
//! with the parent's size (fork of a parent with 512 MiB takes 31 ms). Not
//! `posix_spawn` itself, because four things must happen between: close what
//! the program left inheritable, enter a directory by descriptor, set a stack
//! limit, and learn *which* step failed. And the pidfd comes with the clone, so
//! there is no moment in which the pid could already be somebody else's.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

use super::child::Child;
use super::signals;

/// What to run, and in which surroundings.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) argv: &'a [CString],
    pub(crate) envp: &'a [CString],
    pub(crate) dir: BorrowedFd<'a>,
    /// Standard input: the lifeline.
    pub(crate) stdin: BorrowedFd<'a>,
    /// `None` is the program's own.
    pub(crate) stdout: Option<BorrowedFd<'a>>,
    pub(crate) stderr: Option<BorrowedFd<'a>>,
    /// The limit of the main thread's stack, in bytes.
    pub(crate) stack: Option<u64>,
}

/// The step that failed, as the rest of "failed to …", and why.
#[derive(Debug)]
pub(crate) struct SpawnError {
    pub(crate) step: &'static str,
    pub(crate) cause: io::Error,
}

/// Enough for the few calls below; the frames are small and no handler runs.
const CHILD_STACK: usize = 64 << 10;

/// What the child needs, laid out before it exists: it must not allocate.
struct Plan {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    dir: RawFd,
    stdin: RawFd,
    stdout: RawFd,
    stderr: RawFd,
    stack: Option<u64>,
    /// Written by the child, read by the parent once the child has let go.
    failed: Option<(&'static str, i32)>,
}

/// Starts `program` in a process group of its own, with no signal blocked or
/// ignored and no descriptor but the standard three.
pub(crate) fn spawn(program: &Program<'_>) -> Result<Child, SpawnError> {
    let argv = pointers(program.argv);
    let envp = pointers(program.envp);
    let raw = |fd: Option<BorrowedFd<'_>>| fd.map_or(-1, |fd| fd.as_raw_fd());
    let mut plan = Plan {
        path: program.path.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        dir: program.dir.as_raw_fd(),
        stdin: program.stdin.as_raw_fd(),
        stdout: raw(program.stdout),
        stderr: raw(program.stderr),
        stack: program.stack,
        failed: None,
    };
    for fd in [plan.dir, plan.stdin] {
        assert!(fd > 2, "descriptor {fd} would be overwritten while it is needed");
    }
    for fd in [plan.stdout, plan.stderr] {
        assert!(fd == -1 || fd > 2, "descriptor {fd} would be overwritten while it is needed");
    }
    let mut stack = vec![0u128; CHILD_STACK / 16];
    let mut pidfd: c_int = -1;
    let blocked = signals::block_all();
    // SAFETY: the child runs `enter` on a stack of its own (16-byte aligned, given
    // by its high end) and touches only `plan` and what it points to, all of which
    // outlive the call: CLONE_VFORK suspends this thread until the child has
    // called exec or _exit. The memory is shared with the program's other threads,
    // so `enter` keeps to system calls: no allocation, no lock. Signals are
    // blocked, so no handler of the program runs in the child.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len());
        libc::clone(
            enter,
            top.cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD,
            (&raw mut plan).cast(),
            &raw mut pidfd,
        )
    };
    let cause = io::Error::last_os_error();
    drop(blocked);
    let Some(pid) = (pid > 0).then(|| Pid::from_raw(pid)).flatten() else {
        return Err(SpawnError { step: "make a process", cause });
    };
    // SAFETY: clone succeeded, so with CLONE_PIDFD it wrote a new descriptor here,
    // which nobody else knows.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // Off the standard descriptors, if it can be: the child exists already.
    let pidfd = match pidfd.as_raw_fd() {
        0..=2 => rustix::io::fcntl_dupfd_cloexec(&pidfd, 3).unwrap_or(pidfd),
        _ => pidfd,
    };
    let child = Child::new(pid, pidfd);
    match plan.failed {
        None => Ok(child),
        Some((step, errno)) => {
            // It is ending; wait, so that no zombie stays.
            child.reap_ending();
            Err(SpawnError { step, cause: io::Error::from_raw_os_error(errno) })
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let ends = std::iter::once(ptr::null());
    strings.iter().map(|string| string.as_ptr()).chain(ends).collect()
}

/// The child, from clone to exec. Only system calls: see `spawn`.
extern "C" fn enter(plan: *mut c_void) -> c_int {
    // SAFETY: the pointer is to the `Plan` in `spawn`, whose thread is suspended,
    // so this is the only access. Each call gets integers or pointers into the
    // plan, which are valid for the reasons given there.
    unsafe {
        let plan = &mut *plan.cast::<Plan>();
        let step = 'failed: {
            // First, while all are blocked: a signal to the program's group is for the
            // program to handle, and would end this process, or stop it for ever.
            if libc::setpgid(0, 0) == -1 {
                break 'failed "make a process group";
            }
            signals::reset_all();
            if libc::fchdir(plan.dir) == -1 && !stands_in(plan.dir) {
                break 'failed "enter the working directory";
            }
            if let Some(bytes) = plan.stack {
                let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                if libc::getrlimit(libc::RLIMIT_STACK, &mut limit) == -1 {
                    break 'failed "read the stack limit";
                }
                limit.rlim_cur = bytes;
                if libc::setrlimit(libc::RLIMIT_STACK, &limit) == -1 {
                    break 'failed "set the stack limit (see `ulimit -Hs`)";
                }
            }
            for (from, to) in [(plan.stdin, 0), (plan.stdout, 1), (plan.stderr, 2)] {
                if from != -1 && libc::dup2(from, to) == -1 {
                    break 'failed "place a standard stream";
                }
            }
            close_from_3();
            libc::execve(plan.path, plan.argv, plan.envp);
            "execute the worker program"
        };
        plan.failed = Some((step, *libc::__errno_location()));
        libc::_exit(127)
    }
}

/// Closes everything above the standard streams: what the program opened
/// without close-on-exec is not the worker's business.
// SAFETY (of the function's calls): closing descriptors of this process's own
// table, which clone copied; the parent's stay open.
unsafe fn close_from_3() {
    // SAFETY: integers only.
    if unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) } == 0 {
        return;
    }
    // Linux before 5.9, or a filter that forbids the call.
    // SAFETY: as for this function.
    if unsafe { close_listed() } {
        return;
    }
    // Without /proc.
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is written by getrlimit; close takes any integer.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let highest = c_int::try_from(limit.rlim_cur).unwrap_or(c_int::MAX).min(1 << 20);
        for fd in 3..highest {
            libc::close(fd);
        }
    }
}

/// Whether this is the working directory, which a process is in by inheritance also where
/// it may not enter it. Leaves `errno` as it was before if not.
fn stands_in(dir: RawFd) -> bool {
    let mut stats = [const { MaybeUninit::<libc::stat>::uninit() }; 2];
    // SAFETY: each call fills in the structure that it is given, or fails; the empty path
    // stands for the directory itself, so nothing is searched. `errno` is this thread's.
    unsafe {
        let errno = *libc::__errno_location();
        let [of_dir, of_own] = &mut stats;
        let flags = libc::AT_EMPTY_PATH;
        let known = libc::fstatat(dir, c"".as_ptr(), of_dir.as_mut_ptr(), flags) == 0
            && libc::fstatat(libc::AT_FDCWD, c"".as_ptr(), of_own.as_mut_ptr(), flags) == 0;
        *libc::__errno_location() = errno;
        let number = |stat: &MaybeUninit<libc::stat>| {
            let stat = stat.assume_init_ref();
            (stat.st_dev, stat.st_ino)
        };
        known && number(&stats[0]) == number(&stats[1])
    }
}

/// Closes everything above the standard streams that the kernel lists, whatever the limit is
/// by now; `false` where it does not list them.
// SAFETY (of the function's calls): as above, and no allocation: the list is read into
// this stack.
unsafe fn close_listed() -> bool {
    const FROM: c_int = 3;
    /// Of an entry: its length, and its name, as the kernel lays them out.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let mut buffer = [0u8; 1024];
    // SAFETY: the path is a string, the buffer as long as is said; else integers only.
    unsafe {
        // To be closed anyway; so there is one to list the others by, if all are taken.
        libc::close(FROM);
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let list = libc::open(c"/proc/self/fd".as_ptr(), flags);
        if list == -1 {
            return false;
        }
        loop {
            // They are listed by their numbers, so closing some hides no other.
            let (place, room) = (buffer.as_mut_ptr(), buffer.len());
            let length = libc::syscall(libc::SYS_getdents64, list, place, room);
            let Some(mut entries) = usize::try_from(length).ok().and_then(|end| buffer.get(..end))
            else {
                libc::close(list);
                return false;
            };
            if entries.is_empty() {
                libc::close(list);
                return true;
            }
            while let Some(&[low, high]) = entries.get(LENGTH..LENGTH + 2) {
                let length = usize::from(u16::from_ne_bytes([low, high]));
                let name = entries.get(NAME..length).unwrap_or_default();
                let fd = number(name).filter(|&fd| fd >= FROM && fd != list);
                fd.map(|fd| libc::close(fd));
                entries = entries.get(length.max(1)..).unwrap_or_default();
            }
        }
    }
}

/// A number in decimal, up to the first byte that is no digit; `None` without a digit.
fn number(text: &[u8]) -> Option<c_int> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let add = |sum: Option<c_int>, &digit: &u8| {
        let digit = c_int::from(digit - b'0');
        Some(sum.unwrap_or(0).wrapping_mul(10).wrapping_add(digit))
    };
    digits.fold(None, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_descriptors_are_read_as_numbers_and_others_are_not() {
        assert_eq!(number(b"1048576\0\0\0"), Some(1_048_576));
        assert_eq!(number(b"0\x009"), Some(0));
        assert_eq!(number(b".."), None);
        assert_eq!(number(b""), None);
    }
}
