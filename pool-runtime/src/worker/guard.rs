//! The panic guard: a task's panic becomes a report, and the worker goes on.
//!
//! The panic hook sees where a panic began and the stack; `catch_unwind` sees the payload, and
//! only if the panic unwinds. So the hook notes the place and the stack, and sends them as a
//! panic report at once. If the panic then aborts (in a program with `panic = "abort"`, or in
//! a destructor), the program learns nothing else.

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

    /// Whether `NOTED` has a report. Mostly it has none, and an item reads nothing else.
    static IS_NOTED: Cell<bool> = const { Cell::new(false) };
}

/// The messages of the second panic by which the standard library reports that the first cannot
/// unwind: out of a function with the C ABI, or out of a destructor during another panic.
const CANNOT_UNWIND: [&str; 2] =
    ["panic in a function that cannot unwind", "panic in a destructor during cleanup"];

/// Installs the hook. A panic on the thread that runs tasks prints nothing and is reported to
/// the program. Other threads panic as in any program.
///
/// A report has a backtrace if the worker's environment asks for one (`RUST_BACKTRACE`,
/// `RUST_LIB_BACKTRACE`), as naming the frames takes at least a tenth of a millisecond. If the
/// memory is limited and too little is left, the report has none. This is checked before
/// anything is allocated: std holds a lock while it makes a backtrace, and takes it again to
/// report a failed allocation, so the worker would deadlock.
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
            // The first panic says more than this one.
            return;
        }
        let location = info.location().map(ToString::to_string);
        let mut report = PanicReport { phase, message, location, backtrace: None };
        if !limited || memory::has_room(backtrace_room()) {
            let backtrace = Backtrace::capture();
            if backtrace.status() == BacktraceStatus::Captured {
                if limited {
                    // The kernel may kill the worker meanwhile, if its control group runs out of
                    // memory.
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

/// Bytes of memory that a backtrace needs at most. A larger program may have more debug
/// information.
fn backtrace_room() -> usize {
    let program = std::fs::metadata("/proc/self/exe").map_or(0, |program| program.len());
    BACKTRACE_ROOM.max(usize::try_from(program).unwrap_or(usize::MAX))
}

fn send_last_words(report: &PanicReport) {
    let mut words = Vec::new();
    message::put_last_words(&mut words, report);
    // An error means that the program has ended, which needs no report.
    let _ = serve::send(message::report::LAST_WORDS, &words);
}

/// Runs one call. A panic in it is an `Err`.
pub(super) fn run<R>(call: impl FnOnce() -> R) -> Result<R, Box<PanicReport>> {
    if IS_NOTED.replace(false) {
        NOTED.set(None);
    }
    catch_unwind(AssertUnwindSafe(call)).map_err(report)
}

/// The report of a caught panic.
#[cold]
fn report(payload: Box<dyn Any + Send>) -> Box<PanicReport> {
    let phase = task::phase().expect("the call has begun and not ended");
    let message = text(&*payload);
    // Taken before the payload is dropped, as its destructor may panic too.
    let noted = NOTED.take();
    discard(payload);
    Box::new(match noted {
        Some(noted) if noted.message == message => noted,
        // The hook has not seen it (`resume_unwind`, as when the task joins a thread that
        // panicked), or the task has replaced the hook.
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

/// Drops the payload of a panic. Its destructor may panic in turn; the payload of that panic
/// is leaked, as its destructor might panic too.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}
