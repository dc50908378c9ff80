//! Hands on a task of another library.

pub use deep::tripler;
