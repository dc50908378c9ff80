//! The calls of a pool: which caller waits for what, and what becomes of it.
//!
//! ```text
//!   callers' threads                          the engine's thread
//!   JobHandle::queue ─┐                       ┌─ Poller::wait (unlocked)
//!   Engine::…        ─┼─> Mutex<Core> <───────┤    workers' bells, pidfds, its own bell
//!   JobHandle::wait <─┘   events, commands    └─ Core::turn
//! ```
//!
//! The core is a locked state and never waits. Any thread that holds the lock gives events
//! to the scheduler, carries out its commands, and reads what workers have sent. So a
//! caller's items are on their way to a worker before its call returns, and a caller that
//! waits polls for its result itself, without a switch of threads. The engine's thread does
//! what no caller is there for: results that nobody polls for, deaths, deadlines. It wakes
//! for nothing else.

mod backlog;
mod batch;
mod batches;
mod callback_guard;
mod calls;
mod cancel;
mod chunk_policy;
mod core;
mod deadline;
mod handle;
mod job;
mod locked;
mod request;
mod rules;
mod shared;
mod thread;
mod waiting;

use std::fmt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Signal;

use crate::error::{Error, ErrorKind};
use crate::ids::Slot;
use crate::scheduler::{Config, Event, Life};
use crate::supervisor::{Launch, Relay, Replaced, Start, describe_exhaustion};
use crate::sys::arena::Arena;
use crate::sys::fork_mark::ForkMark;
use crate::sys::poller::Poller;

use self::core::Core;
use self::shared::Shared;
pub(crate) use crate::channel::Bodies;
pub(crate) use batch::{Batch, BatchEncoder, NotEncoded};
pub use cancel::CancelToken;
pub(crate) use chunk_policy::{ChunkPolicy, Window};
pub(crate) use handle::JobHandle;
pub(crate) use job::{Arrival, Progress};
pub(crate) use request::{Request, Shape};
pub(crate) use rules::Rules;

/// The workers of one pool or process, and the thread that supervises them.
#[derive(Debug)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Prints the workers' output, if it is prefixed.
    relay: Option<Relay>,
    /// The memory in which its workers read large items, if they do.
    arena: Option<Arc<Arena>>,
}

/// One worker, as callers see it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) slot: Slot,
    pub(crate) pid: u32,
    pub(crate) life: Life,
    /// It has items.
    pub(crate) busy: bool,
    /// Why the worker before it is gone.
    pub(crate) replaced: Option<Replaced>,
    pub(crate) start: Start,
}

impl Engine {
    /// Starts all workers and returns once they have reported in. If one cannot start, the
    /// others are killed and reaped, and its error is returned.
    pub(crate) fn start(config: Config, launch: Launch) -> Result<Engine, Error> {
        let failed = |what: &str, cause: std::io::Error| {
            let message = format!("failed to {what}: {cause}{}", describe_exhaustion(&cause));
            Error::new(ErrorKind::Spawn, message).with_source(cause)
        };
        let poller = Poller::new().map_err(|cause| failed("make the pool's event queue", cause))?;
        let poller = Arc::new(poller);
        let mark = ForkMark::of_process().map_err(|cause| failed("mark this process", cause))?;
        let mailbox = launch.mailbox().cloned();
        let arena = launch.arena().cloned();
        let core = Core::new(config, launch, Arc::clone(&poller));
        let shared = Arc::new(Shared::new(core, mark));
        let thread = thread::spawn(Arc::clone(&shared), Arc::clone(&poller))
            .map_err(|cause| failed("start the pool's thread", cause))?;
        let mut engine = Engine { shared, thread: Mutex::new(Some(thread)), relay: None, arena };
        // Dropping the engine ends what has been started.
        if let Some(mailbox) = mailbox {
            let relay = Relay::start(mailbox, poller);
            engine.relay =
                Some(relay.map_err(|cause| failed("start the thread that prints", cause))?);
        }

        let mut core = engine.shared.lock().expect("nobody has forked the engine yet");
        // The scheduler already has commands that start all workers.
        core.settle();
        while core.calls.starting_up() {
            core.wait(&engine.shared.life, None);
        }
        let failure = core.calls.take_start_failure();
        drop(core);
        // Dropping the engine kills and reaps those that did start.
        failure.map_or(Ok(engine), Err)
    }

    /// How many workers the pool has; 0 in a forked copy of the program.
    pub(crate) fn size(&self) -> usize {
        self.shared.lock().map_or(0, |core| core.calls.scheduler.size())
    }

    /// The memory in which its workers read large items.
    pub(crate) fn arena(&self) -> Option<&Arc<Arena>> {
        self.arena.as_ref()
    }

    /// Begins a job; its items follow.
    pub(crate) fn open(&self, request: Request) -> Result<JobHandle, Error> {
        request.check()?;
        JobHandle::open(&self.shared, request)
    }

    /// Begins a job with all of its items.
    pub(crate) fn submit(&self, request: Request, batch: Batch) -> Result<JobHandle, Error> {
        request.check()?;
        JobHandle::submit(&self.shared, request, batch)
    }

    /// Refuses to wait within a `retry_if` of this pool.
    pub(crate) fn check_may_wait(&self, wanted: fmt::Arguments<'_>) -> Result<(), Error> {
        self.shared.check_may_wait(wanted)
    }

    fn tell(&self, event: Event) {
        if let Ok(mut core) = self.shared.lock() {
            core.calls.tell(event);
        }
    }

    pub(crate) fn close(&self) {
        self.tell(Event::Close);
    }

    pub(crate) fn reset(&self) {
        self.tell(Event::Reset);
    }

    pub(crate) fn terminate(&self) {
        if let Ok(mut core) = self.shared.lock() {
            core.terminate();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.shared.lock().is_ok_and(|core| core.calls.scheduler.is_open())
    }

    /// Waits until all queued items are done and all workers are reaped. The pool is closed or
    /// terminated. If an `imap` is not exhausted, the pool may go on after that.
    pub(crate) fn join(&self) {
        let Ok(mut core) = self.shared.lock() else {
            return;
        };
        let departures = core.calls.departures();
        core.calls.tell(Event::Join);
        while !core.is_finished() {
            // All workers have left. Others may follow for an iterator that is still in use; this
            // does not wait for them.
            if core.calls.departures() != departures {
                return;
            }
            core.wait(&self.shared.life, None);
            if core.is_lost() {
                return;
            }
        }
        drop(core);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.join().expect("a thread that had finished has not panicked");
        }
        if let Some(relay) = &self.relay {
            relay.join();
        }
    }

    /// Whether the calling thread is within a call that still pulls input. The input itself
    /// then waits for all jobs, which would be for ever.
    pub(crate) fn waits_for_this_thread(&self) -> bool {
        let this = std::thread::current().id();
        self.shared.lock().is_ok_and(|core| core.calls.waits_for(this))
    }

    /// The process id of the latest worker of a slot.
    pub(crate) fn pid(&self, slot: Slot) -> Option<u32> {
        self.shared.lock().ok()?.pid(slot)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        let Ok(mut core) = self.shared.lock() else {
            return Vec::new();
        };
        if core.poll() {
            core.settle();
        }
        core.seen()
    }

    pub(crate) fn signal(&self, slot: Slot, signal: Signal) -> Result<(), Error> {
        let core =
            self.shared.lock().map_err(|copy| copy.error(format_args!("signal a process")))?;
        core.signal(slot, signal)
    }

    /// How the latest worker of a slot ended, once one has. The inner `None` means that other
    /// code of the program took the status.
    pub(crate) fn last_exit(&self, slot: Slot) -> Option<Option<ExitStatus>> {
        self.shared.lock().ok()?.last_exit(slot)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // After a panic of the engine its channels are closed, so its workers have ended.
        let Some(mut core) = self.shared.lock_to_drop() else {
            return;
        };
        core.terminate();
        drop(core);
        // A waker that holds the last handle of a pool drops it on the engine's thread, which
        // cannot wait for itself. It goes on and reaps the workers all the same.
        let own = std::thread::current().id();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_some_and(|thread| thread.thread().id() == own) {
            return;
        }
        drop(thread);
        self.join();
    }
}
