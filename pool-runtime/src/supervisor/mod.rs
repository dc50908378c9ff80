//! The workers of a pool as processes: how they are started, what limits them, what they
//! print, and how their end is put into words.
//!
//! It knows of no job and no call. What a worker runs next is the scheduler's to decide,
//! and the engine's to carry out.

mod executable;
mod exhaustion;
mod exit_report;
mod fleet;
mod groups;
mod launch;
mod nesting;
mod options;
mod output;
mod process;
mod reaper;
mod refusal;
mod start;
mod zygote;

pub(crate) use exhaustion::{describe_exhaustion, is_from_exhaustion};
pub(crate) use exit_report::{ExitReport, KillCause};
pub(crate) use fleet::{Failed, Fleet, Gone, Listener, Outside, TURNS, Token, to_panic};
pub(crate) use launch::Launch;
pub(crate) use options::{LaunchOptions, Stdio};
pub use output::Output;
pub(crate) use output::{Relay, Stream};
pub(crate) use process::{At, Replaced, WorkerProcess};
pub use start::{NotForked, Start};
pub use zygote::shutdown;
