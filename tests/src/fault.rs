//! Ways for a process to go wrong, all of them real.

use std::hint::black_box;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// `panic!`.
    Panic,
    /// `exit(0)`, as if all were well.
    Exit0,
    /// `exit(7)`.
    Exit7,
    /// `abort()`.
    Abort,
    /// SIGKILL, as the kernel sends it when memory runs out.
    Kill,
    /// A write through a bad pointer.
    Segv,
    /// A recursion without end.
    StackOverflow,
    /// An error value, where the place of the fault can return one.
    Err,
}

/// What [`Fault::Panic`] says.
pub const PANIC_MESSAGE: &str = "a deliberate panic";

/// What [`Fault::Err`] says.
pub const ERR_MESSAGE: &str = "a deliberate refusal";

impl Fault {
    /// Each that works anywhere, which `Err` does not.
    pub const ANYWHERE: [Fault; 7] = [
        Fault::Panic,
        Fault::Exit0,
        Fault::Exit7,
        Fault::Abort,
        Fault::Kill,
        Fault::Segv,
        Fault::StackOverflow,
    ];

    /// Does it. Only `Err` returns.
    ///
    /// # Errors
    ///
    /// `Err` is one.
    ///
    /// # Panics
    ///
    /// `Panic` does.
    pub fn commit(self) -> Result<(), &'static str> {
        no_core_dump();
        match self {
            Fault::Panic => panic!("{PANIC_MESSAGE}"),
            Fault::Exit0 => std::process::exit(0),
            Fault::Exit7 => std::process::exit(7),
            Fault::Abort => std::process::abort(),
            Fault::Kill => kill_this_process(),
            Fault::Segv => {
                // SAFETY: there is none: nothing is mapped there, and the process
                // is meant to be killed for it.
                unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) }
                Ok(())
            }
            Fault::StackOverflow => {
                black_box(dive(0));
                Ok(())
            }
            Fault::Err => Err(ERR_MESSAGE),
        }
    }

    /// The signal that ends a process in which this happens, if one does.
    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            Fault::Abort => Some(libc::SIGABRT),
            Fault::Kill => Some(libc::SIGKILL),
            Fault::Segv | Fault::StackOverflow => Some(libc::SIGSEGV),
            Fault::Panic | Fault::Exit0 | Fault::Exit7 | Fault::Err => None,
        }
    }

    /// The exit code of a process in which this happens, if it exits by it.
    #[must_use]
    pub fn exit_code(self) -> Option<i32> {
        match self {
            Fault::Exit0 => Some(0),
            Fault::Exit7 => Some(7),
            _ => None,
        }
    }

    /// Whether it is the end of a worker that runs an item.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        self.signal().is_some() || self.exit_code().is_some()
    }

    /// How messages describe the end of a process in which this happens.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Fault::Panic => PANIC_MESSAGE,
            Fault::Err => ERR_MESSAGE,
            Fault::Exit0 => "exited with code 0",
            Fault::Exit7 => "exited with code 7",
            Fault::Abort => "was killed by SIGABRT",
            Fault::Kill => "was killed by SIGKILL",
            Fault::Segv => "was killed by SIGSEGV",
            Fault::StackOverflow => "overflowed its stack of ",
        }
    }
}

/// Ends this process by SIGKILL.
pub fn kill_this_process() -> ! {
    send(std::process::id(), Signal::KILL);
    unreachable!("nothing survives SIGKILL")
}

/// Sends a signal to a process.
///
/// # Panics
///
/// When there is no such process.
pub fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Limits a resource of this process.
///
/// # Panics
///
/// When the kernel refuses.
pub fn limit(resource: Resource, to: u64) {
    let Rlimit { maximum, .. } = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(to), maximum }).unwrap();
}

fn no_core_dump() {
    limit(Resource::Core, 0);
}

#[allow(unconditional_recursion)]
#[inline(never)]
fn dive(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    dive(black_box(depth + 1)) + room[0]
}

/// Lets a system call fail with this error in this thread and whom it starts.
///
/// # Panics
///
/// When the kernel takes no filter.
pub fn forbid(call: i64, errno: i32) {
    const LOAD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD, 0, 0, 0),
        step(JUMP_IF_EQUAL, 0, 1, u32::try_from(call).unwrap()),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    // SAFETY: the kernel reads the program, which is as long as it says.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let filter = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program), 0);
    }
}
