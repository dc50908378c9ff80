//! What users call.

mod async_result;
mod builder;
mod call;
mod crossing;
mod feed;
mod held_back;
mod imap;
mod in_order;
mod pool;
mod process;
#[cfg(feature = "sandbox")]
mod sandbox;

pub use crate::engine::CancelToken;
pub use crate::supervisor::{NotForked, Output, Start, shutdown};
pub use async_result::AsyncResult;
pub use builder::PoolBuilder;
pub use call::Job;
pub use imap::{Imap, ImapUnordered};
pub use pool::{Pool, Replacement, WorkerInfo, WorkerState, Workers, pmap};
pub use process::{Process, ProcessBuilder, Stdio, spawn};
#[cfg(feature = "sandbox")]
pub use sandbox::Sandbox;
