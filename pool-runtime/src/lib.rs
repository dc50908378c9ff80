#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("pool-runtime runs on Linux, on x86_64 and aarch64");

// The attribute writes code against `__private`, which changes with each version. The manifest
// asks for the same version; a `[patch]` or a vendored copy can give another one.
const _: () = assert!(
    matches!(pool_macros::__version!().as_bytes(), OWN_VERSION),
    "pool-macros and pool-runtime must be of the same version: update both, or remove the \
     `[patch]` that replaces one of them"
);
const OWN_VERSION: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();

pub mod guide;

mod api;
mod error;
mod ids;
mod limits;

mod scheduler;
mod wire;

#[allow(unsafe_code)]
mod sys;

mod channel;
mod task;

mod engine;
mod supervisor;
mod worker;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "sandbox")]
pub use api::Sandbox;
pub use api::{
    AsyncResult, CancelToken, Imap, ImapUnordered, Job, NotForked, Output, Pool, PoolBuilder,
    Process, ProcessBuilder, Replacement, Start, Stdio, WorkerInfo, WorkerState, Workers, shutdown,
};
pub use error::{Error, ErrorKind};
pub use pool_macros::pool_task;
pub use task::{Crosses, CrossesBack, Lend, Returns, Task, TaskInput};
pub use wire::settings::Resource;
pub use worker::init;
