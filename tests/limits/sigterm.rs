//! Workers that leave SIGTERM to the program.

use std::process::{Child, Command};
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, PoolBuilder, Process, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::send;
use pool_tests::pools::{idle, pids};
use pool_tests::temp::TempDir;
use pool_tests::wait;
use rustix::process::Signal;

use crate::both_ways;
use pool_tests::tasks::own_pid;

fn exists(file: &str) -> bool {
    std::path::Path::new(file).exists()
}

/// Says that it runs, and waits until `go` is there.
#[pool_task]
fn wait_for(running: String, go: String) -> u32 {
    std::fs::write(running, "").unwrap();
    wait::until("the word to go on", || exists(&go));
    std::process::id()
}

#[pool_task]
fn sleep(running: String) {
    std::fs::write(running, "").unwrap();
    std::thread::sleep(Duration::MAX);
}

/// Whether a program that a task starts ends by SIGTERM.
#[pool_task]
fn child_ends() -> bool {
    use std::os::unix::process::ExitStatusExt;
    let mut child: Child = Command::new("sleep").arg("1000000").spawn().unwrap();
    send(child.id(), Signal::TERM);
    child.wait().unwrap().signal() == Some(libc::SIGTERM)
}

/// Ends with 7 when it is asked to end.
#[pool_task]
fn handles_it(running: String) {
    extern "C" fn leave(_: i32) {
        // SAFETY: it is safe in a handler.
        unsafe { libc::_exit(7) }
    }
    // SAFETY: the handler does what a handler may.
    unsafe { libc::signal(libc::SIGTERM, leave as *const () as usize) };
    std::fs::write(running, "").unwrap();
    std::thread::sleep(Duration::MAX);
}

fn ignoring(workers: usize) -> [PoolBuilder; 2] {
    both_ways(workers).map(|builder| builder.ignore_sigterm(true))
}

#[test]
fn what_runs_is_finished_and_those_who_wait_go_on() {
    let _clean = clean();
    for builder in ignoring(3) {
        let temp = TempDir::new();
        let go = temp.file("go");
        let pool = builder.build().unwrap();
        let before = idle(&pool, 3);
        let running: Vec<_> = (0..2).map(|n| temp.file(&format!("running{n}"))).collect();
        let calls: Vec<_> = running
            .iter()
            .map(|file| pool.apply_async(wait_for, (file.clone(), go.clone())))
            .map(Result::unwrap)
            .collect();
        wait::until("both to run", || running.iter().all(|file| exists(file)));
        // The third has nothing to do.
        for _ in 0..20 {
            before.iter().for_each(|&pid| send(pid, Signal::TERM));
        }
        std::fs::write(&go, "").unwrap();
        for call in calls {
            assert!(before.contains(&call.get().unwrap()));
        }
        assert_eq!(pool.map(own_pid, [(); 20]).unwrap().len(), 20);
        assert_eq!(pids(&pool), before, "nobody was replaced");
        assert!(pool.apply(child_ends, ()).unwrap());
        pool.close();
        pool.join().unwrap();
    }
}

#[test]
fn the_pool_ends_such_workers_without_waiting_for_the_grace() {
    let _clean = clean();
    // With a grace that no test outlives, SIGTERM alone has to do.
    let grace = Duration::from_secs(100_000);
    for builder in ignoring(1) {
        let temp = TempDir::new();
        let pool = builder.kill_grace(grace).build().unwrap();
        let limit = Duration::from_millis(300);
        for handles in [false, true] {
            let before = pids(&pool);
            let running = temp.file("running");
            let ended = match handles {
                false => pool.job(sleep).timeout(limit).apply(running),
                true => pool.job(handles_it).timeout(limit).apply(running),
            };
            let error = ended.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            wait::until("the worker to be replaced", || {
                pids(&pool).len() == 1 && pids(&pool).is_disjoint(&before)
            });
        }
    }
}

#[test]
fn a_process_leaves_it_to_the_program_too_and_ends_when_the_program_asks() {
    let _clean = clean();
    let temp = TempDir::new();
    let (running, go) = (temp.file("running"), temp.file("go"));
    let builder = || Process::builder().ignore_sigterm(true);
    let mut process = builder().spawn(wait_for, (running.clone(), go.clone())).unwrap();
    wait::until("it to run", || exists(&running));
    let pid = process.pid();
    // Delivered before it does anything else, and so before it sees the word to go on.
    send(pid, Signal::TERM);
    std::fs::write(&go, "").unwrap();
    assert_eq!(process.join().unwrap(), pid);

    let running = temp.file("running2");
    let mut process = builder().spawn(sleep, running.clone()).unwrap();
    wait::until("it to run", || exists(&running));
    process.terminate().unwrap();
    assert_eq!(process.join().unwrap_err().signal(), Some(libc::SIGTERM));
}

#[test]
fn without_the_setting_it_ends_a_worker() {
    let _clean = clean();
    let temp = TempDir::new();
    let pool = Pool::new(1).unwrap();
    let running = temp.file("running");
    let call = pool.apply_async(sleep, running.clone()).unwrap();
    wait::until("it to run", || exists(&running));
    send(*pids(&pool).first().unwrap(), Signal::TERM);
    assert_eq!(call.get().unwrap_err().signal(), Some(libc::SIGTERM));
}
