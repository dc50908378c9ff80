//! A worker serves before `main`, yet sees all that C and C++ built before it.

use std::ffi::{CString, c_char, c_int};

use pool_runtime::{Error, Pool, pool_task};

unsafe extern "C" {
    safe fn cpp_times_built() -> c_int;
    safe fn cpp_sum_of_copy() -> c_int;
    safe fn cpp_length_of_name() -> c_int;
    fn cpp_age(name: *const c_char) -> c_int;
    safe fn c_constructors_run() -> c_int;
    safe fn c_constructor_order() -> c_int;
    safe fn c_was_marked(which: c_int) -> c_int;
}

#[pool_task]
fn cpp() -> (c_int, c_int, c_int) {
    (cpp_times_built(), cpp_sum_of_copy(), cpp_length_of_name())
}

#[pool_task]
fn age(name: &str) -> c_int {
    let name = CString::new(name).unwrap();
    // SAFETY: the name is a C string that outlives the call.
    unsafe { cpp_age(name.as_ptr()) }
}

#[pool_task]
fn c() -> (c_int, c_int) {
    (c_constructors_run(), c_constructor_order())
}

/// Whether the first or the last constructor ran before the hook of the runtime.
#[pool_task]
fn before_the_hook() -> (bool, bool) {
    (c_was_marked(1) == 1, c_was_marked(3) == 1)
}

fn main() -> Result<(), Error> {
    let mut builder = Pool::builder().workers(2);
    if let Some(place) = std::env::args_os().nth(1) {
        // Of the workers, each of which waits for the other before it starts.
        builder = builder.env("CONSTRUCTORS_MEET_IN", place);
    }
    let pool = builder.build()?;
    println!("c++ here: {:?}", cpp());
    println!("c++ in a worker: {:?}", pool.apply(cpp, ())?);
    println!("ages in a worker: {:?}", pool.map(age, ["ada", "alan", "bob"])?);
    println!("c here: {:?}", c());
    println!("c in a worker: {:?}", pool.apply(c, ())?);
    println!("before the hook: {:?}", pool.apply(before_the_hook, ())?);
    Ok(())
}
