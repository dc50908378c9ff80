//! What workers write to their standard output and error, and where it goes.

#![allow(unsafe_code)]

mod captured;
mod redirected;
mod relayed;
mod written;
