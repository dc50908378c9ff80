//! The zygote: workers are forked from it, and nobody notices.

#![allow(unsafe_code)]

mod changes;
mod ends;
mod filters;
mod helpers;
mod inside;
mod races;
mod scarce;
mod seeds;
mod slow;
mod surroundings;
mod unfit;
