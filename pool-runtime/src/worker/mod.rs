//! The child: a copy of the program that serves instead of running `main`, or that forks such
//! copies of itself.

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
