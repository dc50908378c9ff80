//! What only root may do, or does by giving up being root.

#![allow(unsafe_code)]

#[path = "../zygote/changes.rs"]
mod changes;
#[path = "../zygote/helpers.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of the zygote use the rest")]
mod helpers;
mod memory;
mod privileges;
