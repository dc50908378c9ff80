//! A kernel, or a filter of system calls, that does not know how to sleep on
//! several words: callers sleep in another way.

use std::time::Duration;

use pool_runtime::{Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::kernel::refuse;

#[pool_task]
fn nap_and_double(n: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(20));
    n * 2
}

#[test]
fn maps_end_where_the_kernel_cannot_sleep_on_several_workers() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            refuse(libc::SYS_futex_waitv, libc::ENOSYS);
            let doubled = pool.map(nap_and_double, 0..10).unwrap();
            let lazily: Result<Vec<u64>, _> = pool.imap(nap_and_double, 0..10).collect();
            (doubled, lazily.unwrap(), pool.apply(nap_and_double, 10).unwrap())
        });
        let expected: Vec<u64> = (0..10).map(|n| n * 2).collect();
        assert_eq!(caller.join().unwrap(), (expected.clone(), expected, 20));
    });
}
