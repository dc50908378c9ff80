//! Pools whose workers die too often.

use std::time::Duration;

use pool_runtime::{ErrorKind, Pool};
use pool_tests::clean::clean;
use pool_tests::fault::Fault;
use pool_tests::pools::idle;
use pool_tests::runs;
use pool_tests::temp::TempDir;
use pool_tests::wait;

use super::{Act, act, fail, items, whoami};

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn too_many_deaths_end_the_job_with_the_last_cause_and_a_reset_lets_it_go_on() {
    let _clean = clean();
    let pool = Pool::builder().workers(2).restart_limit(4, LONG).build().unwrap();
    let results: Vec<_> =
        pool.imap_unordered(fail, [Fault::Kill; 50]).map(|(_, result)| result).collect();
    let last = results.last().unwrap().as_ref().unwrap_err();
    assert_eq!((last.kind(), last.item()), (ErrorKind::Died, None), "{last}");
    assert!(last.to_string().contains("was killed by SIGKILL"), "{last}");
    assert!((5..=9).contains(&results.len()), "{} results", results.len());
    assert!(!last.to_string().contains("before"), "it had begun an item: {last}");
    // It says so until it is told otherwise.
    for _ in 0..3 {
        let error = pool.apply(whoami, ()).unwrap_err();
        assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(9)), "{error}");
        assert_eq!(error.pid(), last.pid());
        assert!(error.to_string().contains("Pool::reset()"), "{error}");
        let cause = std::error::Error::source(&error).expect("the last death");
        assert_eq!(cause.to_string(), last.to_string());
    }
    pool.reset();
    pool.apply(whoami, ()).unwrap();
    idle(&pool, 2);
    pool.close();
    pool.join().unwrap();
}

/// Though others end after it, whose jobs have failed by it.
#[test]
fn the_cause_that_is_told_is_the_death_and_not_what_it_has_led_to() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::builder().workers(2).restart_limit(0, LONG).build().unwrap();
    let hangs = pool.apply_async(act, (at, 1, Act::Hang)).unwrap();
    wait::until("it to run", || !runs::noted(dir.path()).is_empty());
    let error = pool.apply(fail, Fault::Exit7).unwrap_err();
    assert_eq!(error.exit_code(), Some(7));
    assert_eq!(hangs.get().unwrap_err().exit_code(), Some(7));
    wait::until("the other to end", || pool.workers().is_empty());
    let error = pool.apply(whoami, ()).unwrap_err();
    assert!(error.to_string().contains("exited with code 7"), "{error}");
}

#[test]
fn deaths_within_the_limit_cost_an_item_each_and_no_more() {
    let _clean = clean();
    let pool = Pool::builder().workers(2).restart_limit(10, LONG).build().unwrap();
    assert_eq!(pool.imap(fail, [Fault::Abort; 10]).filter(Result::is_err).count(), 10);
    pool.apply(whoami, ()).unwrap();
}

#[test]
fn deaths_of_long_ago_do_not_count() {
    let _clean = clean();
    let period = Duration::from_millis(50);
    let pool = Pool::builder().workers(1).restart_limit(1, period).build().unwrap();
    for _ in 0..5 {
        assert_eq!(pool.apply(fail, Fault::Exit7).unwrap_err().exit_code(), Some(7));
        std::thread::sleep(2 * period);
    }
    pool.apply(whoami, ()).unwrap();
}

#[test]
fn what_the_pool_ends_itself_is_no_death() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::builder()
        .workers(1)
        .restart_limit(0, LONG)
        .max_tasks_per_child(1)
        .kill_grace(Duration::ZERO)
        .build()
        .unwrap();
    let job = pool.job(act).timeout(Duration::from_millis(500));
    let results: Vec<_> = job.imap(items(at, &[Act::Hang, Act::Return, Act::Hang])).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    pool.apply(whoami, ()).unwrap();
}

#[test]
fn without_a_limit_every_item_may_die() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let results = pool.job(fail).chunk_size(5).imap([Fault::Kill; 60]);
    assert_eq!(results.filter(Result::is_err).count(), 60);
}

#[test]
fn a_tripped_pool_can_be_closed_and_dropped() {
    let _clean = clean();
    for close in [true, false] {
        let pool = Pool::builder().workers(2).restart_limit(0, LONG).build().unwrap();
        pool.apply(fail, Fault::Kill).unwrap_err();
        assert!(pool.apply(whoami, ()).is_err());
        if close {
            pool.close();
            pool.join().unwrap();
        }
    }
}
