#![allow(unused)]

use pool_runtime::pool_task;

#[pool_task]
async fn asynchronous() {}

#[pool_task]
unsafe fn unsound() {}

#[pool_task]
const fn constant() -> u8 {
    1
}

#[pool_task]
extern "C" fn foreign() {}

// Not stable, so there is an error of the compiler's too.
#[pool_task]
unsafe extern "C" fn variadic(n: u8, _: ...) {}

#[pool_task]
fn of_types<T>(value: Vec<u8>) {}

#[pool_task]
fn of_constants<const N: usize>(values: [u8; N]) {}

#[pool_task]
fn of_bounds<'a, 'b: 'a>(a: &'a str, b: &'b str) {}

#[pool_task]
fn of_conditions(n: u8)
where
    u8: Copy,
{
}

#[pool_task]
fn all_at_once<T>(self_: &mut T, item: impl Fn()) -> impl Fn() {
    item
}

#[pool_task]
#[rustfmt::skip]
fn many(
    a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8,
    i: u8, j: u8, k: u8, l: u8, m: u8, n: u8, o: u8, p: u8,
    q: u8,
) {}

#[pool_task]
#[target_feature(enable = "sse2")]
fn featured() {}

#[pool_task]
#[pool_task]
fn twice() {}

struct Structure;

impl Structure {
    #[pool_task]
    fn by_reference(&self) {}

    #[pool_task]
    fn by_value(self: Box<Self>, other: Self) {}
}

fn main() {
    // A refused function is still there: no error about these.
    let _ = constant();
    foreign();
    Structure.by_reference();
}
