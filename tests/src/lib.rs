//! What every test on real processes needs: a watchdog, and the proof that
//! nothing is left behind.

#![allow(unsafe_code)]

pub mod alone;
pub mod bytes;
pub mod clean;
pub mod executor;
pub mod fault;
pub mod kernel;
pub mod left;
pub mod mapping;
pub mod pools;
pub mod rng;
pub mod runs;
pub mod temp;
pub mod wait;
