//! The child: a re-executed copy of the program that serves instead of running
//! `main`.

mod boot;
mod guard;
mod serve;

pub use boot::init;
pub(crate) use boot::{MARK, depth, hook_missed};
