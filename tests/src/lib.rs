//! What every test on real processes needs: a watchdog, and the proof that
//! nothing is left behind.

#![allow(unsafe_code)]

pub mod alone;
pub mod bytes;
pub mod clean;
pub mod dispositions;
pub mod fault;
pub mod fork;
pub mod futures;
pub mod halfway;
pub mod kernel;
pub mod left;
pub mod machine;
pub mod mapping;
pub mod orders;
pub mod parent;
pub mod pools;
pub mod processes;
pub mod rng;
pub mod runs;
pub mod started;
pub mod tasks;
pub mod temp;
pub mod users;
pub mod wait;
