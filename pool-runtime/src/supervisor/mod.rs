//! The workers of a pool as processes: how they are started, what limits them, what they
//! print, and how their end is put into words.
//!
//! It knows of no job and no call. What a worker runs next is the scheduler's to decide,
//! and the engine's to carry out.

mod environment;
mod executable;
mod groups;
mod launch;
mod lending;
mod nesting;
mod obituary;
mod output;
mod reaper;
mod refusal;
mod scarcity;
mod settings;
mod start;
mod zygote;

pub(crate) use groups::Group;
pub(crate) use launch::{Launch, Started, Stdio, Wishes};
pub(crate) use obituary::{Doom, Obituary};
pub use output::Output;
pub(crate) use output::{Listening, Relay, STREAMS, Stream, Taken, Tap};
pub(crate) use reaper::Reaper;
pub(crate) use scarcity::{is_scarce, scarcity};
pub use start::{NotForked, Start};
pub use zygote::shutdown;
