//! Faults in a worker that has nothing to do.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use pool_runtime::{Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::{Fault, send};
use pool_tests::pools::{idle, pids};
use pool_tests::tasks::own_pid;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

const WORKERS: usize = 2;

/// Leaves a thread behind that commits the fault once `go` is there, and makes
/// `gone` if the thread ends by it and the process does not.
#[pool_task]
fn plant(fault: Fault, go: String, gone: String) -> u32 {
    struct Mark(String);
    impl Drop for Mark {
        fn drop(&mut self) {
            std::fs::write(&self.0, "").unwrap();
        }
    }
    std::thread::spawn(move || {
        let _mark = Mark(gone);
        while !Path::new(&go).exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = fault.commit();
    });
    std::process::id()
}

/// Waits until the pool is whole without the worker `pid`; gives the workers.
fn replaced(pool: &Pool, pid: u32) -> BTreeSet<u32> {
    wait::until("the dead worker to be replaced", || {
        let pids = pids(pool);
        pids.len() == WORKERS && !pids.contains(&pid)
    });
    idle(pool, WORKERS)
}

#[test]
fn a_worker_that_dies_idle_is_replaced_and_fails_nobody() {
    let _clean = clean();
    for fault in Fault::ANYWHERE {
        let temp = TempDir::new();
        let (go, gone) = (temp.file("go"), temp.file("gone"));
        let pool = Pool::new(WORKERS).unwrap();
        let pid = pool.apply(plant, (fault, go.clone(), gone.clone())).unwrap();
        let before = idle(&pool, WORKERS);
        assert!(before.contains(&pid));
        std::fs::write(go, "").unwrap();

        if fault == Fault::Panic {
            // A panic ends its thread alone, as in any program.
            wait::until("the thread to end", || Path::new(&gone).exists());
            assert_eq!(idle(&pool, WORKERS), before);
        } else {
            let after = replaced(&pool, pid);
            assert_eq!(before.intersection(&after).count(), WORKERS - 1, "{fault:?}");
            assert!(!Path::new(&gone).exists());
        }
        let now = pids(&pool);
        let answered = pool.map(own_pid, [(); 20]).unwrap();
        assert!(answered.iter().all(|pid| now.contains(pid)), "{fault:?}");
    }
}

#[test]
fn a_worker_that_is_killed_idle_from_outside_is_replaced_and_fails_nobody() {
    let _clean = clean();
    let pool = Pool::new(WORKERS).unwrap();
    for signal in [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::SEGV] {
        for worker in pool.workers() {
            send(worker.pid, signal);
            let after = replaced(&pool, worker.pid);
            assert_eq!(after.len(), WORKERS, "{signal:?}");
        }
        assert_eq!(pool.map(own_pid, [(); 20]).unwrap().len(), 20, "{signal:?}");
    }
}

#[test]
fn calls_that_meet_a_dying_idle_worker_do_not_fail() {
    let _clean = clean();
    let pool = Pool::new(WORKERS).unwrap();
    for _ in 0..50 {
        // All at once, so that the call finds a worker that is not known to be
        // dead yet, is dying, is gone, or is being replaced.
        for worker in pool.workers() {
            let pid = Pid::from_raw(worker.pid.cast_signed()).unwrap();
            // One of the last round's may have been reaped since it was listed.
            assert!(matches!(kill_process(pid, Signal::KILL), Ok(()) | Err(Errno::SRCH)));
        }
        pool.apply(own_pid, ()).unwrap();
    }
    assert_eq!(pool.map(own_pid, [(); 20]).unwrap().len(), 20);
}

#[test]
fn a_call_does_not_pay_for_idle_deaths_before_it() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    for _ in 0..20 {
        for _ in 0..2 {
            let [pid] = Vec::from_iter(idle(&pool, 1))[..] else { unreachable!("one worker") };
            send(pid, Signal::KILL);
            wait::until("the worker to be replaced", || {
                !pids(&pool).is_empty() && !pids(&pool).contains(&pid)
            });
        }
        send(*idle(&pool, 1).first().unwrap(), Signal::KILL);
        pool.apply(own_pid, ()).unwrap();
    }
}

#[test]
fn a_signal_that_does_not_kill_costs_nothing() {
    let _clean = clean();
    let pool = Pool::new(WORKERS).unwrap();
    let before = idle(&pool, WORKERS);
    for &pid in &before {
        for signal in [Signal::PIPE, Signal::CHILD, Signal::WINCH, Signal::STOP, Signal::CONT] {
            send(pid, signal);
        }
    }
    assert_eq!(pool.map(own_pid, [(); 20]).unwrap().len(), 20);
    assert_eq!(idle(&pool, WORKERS), before);
}
