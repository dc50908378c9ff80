#![allow(unused)]

use std::ffi::{CStr, OsStr};

use pool_runtime::pool_task;

#[pool_task]
fn mutable(values: &mut Vec<u8>) {}

#[pool_task]
fn mutable_inside(values: Option<&mut u8>) {}

#[pool_task]
fn static_text(text: &'static str) {}

#[pool_task]
fn static_inside(texts: Vec<&'static str>) {}

#[pool_task]
fn implementation(items: impl Iterator<Item = u8>) {}

#[pool_task]
fn object(value: &dyn Send) {}

#[pool_task]
fn boxed(function: Box<dyn Fn(u8) -> u8>) {}

#[pool_task]
fn pointer(value: *const u8) {}

#[pool_task]
fn function(function: fn(u8) -> u8) {}

#[pool_task]
fn os_text(text: &OsStr, other: Option<&CStr>) {}

#[pool_task]
fn conditional(#[cfg(unix)] n: u8) {}

#[pool_task]
fn attributed(#[shared] n: u8) {}

fn main() {}
