//! What a worker notes about itself when a signal is about to end it.
//!
//! The exit status tells the program which signal it was, and nothing of why; and where
//! somebody else has taken it, not even that. So a handler looks for signs of the cause (the
//! stack has overflowed, the pool's limit of memory was met), writes what it has found into
//! one word that the program reads after the death, and lets the signal do what it does by
//! default: the exit status is the true one, and a core dump shows the stack as it was.
//! Handlers are one-time (`SA_RESETHAND`) and restricted to what is safe in any state that a
//! process may be in: they read, make a few system calls, and touch no lock and no heap.
//!
//! They run on a stack of their own, but only on the thread that runs tasks: a thread that
//! a task has started has none, and if it overflows its own the kernel ends the process
//! without a handler. So a bad access is noted too. Where nothing is noted it may have been
//! either. A task may install handlers of its own in place of these.
//!
//! What the word holds is a hint, as all that a worker says.

use std::alloc::handle_alloc_error;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::{memory, stack};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The process had no memory left.
    OutOfMemory,
    /// It made the system call of this number, which a filter forbids.
    Forbidden(u32),
    /// A stack overflowed: that of the thread that runs tasks, of so many KiB (`u32::MAX`
    /// for one without a limit), or with 0 that of another thread.
    StackOverflow(u32),
    /// It touched memory that it may not touch, and that was not below a stack.
    BadAccess,
    /// Nothing but the signal.
    Crash,
}

const OUT_OF_MEMORY: u64 = 1;
const FORBIDDEN: u64 = 2;
const STACK_OVERFLOW: u64 = 3;
const BAD_ACCESS: u64 = 4;
const CRASH: u64 = 0xff;

impl Sign {
    /// As the word holds it: what is more to say, the signal, the kind.
    fn noted(self, signal: c_int) -> u64 {
        let signal = u64::from(signal.cast_unsigned() & 0xff) << 8;
        match self {
            Sign::OutOfMemory => signal | OUT_OF_MEMORY,
            Sign::Forbidden(call) => u64::from(call) << 32 | signal | FORBIDDEN,
            Sign::StackOverflow(size) => u64::from(size) << 32 | signal | STACK_OVERFLOW,
            Sign::BadAccess => signal | BAD_ACCESS,
            Sign::Crash => signal | CRASH,
        }
    }
}

/// What a process has noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The signal that was about to end it.
    pub(crate) signal: c_int,
    sign: Sign,
}

impl Note {
    pub(crate) fn read(word: u64) -> Option<Note> {
        /// The kernel's greatest.
        const SIGNALS: c_int = 64;
        let signal = c_int::from((word >> 8) as u8);
        let more = (word >> 32) as u32;
        let signs = [
            Sign::OutOfMemory,
            Sign::Forbidden(more),
            Sign::StackOverflow(more),
            Sign::BadAccess,
            Sign::Crash,
        ];
        let sign = signs.into_iter().find(|sign| sign.noted(signal) == word)?;
        (1..=SIGNALS).contains(&signal).then_some(Note { signal, sign })
    }

    /// What was found, if it is that signal which has ended the process, and if it is more
    /// than that.
    pub(crate) fn of(self, status: ExitStatus) -> Option<Sign> {
        let found = (status.signal() == Some(self.signal)).then_some(self.sign);
        found.filter(|&sign| sign != Sign::Crash)
    }
}

/// Where to note, in which process (a copy that a task forks has no say), and the socket by
/// which the program is told to look: a core dump may keep the process for long.
static PLACE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
static WORKER: AtomicU32 = AtomicU32::new(0);
static BELL: AtomicI32 = AtomicI32::new(-1);

/// The signals that end a process with a core dump, unless it handles them.
const DUMPING: [c_int; 10] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGQUIT,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGTRAP,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// Bytes of the stack that handlers run on: a task's own may be used up. Processors
/// with large registers save some 11 KiB there.
const STACK: usize = 64 << 10;

/// Less than this, in bytes, counts as no memory left: more than what the C library
/// asks the kernel for at a time where a task asks for little.
const HARDLY_ANY: usize = 1 << 20;

/// Whether a lack of memory is looked for.
static IS_LIMITED: AtomicBool = AtomicBool::new(false);

/// From here on, a death of this process that may leave a core dump is noted, bad accesses
/// and overflows of its stack as such, and the program is told. Called on the thread that
/// runs tasks.
pub(crate) fn watch_crashes(place: &'static AtomicU64, bell: RawFd) -> io::Result<()> {
    BELL.store(bell, Ordering::Relaxed);
    WORKER.store(std::process::id(), Ordering::Relaxed);
    PLACE.store(ptr::from_ref(place).cast_mut(), Ordering::Release);
    // Never freed: the kernel may need it as long as the thread lives.
    let stack = Vec::leak(vec![0_u8; STACK]);
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
    // SAFETY: the stack is as long as it says, and nobody else's for ever.
    if unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    DUMPING.into_iter().try_for_each(|signal| handle(signal, note_crash))?;
    handle(libc::SIGSEGV, note_access)?;
    handle(libc::SIGBUS, note_access)
}

extern "C" fn note_crash(signal: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    end_by(signal);
}

/// And deaths for lack of memory.
pub(crate) fn watch_memory() -> io::Result<()> {
    IS_LIMITED.store(true, Ordering::Relaxed);
    handle(libc::SIGABRT, note_abort)
}

/// From here on, a death of this process by a forbidden system call is noted.
#[cfg(feature = "sandbox")]
pub(crate) fn watch_calls() -> io::Result<()> {
    handle(libc::SIGSYS, note_call)
}

#[cfg(feature = "sandbox")]
extern "C" fn note_call(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    /// `SYS_SECCOMP` of the kernel.
    const BY_A_FILTER: c_int = 1;
    /// The kernel's description of a signal, where it is SIGSYS.
    #[repr(C)]
    struct Description {
        signal: c_int,
        errno: c_int,
        code: c_int,
        place: *const c_void,
        call: c_int,
    }
    // SAFETY: the kernel gives a valid description of the signal, longer than this, and
    // these are its fields if a filter is the cause.
    let call = unsafe {
        let code = (*info).si_code;
        (code == BY_A_FILTER).then(|| (*info.cast::<Description>()).call)
    };
    if let Some(call) = call {
        note(Sign::Forbidden(call.cast_unsigned()), signal);
    }
    end_by(signal);
}

fn note(sign: Sign, signal: c_int) {
    // SAFETY: it takes nothing and cannot fail. Not `std::process::id`, which promises
    // nothing to handlers.
    let own = unsafe { libc::getpid() };
    // SAFETY: null, or from a reference that lives for ever.
    let place = unsafe { PLACE.load(Ordering::Acquire).as_ref() };
    if let Some(place) = place
        && own.cast_unsigned() == WORKER.load(Ordering::Relaxed)
    {
        place.store(sign.noted(signal), Ordering::Release);
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // SAFETY: it is safe in a handler, and reads one byte. If the task has put something
        // else in the socket's place, that is as if the task had written there.
        unsafe {
            libc::send(BELL.load(Ordering::Relaxed), [1_u8].as_ptr().cast(), 1, flags);
        }
    }
}

/// Whether something was noted; also where there is nowhere to note.
fn is_noted() -> bool {
    // SAFETY: null, or from a reference that lives for ever.
    unsafe { PLACE.load(Ordering::Acquire).as_ref() }
        .is_none_or(|place| place.load(Ordering::Relaxed) != 0)
}

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Handles a signal once; the next of its kind does what it does by default.
fn handle(signal: c_int, handler: Handler) -> io::Result<()> {
    // SAFETY: all zero is a valid `sigaction`, whose mask sigemptyset makes one.
    // The handler has the type that SA_SIGINFO asks for, and does nothing that a
    // handler may not: see each.
    let done = unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut())
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the signal that is being handled end the process, also if it was no fault of
/// this thread's that comes again when the handler returns.
fn end_by(signal: c_int) {
    if !is_noted() {
        note(Sign::Crash, signal);
    }
    // SAFETY: it is safe in a handler, and takes an integer.
    unsafe {
        libc::raise(signal);
    }
}

/// What the kernel says of a signal that a thread of this process has brought about.
struct Cause {
    /// The address that was touched, if it was a fault.
    address: Option<usize>,
    /// The latest error on this thread.
    errno: Option<c_int>,
}

impl Cause {
    /// `None` of a signal that another process has sent. Called first, since what a handler
    /// does changes the latest error.
    fn read(info: *mut libc::siginfo_t) -> Option<Cause> {
        let errno = io::Error::last_os_error().raw_os_error();
        // SAFETY: the kernel gives a valid description of the signal. Which of its fields
        // are there depends on the signal and its code: of a fault the address, of what
        // a process has sent its pid.
        unsafe {
            let info = &*info;
            let is_fault = info.si_code > 0;
            let is_own = is_fault || info.si_pid() == libc::getpid();
            is_own.then(|| Cause { address: is_fault.then(|| info.si_addr().addr()), errno })
        }
    }

    /// Looks for signs that memory is what was lacking, from the surest on:
    ///
    /// - The latest error on this thread is ENOMEM. `malloc` and `mmap` leave it when they
    ///   fail, nothing that succeeds changes it, and the serve loop clears it before each
    ///   item.
    /// - The abort comes from where Rust goes when an allocation has failed. Since what it
    ///   prints there may end in another error.
    /// - Hardly any memory is left, for libraries that have met other errors since. Of bad
    ///   accesses that concerns only those through a null pointer, which is what an
    ///   allocation that failed has given.
    fn is_lack_of_memory(&self, is_abort: bool, context: *mut c_void) -> bool {
        let through_null = || self.address.is_some_and(|address| address < NULL_PAGES);
        self.errno == Some(libc::ENOMEM)
            || is_abort && stack::is_below(context, handle_alloc_error)
            || (is_abort || through_null()) && !memory::has_room(HARDLY_ANY)
    }
}

extern "C" fn note_abort(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if Cause::read(info).is_some_and(|cause| cause.is_lack_of_memory(true, context)) {
        note(Sign::OutOfMemory, signal);
    }
    end_by(signal);
}

extern "C" fn note_access(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(cause) = Cause::read(info) else {
        return end_by(signal);
    };
    let overflowed = cause.address.is_some_and(|address| stack::has_overflowed(context, address));
    if overflowed {
        note(Sign::StackOverflow(stack::kibibytes()), signal);
    } else if IS_LIMITED.load(Ordering::Relaxed) && cause.is_lack_of_memory(false, context) {
        note(Sign::OutOfMemory, signal);
    } else if cause.address.is_some() {
        note(Sign::BadAccess, signal);
    }
    // A fault comes again when the instruction is tried again, with its true description
    // for a debugger; this handler is gone by then.
    if cause.address.is_none() {
        end_by(signal);
    }
}

/// What a program can never map: an access below is one through a null pointer.
const NULL_PAGES: usize = 64 << 10;

/// No error has happened on this thread, as far as `errno` tells.
pub(crate) fn clear_error() {
    // SAFETY: the place is the calling thread's own.
    unsafe {
        *libc::__errno_location() = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_that_of_the_signal_which_ended_the_process() {
        let ended_by = ExitStatus::from_raw;
        let note = Note::read(Sign::OutOfMemory.noted(libc::SIGABRT)).unwrap();
        assert_eq!(note.signal, libc::SIGABRT);
        assert_eq!(note.of(ended_by(libc::SIGABRT)), Some(Sign::OutOfMemory));
        assert_eq!(note.of(ended_by(libc::SIGSEGV)), None);
        assert_eq!(note.of(ended_by(libc::SIGABRT << 8)), None, "a code is no signal");
        let note = Note::read(Sign::Forbidden(435).noted(libc::SIGSYS)).unwrap();
        assert_eq!(note.of(ended_by(libc::SIGSYS)), Some(Sign::Forbidden(435)));
        assert_eq!(note.of(ended_by(libc::SIGSEGV)), None);
        for sign in [Sign::StackOverflow(8192), Sign::StackOverflow(0), Sign::BadAccess] {
            let note = Note::read(sign.noted(libc::SIGSEGV)).unwrap();
            assert_eq!(note.of(ended_by(libc::SIGSEGV)), Some(sign));
            assert_eq!(note.of(ended_by(libc::SIGBUS)), None);
        }
    }

    #[test]
    fn a_word_that_is_no_note_says_nothing() {
        let of_no_signal = Sign::OutOfMemory.noted(0);
        for word in [0, u64::MAX, of_no_signal, Sign::OutOfMemory.noted(65), 6 << 8] {
            assert_eq!(Note::read(word), None, "{word:#x}");
        }
    }
}
