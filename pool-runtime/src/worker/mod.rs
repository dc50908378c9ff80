//! The child: a re-executed copy of the program that serves instead of running
//! `main`, or forks copies of itself that do.

mod aside;
mod boot;
mod guard;
mod lifespan;
mod output;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod settings;
mod zygote;

pub use boot::init;
pub(crate) use boot::{MARK, depth, hook_missed, is_booting};
