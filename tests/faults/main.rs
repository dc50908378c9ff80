//! What tasks, values and callers can do to a pool short of plain crashes, which
//! are in `crash_matrix`.

#![allow(unsafe_code)]

mod callers;
mod damage;
mod meddling;
mod messages;
mod offspring;
mod overflows;
mod panics;
mod scribbles;
