//! The one room for system calls, and for what else is `unsafe`. It does what it
//! is told and decides nothing.

pub(crate) mod arena;
mod buddies;
pub(crate) mod buffer;
#[cfg(feature = "sandbox")]
pub(crate) mod calls;
pub(crate) mod cast;
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod dying;
pub(crate) mod fds;
mod filters;
pub(crate) mod fork;
pub(crate) mod fork_mark;
pub(crate) mod futex;
pub(crate) mod headroom;
pub(crate) mod image;
pub(crate) mod init_array;
pub(crate) mod lifeline;
pub(crate) mod linked;
mod memfd;
pub(crate) mod memory;
pub(crate) mod orphans;
pub(crate) mod page;
mod pidfd;
pub(crate) mod poller;
pub(crate) mod random;
pub(crate) mod shm;
pub(crate) mod signals;
pub(crate) mod spawn;
mod stack;
pub(crate) mod stdio;
pub(crate) mod surroundings;
pub(crate) mod thread_number;
pub(crate) mod threads;
