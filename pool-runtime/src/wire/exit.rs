//! The codes that a worker ends itself with, and what stands behind them.
//!
//! A task may end its process with the same ones. So the words are for the likely
//! cause, and nothing is decided by a code.

/// It has said goodbye, or there is no program any more.
pub(crate) const FAREWELL: i32 = 0;

/// It could not become a worker of its pool, and has said why.
pub(crate) const UNFIT: i32 = 70;

/// It could not become a worker at all: the step at which it failed, or what it lacked.
pub(crate) const NO_STREAMS: i32 = 71;
pub(crate) const NO_DESCRIPTORS: i32 = 72;
pub(crate) const NO_MEMORY: i32 = 73;
pub(crate) const NO_CHANNEL: i32 = 74;
pub(crate) const OTHER_VERSION: i32 = 75;

/// What it was sent, or what it keeps itself, makes no sense, as `EX_PROTOCOL`.
pub(crate) const DAMAGED: i32 = 76;

/// Its one call has panicked, as a Rust program ends; the panic was sent before.
pub(crate) const PANICKED: i32 = 101;

/// What usually stands behind such an end of a worker that could not report in.
pub(crate) fn cause_at_boot(code: i32) -> Option<&'static str> {
    let cause = match code {
        NO_STREAMS => "its standard streams could not be put in place: a filter of system calls",
        NO_DESCRIPTORS => {
            "there were no descriptors left for its channel: raise `ulimit -n`, RLIMIT_NOFILE"
        }
        NO_MEMORY => {
            "there was no memory left for its channel, 32 MiB of addresses: see `ulimit -v`, \
             RLIMIT_AS"
        }
        NO_CHANNEL => "its channel could not be taken over: a filter of system calls",
        OTHER_VERSION => "its program was built with another version of this library",
        _ => return None,
    };
    Some(cause)
}

/// The same for one that had reported in.
pub(crate) fn cause(code: i32) -> Option<&'static str> {
    (code == DAMAGED).then_some(WRITTEN_OVER)
}

/// What stands behind a worker whose channel is damaged, whoever finds that out: the
/// worker, or the program, which ends it then.
pub(crate) const WRITTEN_OVER: &str = "a task of this worker, perhaps an earlier one, wrote beyond its \
     memory and damaged the worker's channel or state; a pool with max_tasks_per_child(1) shows \
     which task, and a sanitizer where";
