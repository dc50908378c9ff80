#![allow(unused)]

use pool_runtime::pool_task;

#[pool_task(nmae = "a")]
fn unknown() {}

#[pool_task(name)]
fn no_value() {}

#[pool_task("a")]
fn no_key() {}

#[pool_task(name = 3)]
fn no_string() {}

#[pool_task(name = NAME)]
fn no_literal() {}

#[pool_task(name = "")]
fn empty() {}

#[pool_task(name = "a", name = "b")]
fn twice() {}

#[pool_task(crate = "my::rt")]
fn string_path() {}

#[pool_task(crate)]
fn no_path() {}

#[pool_task(name = " ", crate = "x", crate = y)]
fn several() {}

#[pool_task(name = "a" crate = y)]
fn no_comma() {}

fn main() {}
