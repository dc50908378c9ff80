//! What a process inherits from the thread that starts it, read back from the
//! kernel: to see whether a process that was started earlier still has what one
//! started now would get.
//!
//! Not in it, because it is passed along or never inherited: the working
//! directory, the standard streams, signals, and the environment, which the
//! caller chooses. Nor what `execve` takes away, as from a worker that is executed so
//! from the copy that others are forked from. What is kept and nobody can ask for is a
//! Landlock domain, which [`may_look_into`] sees, counters that `perf` has children
//! inherit, and the right to use I/O ports.

use std::ffi::{CStr, c_void};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat_raw, statat};
use rustix::io::Errno;

use super::filters;

/// Equal if nothing that is inherited has changed between the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surroundings {
    bytes: Vec<u8>,
    /// The namespaces of children are those of the process itself.
    own_namespaces: bool,
}

/// The lines of `/proc/thread-self/status` that count: file modes, identity and
/// rights, restrictions, and where it may run.
const STATUS: [&[u8]; 16] = [
    b"Umask:",
    // A debugger that follows children is theirs too.
    b"TracerPid:",
    b"Uid:",
    b"Gid:",
    b"Groups:",
    b"CapInh:",
    b"CapPrm:",
    b"CapEff:",
    b"CapBnd:",
    b"CapAmb:",
    b"NoNewPrivs:",
    b"Seccomp:",
    b"Speculation_Store_Bypass:",
    b"SpeculationIndirectBranch:",
    b"Cpus_allowed:",
    b"Mems_allowed:",
];

/// A kernel that lacks one has nothing that could be changed there.
const NAMESPACES: [&CStr; 8] = [
    c"ns/cgroup",
    c"ns/ipc",
    c"ns/mnt",
    c"ns/net",
    c"ns/time",
    c"ns/time_for_children",
    c"ns/user",
    c"ns/uts",
];

/// Files that hold one setting each, or are not there.
const FILES: [&CStr; 7] = [
    c"cgroup",
    c"oom_score_adj",
    c"attr/current",
    c"attr/exec",
    // The process has it, not the thread.
    c"../../coredump_filter",
    // Another one comes with each change of the login user that audit records tell.
    c"sessionid",
    // Shares of the processor's cache, where there are such.
    c"cpu_resctrl_groups",
];

impl Surroundings {
    /// Those of the calling thread.
    pub(crate) fn take() -> io::Result<Surroundings> {
        let thread = openat(
            CWD,
            c"/proc/thread-self",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut taken = Vec::with_capacity(2048);
        let mut buffer = [0; 8192];
        let status = read(thread.as_fd(), c"status", &mut buffer)?;
        let lines = status.split_inclusive(|&byte| byte == b'\n');
        let counts = |line: &&[u8]| STATUS.iter().any(|name| line.starts_with(name));
        lines.filter(counts).for_each(|line| taken.extend_from_slice(line));
        for number in filters::of_this_thread(status)? {
            taken.extend_from_slice(&number.to_ne_bytes());
        }
        for file in FILES {
            match read(thread.as_fd(), file, &mut buffer) {
                Ok(text) => taken.extend_from_slice(text),
                Err(error) if is_no_answer(&error) => return Err(error),
                Err(_) => {}
            }
            taken.push(0);
        }
        for name in NAMESPACES {
            taken.extend_from_slice(&link(thread.as_fd(), name));
            taken.push(0);
        }
        let pids = [c"ns/pid", c"ns/pid_for_children"].map(|name| link(thread.as_fd(), name));
        taken.extend_from_slice(&pids[0]);
        for path in [c"/", c"/proc/self/exe"] {
            let stat = statat(CWD, path, AtFlags::empty())?;
            taken.extend_from_slice(&stat.st_dev.to_ne_bytes());
            taken.extend_from_slice(&stat.st_ino.to_ne_bytes());
        }
        for number in limits().into_iter().chain(settings()) {
            taken.extend_from_slice(&number.to_ne_bytes());
        }
        taken.extend_from_slice(&scheduling());
        taken.extend_from_slice(&memory_policy());
        let stat = read(thread.as_fd(), c"stat", &mut buffer)?;
        taken.extend_from_slice(terminal(stat));
        Ok(Surroundings { bytes: taken, own_namespaces: pids[0] == pids[1] })
    }

    /// Whether a child would live in the same namespaces. If not, the first one
    /// started would be the init of its own, and what it forked could not be its
    /// sibling.
    pub(crate) fn are_a_childs_too(&self) -> bool {
        self.own_namespaces
    }
}

/// Whether this process may look into another, as a debugger would.
///
/// The kernel lets a process look only into what can do no more than itself. So
/// this sees also those restrictions that no file tells of: a Landlock domain
/// that the other is not in.
///
/// Asked by the number, which names the same process to the kernel as to this one. The
/// files of `/proc` need not: it may be that of another PID namespace.
pub(crate) fn may_look_into(pid: u32) -> bool {
    let mut head: *mut c_void = ptr::null_mut();
    let mut length: usize = 0;
    // SAFETY: the kernel writes an address of the other process, which nobody follows
    // here, and a length.
    let told =
        unsafe { libc::syscall(libc::SYS_get_robust_list, pid, &raw mut head, &raw mut length) };
    told == 0
}

/// A whole file. One for which there is no room is an error: what is not seen
/// could have changed.
fn read<'a>(dir: BorrowedFd<'_>, name: &CStr, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let file = openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut length = 0;
    loop {
        match rustix::io::read(&file, &mut buffer[length..]) {
            Ok(0) if length == buffer.len() => return Err(io::ErrorKind::FileTooLarge.into()),
            Ok(0) => return Ok(&buffer[..length]),
            Ok(read) => length += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Where a link of /proc leads; nothing if it is not there.
fn link(dir: BorrowedFd<'_>, name: &CStr) -> Vec<u8> {
    let mut buffer = [0u8; 64];
    match readlinkat_raw(dir, name, &mut buffer[..]) {
        Ok(length) => buffer[..length].to_vec(),
        Err(_) => Vec::new(),
    }
}

/// Whether this says nothing about a file: as opposed to one that is not there,
/// or holds nothing.
fn is_no_answer(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), None | Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// Every resource limit, soft and hard.
fn limits() -> impl IntoIterator<Item = u64> {
    /// `RLIM_NLIMITS` of the kernel.
    const LIMITS: u32 = 16;
    (0..LIMITS).flat_map(|resource| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: it writes the limit it is given; an unknown resource is an error.
        unsafe { libc::getrlimit(resource as _, &mut limit) };
        [limit.rlim_cur, limit.rlim_max]
    })
}

/// The controlling terminal, of a file `stat`. The name, in parentheses, may hold
/// anything; the terminal is the fifth field after it.
fn terminal(stat: &[u8]) -> &[u8] {
    let end = stat.iter().rposition(|&byte| byte == b')').unwrap_or(0);
    stat[end..].split(|&byte| byte == b' ').nth(5).unwrap_or_default()
}

/// `struct sched_attr` of the kernel, as long as it may become: policy, niceness,
/// priority, the times of a deadline, the length of a slice, bounds of utilisation. A
/// kernel that knows less leaves zeros.
fn scheduling() -> [u8; 64] {
    let mut attributes = [0; 64];
    // SAFETY: it writes no more than the length that it is given.
    unsafe {
        let (place, length) = (attributes.as_mut_ptr(), attributes.len());
        libc::syscall(libc::SYS_sched_getattr, 0, place, length, 0);
    }
    attributes
}

/// From which nodes memory is taken. Where that is refused, or there are no nodes, it is
/// the same for all.
fn memory_policy() -> [u8; 136] {
    /// As many nodes as a kernel can be built for.
    const NODES: usize = 1024;
    let mut policy = [0; 8 + NODES / 8];
    // SAFETY: it writes an `int` and a mask of so many bits, for both of which there is
    // room. Neither has to be aligned for the kernel.
    unsafe {
        let mode = policy.as_mut_ptr();
        let nodes = mode.add(8);
        libc::syscall(libc::SYS_get_mempolicy, mode, nodes, NODES + 1, 0, 0);
    }
    policy
}

/// What is asked for by a call each: session, priorities, and the like. A kernel that does
/// not know one gives an error, always the same.
fn settings() -> [u64; 16] {
    /// `IOPRIO_WHO_PROCESS` of the kernel.
    const OF_A_PROCESS: i32 = 1;
    // Of the kernel's `prctl.h`; the crate `libc` has some of them for some processors only.
    const GET_SPECULATION_CTRL: i32 = 52;
    const GET_IO_FLUSHER: i32 = 58;
    const SCHED_CORE: i32 = 62;
    const GET_MDWE: i32 = 66;
    const GET_MEMORY_MERGE: i32 = 68;
    const SVE_GET_VL: i32 = 51;
    const SME_GET_VL: i32 = 64;
    const L1D_FLUSH: u64 = 2;
    const SESSION_KEYRING: i32 = -3;
    const NONE: u64 = 0;
    let mut cookie = 0_u64;
    let mut counter = 0_i32;
    let prctl = |option: i32, argument: u64| {
        // SAFETY: all options that it is called with only read, and take integers.
        i64::from(unsafe { libc::prctl(option, argument, NONE, NONE, NONE) })
    };
    // SAFETY: all only read, and take integers, but for two that write the number which
    // they are given.
    let settings = unsafe {
        libc::prctl(SCHED_CORE, NONE, NONE, NONE, &raw mut cookie);
        libc::prctl(libc::PR_GET_TSC, &raw mut counter);
        [
            i64::from(libc::getsid(0)),
            libc::syscall(libc::SYS_ioprio_get, OF_A_PROCESS, 0),
            // An invalid one, which only asks.
            i64::from(libc::personality(0xffff_ffff)),
            libc::syscall(libc::SYS_keyctl, 0, SESSION_KEYRING, 0),
            i64::from(counter),
            cookie.cast_signed(),
            prctl(libc::PR_GET_TIMERSLACK, NONE),
            prctl(libc::PR_GET_SECUREBITS, NONE),
            prctl(libc::PR_GET_THP_DISABLE, NONE),
            prctl(libc::PR_MCE_KILL_GET, NONE),
            prctl(GET_SPECULATION_CTRL, L1D_FLUSH),
            prctl(GET_IO_FLUSHER, NONE),
            prctl(GET_MDWE, NONE),
            prctl(GET_MEMORY_MERGE, NONE),
            // The length of vectors on aarch64.
            prctl(SVE_GET_VL, NONE),
            prctl(SME_GET_VL, NONE),
        ]
    };
    settings.map(i64::cast_unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_equal_until_something_changes() {
        let before = Surroundings::take().unwrap();
        assert!(before.are_a_childs_too());
        assert_eq!(before, Surroundings::take().unwrap());
        // Of this thread only: a nicer one than before.
        let changed = std::thread::spawn(|| {
            // SAFETY: integers only; a thread may always be nicer.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, libc::getpriority(0, 0) + 1) };
            Surroundings::take().unwrap()
        });
        assert_ne!(before, changed.join().unwrap());
        assert_eq!(before, Surroundings::take().unwrap());
    }

    #[test]
    fn every_line_of_the_status_that_counts_is_in_them() {
        let text = String::from_utf8_lossy(&Surroundings::take().unwrap().bytes).into_owned();
        for name in ["Umask:", "Uid:", "Groups:", "CapBnd:", "NoNewPrivs:", "Mems_allowed:"] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(text.contains("mnt:[") && text.contains("pid:["), "{text}");
    }

    #[test]
    fn the_terminal_is_found_behind_any_name() {
        assert_eq!(terminal(b"7 (a) b (c) R 1 2 3 34816 5 6"), b"34816");
        assert_eq!(terminal(b"7 (x) S 1 2 3 0 -1"), b"0");
        assert_eq!(terminal(b""), b"");
    }

    #[test]
    fn a_process_may_look_into_itself_and_into_nobody_that_is_not_there() {
        assert!(may_look_into(std::process::id()));
        // No process has this number: the kernel's greatest is 2^22.
        assert!(!may_look_into(1 << 30));
    }
}
