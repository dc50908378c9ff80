//! Every way to go wrong at every place of a worker's life: each is its own
//! error, costs what it must and no more, and leaves a pool that works.

#![allow(unsafe_code)]

mod boot;
mod idle;
mod items;
mod replacements;
