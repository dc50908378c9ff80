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

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::child::{self, Child};
use super::fds::Identity;
use super::signals;

/// What to run, and in which surroundings.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    /// The file itself, where the path alone is not trusted: what else the path leads to
    /// is not executed.
    pub(crate) file: Option<(BorrowedFd<'a>, Identity)>,
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

/// The last step.
pub(crate) const EXECUTE: &str = "execute the worker program";

/// Enough for the few calls below; the frames are small and no handler runs.
const CHILD_STACK: usize = 64 << 10;

/// What the child needs, laid out before it exists: it must not allocate.
struct Plan {
    path: *const c_char,
    file: Option<(RawFd, Identity)>,
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
        file: program.file.map(|(file, identity)| (file.as_raw_fd(), identity)),
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
    let (pid, pidfd) = make(&mut plan)?;
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

/// Makes the process and waits until it has executed the program, or could not.
fn make(plan: &mut Plan) -> Result<(Pid, OwnedFd), SpawnError> {
    let (pid, pidfd) = match clone(plan, libc::CLONE_PIDFD) {
        // Who plays the kernel (qemu-user), or a filter, may not know the flag.
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EINVAL | libc::EPERM)) => {
            clone(plan, 0).map_err(|cause| SpawnError {
                step: "make a process, by clone with CLONE_PIDFD and without",
                cause,
            })?
        }
        made => made.map_err(|cause| SpawnError { step: "make a process, by clone", cause })?,
    };
    // A child that nobody has reaped keeps its number. Where the program has children reaped
    // by others or by the kernel, it could be gone this early only if it has ended; then
    // there is none of the number, as those are given out in turn.
    let pidfd = match pidfd {
        Some(pidfd) => pidfd,
        None => match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(errno) => {
                child::end_by_number(pid.as_raw_nonzero().get().unsigned_abs());
                let step = "open the process that was made, by pidfd_open, as clone refused \
                            CLONE_PIDFD";
                return Err(SpawnError { step, cause: errno.into() });
            }
        },
    };
    // Off the standard descriptors, if it can be: the child exists already.
    let pidfd = match pidfd.as_raw_fd() {
        0..=2 => rustix::io::fcntl_dupfd_cloexec(&pidfd, 3).unwrap_or(pidfd),
        _ => pidfd,
    };
    Ok((pid, pidfd))
}

/// The system call; the flag is `CLONE_PIDFD` or none.
fn clone(plan: &mut Plan, flag: c_int) -> io::Result<(Pid, Option<OwnedFd>)> {
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
            libc::CLONE_VM | libc::CLONE_VFORK | flag | libc::SIGCHLD,
            ptr::from_mut(plan).cast(),
            &raw mut pidfd,
        )
    };
    let cause = io::Error::last_os_error();
    drop(blocked);
    let pid = (pid > 0).then(|| Pid::from_raw(pid)).flatten().ok_or(cause)?;
    // SAFETY: clone succeeded, so with CLONE_PIDFD it wrote a new descriptor here,
    // which nobody else knows; without it nothing was written.
    let pidfd = (pidfd != -1).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    Ok((pid, pidfd))
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
            match plan.file {
                None => {
                    close_from(3);
                    libc::execve(plan.path, plan.argv, plan.envp);
                }
                Some((file, identity)) => {
                    // Where it stays to the end, and goes with the exec.
                    if file != EXECUTED && libc::dup3(file, EXECUTED, libc::O_CLOEXEC) == -1 {
                        break 'failed "keep the program's file open";
                    }
                    close_from(EXECUTED.cast_unsigned() + 1);
                    execute(plan, identity);
                }
            }
            EXECUTE
        };
        plan.failed = Some((step, *libc::__errno_location()));
        libc::_exit(127)
    }
}

/// Where the file is that is executed, if it was opened before.
const EXECUTED: RawFd = 3;

/// Executes the file at [`EXECUTED`], by its path if that leads to it and it must be.
/// Returns if it cannot.
// SAFETY (of the function's calls): as in `enter`.
unsafe fn execute(plan: &Plan, identity: Identity) {
    // SAFETY: the strings and arrays are the plan's, and valid for the reasons given in
    // `spawn`; stat writes what it is given.
    unsafe {
        let nothing = c"".as_ptr();
        let empty = libc::AT_EMPTY_PATH;
        libc::syscall(libc::SYS_execveat, EXECUTED, nothing, plan.argv, plan.envp, empty);
        // A file that an interpreter runs, as the kernel does with programs for other
        // machines, is given to that by a path, and this descriptor is gone by then. And
        // an emulator may not know the call.
        let first = *libc::__errno_location();
        let mut found: libc::stat = std::mem::zeroed();
        let same = matches!(first, libc::ENOENT | libc::ENOSYS | libc::EPERM | libc::EINVAL)
            && libc::stat(plan.path, &mut found) == 0
            && (found.st_dev, found.st_ino) == identity;
        *libc::__errno_location() = first;
        if same {
            libc::execve(plan.path, plan.argv, plan.envp);
        }
    }
}

/// Closes everything from a descriptor on: what the program opened without
/// close-on-exec is not the worker's business.
// SAFETY (of the function's calls): closing descriptors of this process's own
// table, which clone copied; the parent's stay open.
unsafe fn close_from(first: u32) {
    // SAFETY: integers only.
    if unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0u32) } == 0 {
        return;
    }
    // Linux before 5.9, or a filter that forbids the call.
    // SAFETY: as for this function.
    if unsafe { close_listed(first.cast_signed()) } {
        return;
    }
    // Without /proc.
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is written by getrlimit; close takes any integer.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let highest = c_int::try_from(limit.rlim_cur).unwrap_or(c_int::MAX).min(1 << 20);
        for fd in first.cast_signed()..highest {
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

/// Closes everything from a descriptor on that the kernel lists, whatever the limit is by
/// now; `false` where it does not list them.
// SAFETY (of the function's calls): as above, and no allocation: the list is read into
// this stack.
unsafe fn close_listed(first: c_int) -> bool {
    /// Of an entry: its length, and its name, as the kernel lays them out.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let mut buffer = [0u8; 1024];
    // SAFETY: the path is a string, the buffer as long as is said; else integers only.
    unsafe {
        // To be closed anyway; so there is one to list the others by, if all are taken.
        libc::close(first);
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
                let fd = number(name).filter(|&fd| fd >= first && fd != list);
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
