#![allow(unused)]

use std::borrow::Cow;

use pool_runtime::pool_task;

#[pool_task]
fn text(text: &str) -> &str {
    text
}

#[pool_task]
fn static_text() -> &'static str {
    ""
}

#[pool_task]
fn inside<'a>(text: &'a str) -> Vec<Cow<'a, str>> {
    vec![text.into()]
}

#[pool_task]
fn implementation() -> impl Iterator<Item = u8> {
    0..3
}

#[pool_task]
fn object() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

#[pool_task]
fn pointer() -> *const u8 {
    std::ptr::null()
}

#[pool_task]
fn function() -> fn() {
    || {}
}

fn main() {}
