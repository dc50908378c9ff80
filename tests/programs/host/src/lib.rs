//! A library for programs in other languages, which maps in processes.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;

use pool_runtime::{Error, Pool, pool_task};

#[pool_task]
fn square(n: i64) -> i64 {
    n * n
}

fn try_sum(worker_program: Option<&OsStr>, n: i64) -> Result<i64, Error> {
    let mut pool = Pool::builder().workers(2);
    if let Some(program) = worker_program {
        pool = pool.worker_program(program);
    }
    let pool = pool.build()?;
    Ok(pool.map(square, 0..n)?.iter().sum())
}

/// The sum of the squares below `n`, or -1.
///
/// # Safety
///
/// `worker_program` is a C string, the path of the program `worker`; or null, for workers that
/// are this program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn host_sum_of_squares(worker_program: *const c_char, n: i64) -> i64 {
    let path = (!worker_program.is_null()).then(|| {
        // SAFETY: as the caller promises.
        unsafe { CStr::from_ptr(worker_program) }
    });
    try_sum(path.map(|path| OsStr::from_bytes(path.to_bytes())), n).unwrap_or_else(|error| {
        eprintln!("{error}");
        -1
    })
}
