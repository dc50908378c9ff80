//! Programs whose memory is not to leave the machine's.

use pool_runtime::{Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::mapping::{Lies, lent_memory, lies};

#[pool_task]
fn see(data: &[u8]) -> Lies {
    lies(data)
}

/// A program that locks all of its memory has no more of it for that.
#[test]
fn a_program_that_locks_its_memory_does_not_have_all_of_it_from_the_start() {
    alone("memory::a_program_that_locks_its_memory_does_not_have_all_of_it_from_the_start", || {
        // SAFETY: an integer only.
        assert_eq!(unsafe { libc::mlockall(libc::MCL_FUTURE) }, 0, "no right to lock memory");
        let pool = Pool::new(1).unwrap();
        let items = (0..40).map(|_| vec![1; 1 << 20]);
        assert_eq!(pool.map(see, items).unwrap(), [Lies::InTheArena; 40]);
        assert!(lent_memory() <= 18 << 20, "{} bytes", lent_memory());
    });
}
