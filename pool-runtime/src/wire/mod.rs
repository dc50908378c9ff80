//! Bytes, and nothing but bytes: frames, messages, payloads.

pub(crate) mod frame;
pub(crate) mod message;
pub(crate) mod payload;
pub(crate) mod zygote;
