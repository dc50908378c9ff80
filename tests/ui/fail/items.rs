#![allow(unused)]

use pool_runtime::pool_task;

#[pool_task]
struct Structure;

#[pool_task]
enum Enumeration {}

#[pool_task]
impl Structure {
    fn method() {}
}

#[pool_task]
mod module {}

#[pool_task]
trait Trait {}

#[pool_task]
const CONSTANT: u8 = 1;

#[pool_task]
use std::mem;

fn main() {
    Structure::method();
}
