//! Its workers run another program, given as the argument.

use my_tasks::{negate, whereabouts};
use pool_runtime::Pool;

fn main() {
    let program = std::env::args().nth(1).expect("the path of a worker program");
    let pool = match Pool::builder().workers(2).worker_program(&program).build() {
        Ok(pool) => pool,
        Err(error) => return println!("no pool: {:?}: {error}", error.kind()),
    };
    match pool.map(negate, [1, 2, 3]) {
        Ok(negated) => println!("{negated:?}"),
        Err(error) => println!("no result: {error}"),
    }
    if let Ok((pid, path)) = pool.apply(whereabouts, ()) {
        println!("elsewhere: {}", pid != std::process::id());
        println!("in {path}");
    }
}
