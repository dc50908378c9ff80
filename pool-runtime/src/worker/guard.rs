//! The panic guard: a task's panic becomes a report, and the worker goes on.
//!
//! The hook sees where a panic began and what the stack was; `catch_unwind`
//! sees what was thrown, and only if it unwinds. So the hook notes the first
//! two, and sends them as last words at once: if the panic then aborts (in a
//! program built with `panic = "abort"`, or in a destructor), they are all that
//! the program will ever learn.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::channel::Sender;
use crate::task;
use crate::wire::message::{self, PanicReport};

thread_local! {
    /// The latest panic on this thread.
    static NOTED: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
}

/// Installs the hook. A panic on the thread that runs tasks prints nothing: it
/// is reported to the program. Other threads panic as in any program.
pub(super) fn install(sender: Sender) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let Some(phase) = task::phase() else {
            return default(info);
        };
        let report = PanicReport {
            phase,
            message: text(info.payload()),
            location: info.location().map(ToString::to_string),
            backtrace: Some(Backtrace::force_capture().to_string()),
        };
        let mut frame = Vec::new();
        message::put_last_words(&mut frame, &report);
        // A program that is gone needs no last words.
        let _ = sender.send(&frame);
        NOTED.set(Some(report));
    }));
}

/// Runs one call; a panic in it is an `Err`.
pub(super) fn run<R>(call: impl FnOnce() -> R) -> Result<R, PanicReport> {
    NOTED.set(None);
    let result = catch_unwind(AssertUnwindSafe(call));
    let phase = task::phase().expect("the call has begun and not ended");
    result.map_err(|payload| {
        let message = text(&*payload);
        discard(payload);
        match NOTED.take() {
            Some(noted) if noted.message == message => noted,
            // Thrown without the hook's knowledge (`resume_unwind`, as when the
            // task joins a thread that panicked), or the task replaced the hook.
            _ => PanicReport { phase, message, location: None, backtrace: None },
        }
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
