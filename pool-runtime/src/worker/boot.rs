//! How a process finds out that it is a worker, and becomes one.
//!
//! ```text
//!   the C runtime calls the initialiser array
//!     └─ boot: is the mark in the environment?     no ──> return, main runs
//!          └─ does a message with that mark wait
//!             on standard input?                   no ──> return, main runs
//!               └─ take the lifeline off stdin
//!                    └─ a summons? be the zygote; its copies, each with a
//!                       lifeline of its own, go on here
//!                         └─ receive the channel, arm the lifeline
//!                              └─ run the rest of the array (C++ constructors)
//!                                   └─ apply the pool's settings, report in
//!                                        └─ serve until goodbye ──> exit; main never runs
//! ```
//!
//! The hook is the first entry of the array, except for the standard library's own, which
//! keeps the arguments. So the program's constructors run in every worker, which has its own
//! random numbers (the seeds of hash maps), process id and threads. The constructors of shared
//! libraries have run before, once, in the zygote.
//!
//! The mark is removed before anything else, so that a program that a worker executes is no
//! worker. It is a random number, which alone starts nothing: only the program sends the message
//! that repeats it.

use std::ffi::{OsStr, c_char, c_int};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::output::Marker;
use super::{guard, serve, zygote};
use crate::channel::{self, Accepted, Sender, WorkerEnd};
use crate::sys::{fds, init_array, signals};
use crate::wire::exit;
use crate::wire::message::Boot;
use crate::wire::zygote::{HEAD, summons};

/// The environment variable that marks a worker.
pub(crate) const MARK: &str = "POOL_RUNTIME_WORKER";

/// How deep this process is nested: 0 in a program that is no worker.
static DEPTH: AtomicU32 = AtomicU32::new(0);

/// Whether this process becomes a worker or a zygote, and still runs code before `main`.
static BOOTING: AtomicBool = AtomicBool::new(false);

/// Whether the hook has run in this process.
static HOOKED: AtomicBool = AtomicBool::new(false);

#[used]
#[allow(unsafe_code)]
// SAFETY: the section holds pointers to functions of exactly this type, which
// the C runtime calls once, before main, on the main thread. Linkers sort by the
// number: the standard library has 99, and a user's constructors begin at 101, below
// which numbers are reserved.
#[unsafe(link_section = ".init_array.00100")]
static HOOK: init_array::Initialiser = boot;

extern "C" fn boot(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) {
    HOOKED.store(true, Ordering::Relaxed);
    let Some(worker) = become_worker() else {
        return;
    };
    init_array::run_the_rest(HOOK, argc, argv, envp);
    serve_and_exit(worker);
}

/// Lets a process that was started as a worker serve; returns in any other.
///
/// A program rarely needs this, as workers start serving before `main`. Call it first in
/// `main` if the linker drops the hook that does so (an unusual link script, a static library
/// inside a program of another language).
///
/// ```
/// pool_runtime::init();
/// // the program
/// ```
pub fn init() {
    if let Some(worker) = become_worker() {
        serve_and_exit(worker);
    }
}

/// Whether this process is a worker in which static constructors still run. They must not start
/// workers, which would run the same constructors and start others, as deep as pools may nest.
pub(crate) fn is_booting() -> bool {
    BOOTING.load(Ordering::Relaxed)
}

/// How deep this process is nested in pools.
pub(crate) fn depth() -> u32 {
    DEPTH.load(Ordering::Relaxed)
}

/// Whether this process was started as a worker and has not become one, since the hook was
/// dropped or a static constructor before it asks. It must not start workers, which would do
/// the same without end.
pub(crate) fn hook_missed() -> bool {
    !HOOKED.load(Ordering::Relaxed) && std::env::var_os(MARK).is_some()
}

/// The parts with which a worker serves.
struct Worker {
    channel: WorkerEnd,
    sender: Sender,
    marker: Option<Marker>,
    boot: Boot,
}

fn become_worker() -> Option<Worker> {
    let mark = std::env::var_os(MARK)?;
    // Set from the first sign on, whatever code runs. A process that is no worker resets it.
    BOOTING.store(true, Ordering::Relaxed);
    let worker = marked(&mark);
    BOOTING.store(worker.is_some(), Ordering::Relaxed);
    worker
}

/// The parts with which it serves, if the message repeats the mark.
fn marked(mark: &OsStr) -> Option<Worker> {
    #[allow(unsafe_code)]
    // SAFETY: no other thread reads the environment: this runs before main, or
    // first in it (see `init`).
    unsafe {
        std::env::remove_var(MARK);
    }
    let mark: u64 = mark.to_str()?.parse().ok()?;
    let head = fds::peek_stdin::<HEAD>()?;
    if Boot::mark(&head) != Some(mark) {
        return None;
    }
    let worker = fds::take_stdin()
        .and_then(|lifeline| fds::fill_standard().map(|()| lifeline))
        .map_err(failed(exit::NO_STREAMS))
        .and_then(|lifeline| match head == summons(mark) {
            true => zygote::serve(lifeline).map_err(failed(exit::NO_STREAMS)),
            false => Ok(lifeline),
        })
        .and_then(connect);
    // From here on this process is a worker and nothing else: without a channel it ends.
    Some(worker.unwrap_or_else(|code| std::process::exit(code)))
}

/// The exit code for a failed step: that of the step, unless a resource is exhausted.
fn failed(step: i32) -> impl Fn(io::Error) -> i32 {
    move |error| match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => exit::NO_DESCRIPTORS,
        Some(libc::ENOMEM) => exit::NO_MEMORY,
        _ => step,
    }
}

fn connect(lifeline: OwnedFd) -> Result<Worker, i32> {
    let accepted = channel::accept(lifeline).map_err(failed(exit::NO_CHANNEL))?;
    let Accepted { boot, mut channel, sender, extra } = accepted.ok_or(exit::FAREWELL)?;
    let boot = Boot::decode(&boot).ok_or(exit::OTHER_VERSION)?;
    let mut extra = extra.into_iter();
    let mut next = || extra.next().ok_or(exit::NO_DESCRIPTORS);
    if boot.arena {
        channel.read_in(&next()?);
    }
    if boot.spin {
        channel.may_spin();
    }
    if boot.stdin {
        let placed = rustix::stdio::dup2_stdin(next()?).map_err(io::Error::from);
        placed.map_err(failed(exit::NO_STREAMS))?;
    }
    let marker = boot.seal.map(Marker::new).transpose().map_err(failed(exit::NO_STREAMS))?;
    DEPTH.store(boot.depth, Ordering::Relaxed);
    Ok(Worker { channel, sender, marker, boot })
}

fn serve_and_exit(worker: Worker) -> ! {
    let Worker { mut channel, sender, marker, boot } = worker;
    // All code before `main` has run.
    BOOTING.store(false, Ordering::Relaxed);
    signals::ignore_fatal_io();
    // The kernel keeps 15 bytes. The name is for readers of `ps`.
    let name: Vec<u8> = boot.name.bytes().filter(|&byte| byte != 0).take(15).collect();
    if let Ok(name) = std::ffi::CString::new(name) {
        let _ = rustix::thread::set_name(&name);
    }
    guard::install(boot.settings.limits_memory());
    // The channel stays open to the end, so that the kernel watches the lifeline while exit
    // handlers run.
    let code = serve::serve(&mut channel, sender, marker, &boot);
    // Exit handlers run and standard output is flushed, as at the end of main.
    std::process::exit(code)
}
