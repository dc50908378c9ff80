//! What every test on real processes needs: a watchdog, and the proof that
//! nothing is left behind.

#![allow(unsafe_code)]

pub mod clean;
pub mod wait;
