//! All that generated code may touch. No part of the public surface: anything
//! here may change between two versions.

pub use crate::api::{pmap, spawn};
pub use crate::task::{
    Call, CallError, Crosses, CrossesBack, ItemWriter, Lend, Living, TASKS, TaskDef,
};
pub use crate::wire::payload::{PayloadError, Slice};
pub use linkme;
