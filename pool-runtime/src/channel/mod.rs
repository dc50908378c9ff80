//! The channel between the program and one worker.
//!
//! ```text
//!   program                                       worker
//!   ParentEnd                                     WorkerEnd
//!     outbox ----- frames --->  stream socket --->  receive (blocks)
//!     inbox  <---- frames ----  stream socket <---  send (blocks)
//!     lifeline --- hang-up -->  socket pair   --->  the kernel kills the group
//! ```
//!
//! The program's end never blocks: it takes what is there and keeps what does
//! not fit, so that both directions make progress however large the messages
//! are. The worker's end may block, since the program always reads.

mod outbox;
mod parent;
mod worker;

pub(crate) use outbox::Body;
pub(crate) use parent::{Incoming, Next, ParentEnd};
pub(crate) use worker::{Accepted, Sender, WorkerEnd, accept};
