//! A worker program: it has the tasks and does nothing with them.

use my_tasks as _;

fn main() {
    println!("main of the worker program");
}
