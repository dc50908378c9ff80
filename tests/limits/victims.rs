//! Whom the kernel kills when the machine has no memory left.

use pool_runtime::{ErrorKind, Pool, Process, pool_task};
use pool_tests::alone::alone;
use pool_tests::users::become_nobody;

use crate::both_ways;

#[pool_task]
fn score() -> i32 {
    std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse().unwrap()
}

/// That of a worker of a worker's own pool.
#[pool_task]
fn nested_score() -> i32 {
    Pool::new(1).unwrap().apply(score, ()).unwrap()
}

#[test]
fn it_is_a_worker_rather_than_the_program() {
    alone("victims::it_is_a_worker_rather_than_the_program", || {
        // Raising it takes no right.
        let first = score();
        for own in [first, first.max(500), 950] {
            std::fs::write("/proc/self/oom_score_adj", own.to_string()).unwrap();
            for builder in both_ways(1) {
                let pool = builder.build().unwrap();
                for _ in 0..2 {
                    assert_eq!(pool.apply(score, ()).unwrap(), (own + 100).min(1000));
                }
                assert_eq!(pool.apply(nested_score, ()).unwrap(), (own + 200).min(1000));
            }
            for (added, has) in [(0, own), (17, own + 17), (i32::MAX, 1000)] {
                for builder in both_ways(1) {
                    let pool = builder.oom_score_adj(added).build().unwrap();
                    assert_eq!(pool.apply(score, ()).unwrap(), has);
                }
            }
            let mut process = Process::builder().oom_score_adj(3).spawn(score, ()).unwrap();
            assert_eq!(process.join().unwrap(), own + 3);
            assert_eq!(score(), own, "the program stays as it is");
        }
    });
}

#[test]
fn what_cannot_be_had_is_an_error_if_it_was_asked_for() {
    alone("victims::what_cannot_be_had_is_an_error_if_it_was_asked_for", || {
        // Only the privileged may lower it.
        let _ = become_nobody();
        for builder in both_ways(1) {
            let error = builder.oom_score_adj(-50).build().map(|_| ()).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(70)), "{error}");
            let text = error.to_string();
            assert!(text.contains("could not add -50 to its oom_score_adj: "), "{text}");
        }
        for builder in both_ways(1) {
            assert_eq!(builder.build().unwrap().apply(score, ()).unwrap(), score() + 100);
        }
    });
}
