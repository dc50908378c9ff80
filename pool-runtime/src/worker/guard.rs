//! The panic guard: a task's panic becomes a report, and the worker goes on.
//!
//! The hook sees where a panic began and what the stack was; `catch_unwind`
//! sees what was thrown, and only if it unwinds. So the hook notes the first
//! two, and sends them as last words at once: if the panic then aborts (in a
//! program built with `panic = "abort"`, or in a destructor), they are all that
//! the program will ever learn.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::serve;
use crate::limits::BACKTRACE_ROOM;
use crate::sys::memory;
use crate::task;
use crate::wire::message::{self, PanicReport};

thread_local! {
    /// The latest panic on this thread.
    static NOTED: RefCell<Option<PanicReport>> = const { RefCell::new(None) };

    /// Whether there is one: most items find none, and look no further.
    static IS_NOTED: Cell<bool> = const { Cell::new(false) };
}

/// What the standard library says in a second panic when the first cannot
/// unwind: out of a function with the C ABI, or out of a destructor that runs
/// while another panic unwinds.
const CANNOT_UNWIND: [&str; 2] =
    ["panic in a function that cannot unwind", "panic in a destructor during cleanup"];

/// Installs the hook. A panic on the thread that runs tasks prints nothing: it
/// is reported to the program. Other threads panic as in any program.
///
/// There is a backtrace where the worker's environment asks for one (`RUST_BACKTRACE`,
/// `RUST_LIB_BACKTRACE`): to name its frames takes a tenth of a millisecond and more, each
/// time. Where the memory is limited, what is left of it may not do for that; then
/// there is none, and the panic is reported all the same. That is asked before anything is
/// allocated: std holds a lock while it makes a backtrace, and takes it again to report an
/// allocation that failed, so the worker would wait for itself for ever.
pub(super) fn install(limited: bool) {
    let default = std::panic::take_hook();
    let worker = std::process::id();
    std::panic::set_hook(Box::new(move |info| {
        let phase = match task::phase() {
            // Not in a copy of the worker that the task has forked.
            Some(phase) if std::process::id() == worker => phase,
            _ => return default(info),
        };
        let message = text(info.payload());
        if CANNOT_UNWIND.contains(&&*message) && NOTED.with_borrow(Option::is_some) {
            // What was thrown says more than that it met a wall.
            return;
        }
        let location = info.location().map(ToString::to_string);
        let mut report = PanicReport { phase, message, location, backtrace: None };
        if !limited || memory::has_room(backtrace_room()) {
            let backtrace = Backtrace::capture();
            if backtrace.status() == BacktraceStatus::Captured {
                if limited {
                    // The kernel may end the worker meanwhile, for the sake of its group.
                    send_last_words(&report);
                }
                report.backtrace = Some(backtrace.to_string());
            }
        }
        send_last_words(&report);
        NOTED.set(Some(report));
        IS_NOTED.set(true);
    }));
}

/// Bytes of memory that a backtrace needs at most: the larger the program, the more debug
/// information it may have.
fn backtrace_room() -> usize {
    let program = std::fs::metadata("/proc/self/exe").map_or(0, |program| program.len());
    BACKTRACE_ROOM.max(usize::try_from(program).unwrap_or(usize::MAX))
}

fn send_last_words(report: &PanicReport) {
    let mut words = Vec::new();
    message::put_last_words(&mut words, report);
    // A program that is gone needs no last words.
    let _ = serve::send(message::report::LAST_WORDS, &words);
}

/// Runs one call; a panic in it is an `Err`.
pub(super) fn run<R>(call: impl FnOnce() -> R) -> Result<R, Box<PanicReport>> {
    if IS_NOTED.replace(false) {
        NOTED.set(None);
    }
    catch_unwind(AssertUnwindSafe(call)).map_err(report)
}

/// What is said of a panic that was caught.
#[cold]
fn report(payload: Box<dyn Any + Send>) -> Box<PanicReport> {
    let phase = task::phase().expect("the call has begun and not ended");
    let message = text(&*payload);
    // Taken before the payload goes: its destructor may panic too.
    let noted = NOTED.take();
    discard(payload);
    Box::new(match noted {
        Some(noted) if noted.message == message => noted,
        // Thrown without the hook's knowledge (`resume_unwind`, as when the
        // task joins a thread that panicked), or the task replaced the hook.
        _ => PanicReport { phase, message, location: None, backtrace: None },
    })
}

fn text(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => match payload.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => "a value that is not text".into(),
        },
    }
}

/// Drops what was thrown. Its destructor may panic in turn; whatever that
/// throws is leaked, because its destructor might too.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}
