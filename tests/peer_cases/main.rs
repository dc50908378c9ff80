//! What the test suites of other process pools hold those to, in this library's
//! terms: CPython's multiprocessing and concurrent.futures, loky, pebble, mpire,
//! joblib, mpi4py.futures, Julia's Distributed, mirai, workerpool, piscina, tinypool,
//! Ruby's parallel, Elixir's Task.
//!
//! A test for each of a hundred behaviours, by number; where one does not apply, a
//! line in its place says why. The tests beside this folder go deeper.

#![allow(unsafe_code)]

mod cancelling;
mod deaths;
mod errors;
mod extras;
mod life;
mod limits;
mod maps;
mod order;
mod process;
mod starts;
mod submitting;
mod tasks;
mod transport;
