//! Bytes, and nothing but bytes: messages and payloads.

pub(crate) mod exit;
pub(crate) mod message;
pub(crate) mod output;
pub(crate) mod payload;
pub(crate) mod settings;
pub(crate) mod zygote;
