//! Tasks that have written over the memory that they share with the program: a limit
//! of time ends what nothing else would.

use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::mapping::{STRIDE, WORD_COUNT, overwrite, word};

use super::{hang, whoami};

/// Changes a control word and then hangs, or returns.
#[pool_task]
fn scribble(number: usize, value: u64, hangs: bool) {
    // Added: so that some values are nearly right.
    overwrite(number * STRIDE, &word(number).wrapping_add(value).to_ne_bytes());
    if hangs {
        hang();
    }
}

#[test]
fn whatever_a_worker_has_made_of_its_memory_its_items_end_in_time() {
    let _clean = clean();
    let limit = Duration::from_millis(80);
    for number in 0..WORD_COUNT {
        for value in [1, 2, 1 << 40, u64::MAX / 2] {
            for hangs in [true, false] {
                let grace = Duration::ZERO;
                let pool = Pool::builder().workers(1).kill_grace(grace).build().unwrap();
                let scribbled = pool.job(scribble).timeout(limit).apply((number, value, hangs));
                // What it was told may be lost with the memory, but not when it hangs.
                if let Err(error) = &scribbled {
                    assert!(
                        matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Died),
                        "word {number} + {value}: {error}"
                    );
                }
                assert!(!hangs || scribbled.is_err(), "word {number} + {value}");
                // It may be dying, or silent from here on: the next call is limited too, and
                // tried again where a slow machine takes that long.
                let next = pool.job(whoami).timeout(limit).retries(9).apply(());
                assert!(next.is_ok(), "word {number} + {value}, {hangs}: {next:?}");
            }
        }
    }
}
