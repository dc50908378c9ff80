//! A lifetime that is left out where it cannot be: one error on each type.

use std::borrow::Cow;

use pool_runtime::pool_task;

#[derive(serde::Serialize, serde::Deserialize)]
struct View<'a> {
    text: &'a str,
}

#[pool_task]
fn lent(one: &View) -> usize {
    one.text.len()
}

#[pool_task]
fn text(one: &str) -> Cow<str> {
    one.into()
}

#[pool_task]
fn view(one: &str) -> View {
    View { text: one }
}

fn main() {}
