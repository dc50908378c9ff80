//! The channel between the program and one worker.
//!
//! ```text
//!   program                                            worker
//!   ParentEnd                                          WorkerEnd, Sender
//!     outbox --- chunks, recalls ---> requests --------> receive (may sleep)
//!     inbox  <-- outcomes ----------- responses <------- send (may sleep)
//!     wakes the worker by ----------- futex -----------> its sleep
//!     a caller's sleep <------------- futex ------------ wakes the caller by
//!     poller <-- a byte ------------- bell (socket) <--- when it must ring
//!     lifeline ---------------------- hang-up ---------> the kernel kills the group
//! ```
//!
//! Both rings and the few words beside them are one piece of shared memory (see
//! `memory`, and `ring` for why it works). The program's end never blocks: it
//! takes what is there and keeps what does not fit, so that both directions make
//! progress however large the messages are. The worker's end may sleep, since
//! the program always reads.
//!
//! What is long need not go through a ring at all: see `lent`.
//!
//! The bell is a socket and not an event counter, because a socket also tells
//! the program that the other end was closed, and because a byte sent to a
//! descriptor that a task has meanwhile given to a file is an error and not
//! eight bytes in that file.

mod assembled;
mod begun;
mod bytes;
mod claims;
mod direct_waiter;
mod frames;
mod lent;
mod memory;
mod parent;
mod ring;
mod sender;
mod worker;

pub(crate) use direct_waiter::DirectWaiter;
pub(crate) use frames::{Bodies, Frames, Next};
pub(crate) use lent::ItemBytes;
pub(crate) use parent::{Body, Claimed, Heard, ParentEnd};
pub(crate) use ring::{Corrupt, WakePolicy};
pub(crate) use sender::Sender;
pub(crate) use worker::{Accepted, Gone, Lull, Received, WorkerEnd, accept};
