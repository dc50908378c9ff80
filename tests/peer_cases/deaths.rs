//! Death of a worker.

use std::collections::BTreeSet;
use std::time::Duration;

use pool_runtime::{ErrorKind, Pool, pool_task, shutdown};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::{Fault, send};
use pool_tests::orders::{Answer, Order, Phase};
use pool_tests::pools::{self, idle, pids};
use pool_tests::processes::{children_of, zygote};
use pool_tests::temp::TempDir;
use pool_tests::{halfway, runs, wait};
use rustix::process::Signal;

use crate::tasks::{exit_with, note_and_wait, own_pid, square};

/// More than fits between the program and a worker.
const LARGE: usize = 24 << 20;

#[pool_task]
fn obey(order: Order) -> Answer {
    order.answer()
}

#[pool_task]
fn raise(signal: i32) {
    // SAFETY: it takes a number.
    unsafe { libc::raise(signal) };
    unreachable!("the signal ends a process");
}

#[pool_task]
fn die_while_sending(dies: bool) -> Vec<u8> {
    if dies {
        halfway::die_while_sending();
    }
    vec![1; LARGE]
}

#[pool_task]
fn die_while_receiving(bytes: Vec<u8>) -> usize {
    if bytes.is_empty() {
        halfway::die_while_receiving();
    }
    bytes.len()
}

#[test]
fn r041_a_killed_worker_is_a_defined_error_and_later_submissions_work() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let error = pool.apply(raise, libc::SIGKILL).unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGKILL)), "{error}");
    assert_eq!(pool.apply(square, 3).unwrap(), 9);
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
}

#[test]
fn r042_the_exit_code_stands_in_the_message() {
    let _clean = clean();
    let error = Pool::new(1).unwrap().apply(exit_with, 99).unwrap_err();
    assert!(error.to_string().contains("exited with code 99"), "{error}");
}

#[test]
fn r043_a_signal_and_an_exit_are_named() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let error = pool.apply(raise, libc::SIGTERM).unwrap_err();
    assert!(error.to_string().contains("was killed by SIGTERM"), "{error}");
    assert!(error.to_string().contains("see `ignore_sigterm`"), "{error}");
    let error = pool.apply(exit_with, 42).unwrap_err();
    assert!(error.to_string().contains("exited with code 42"), "{error}");
}

#[test]
fn r044_an_idle_worker_that_is_killed_is_replaced_and_fails_nobody() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = idle(&pool, 2);
    send(*before.first().unwrap(), Signal::KILL);
    assert_eq!(pool.map(square, 0..20).unwrap().len(), 20);
    wait::until("the replacement", || pids(&pool) != before && pids(&pool).len() == 2);
    let after = idle(&pool, 2);
    assert_eq!(before.intersection(&after).count(), 1, "{before:?}, then {after:?}");
}

#[test]
fn r045_the_error_has_exit_code_and_pid_and_others_are_unaffected() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = idle(&pool, 2);
    let orders = (0..10).map(|number| {
        let trouble = (number == 4).then_some((Phase::Body, Fault::Exit7));
        Order { number, trouble }
    });
    let mut failed = Vec::new();
    for (number, result) in (0..).zip(pool.job(obey).chunk_size(2).imap(orders)) {
        match result {
            Ok(answer) => assert_eq!(answer.squared, number * number),
            Err(error) => failed.push((number, error.exit_code(), error.pid().unwrap())),
        }
    }
    let [(4, Some(7), pid)] = failed[..] else { panic!("{failed:?}") };
    assert!(before.contains(&pid));
    let after = idle(&pool, 2);
    assert!(!after.contains(&pid) && before.intersection(&after).count() == 1);
}

#[test]
fn r046_a_death_halfway_through_a_message_costs_one_item_in_either_direction() {
    alone(
        "deaths::r046_a_death_halfway_through_a_message_costs_one_item_in_either_direction",
        || {
            let pool = pools::that_sends(Pool::builder().workers(1));
            let sent = pool.job(die_while_sending).chunk_size(1).imap([false, true, false]);
            let sent: Vec<_> = sent.map(|result| result.map(|bytes| bytes.len())).collect();
            let items = [vec![], vec![2; LARGE], vec![3; LARGE]];
            let received = pool.job(die_while_receiving).chunk_size(1).imap(items);
            for (results, dies) in [(sent, 1), (received.collect(), 0)] {
                assert_eq!(results.len(), 3);
                for (item, result) in results.into_iter().enumerate() {
                    match result {
                        Ok(length) => assert_eq!((length, item == dies), (LARGE, false)),
                        Err(error) => {
                            assert_eq!((error.kind(), item), (ErrorKind::Died, dies), "{error}");
                        }
                    }
                }
            }
        },
    );
}

#[test]
fn r048_of_a_hundred_calls_one_worker_that_is_killed_fails_exactly_one() {
    let _clean = clean();
    let pool = Pool::new(3).unwrap();
    let dir = TempDir::new();
    let never = dir.file("never");
    let notes = TempDir::new();
    let calls: Vec<_> = (0..100)
        .map(|item| {
            let file = if item == 50 { &*never } else { "/" };
            pool.apply_async(note_and_wait, (notes.path(), item, file)).unwrap()
        })
        .collect();
    wait::until("the one to run", || runs::noted(notes.path()).contains_key(&50));
    wait::until("its note", || !runs::noted(notes.path())[&50].is_empty());
    send(runs::noted(notes.path())[&50][0], Signal::KILL);
    let failed: Vec<usize> = calls
        .into_iter()
        .enumerate()
        .filter_map(|(which, call)| call.get().is_err().then_some(which))
        .collect();
    assert_eq!(failed, [50]);
}

#[test]
fn r049_the_error_names_code_signal_and_task_and_a_new_worker_serves_the_next() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let exited = pool.apply(exit_with, 3).unwrap_err();
    let killed = pool.apply(raise, libc::SIGSEGV).unwrap_err();
    assert_eq!((exited.exit_code(), exited.signal()), (Some(3), None));
    assert_eq!((killed.exit_code(), killed.signal()), (None, Some(libc::SIGSEGV)));
    assert!(exited.to_string().contains("while running peer_cases::tasks::exit_with"), "{exited}");
    assert!(killed.to_string().contains("while running peer_cases::deaths::raise"), "{killed}");
    let next = pool.apply(own_pid, ()).unwrap();
    let all = BTreeSet::from([exited.pid().unwrap(), killed.pid().unwrap(), next]);
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn r050_a_death_before_the_request_is_read_costs_nothing_and_before_the_answer_its_item() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let [pid] = Vec::from_iter(idle(&pool, 1))[..] else { unreachable!("one worker") };
    // It reads nothing any more.
    send(pid, Signal::STOP);
    wait::until("it to be stopped", || wait::is_stopped(pid));
    let call = pool.apply_async(own_pid, ()).unwrap();
    send(pid, Signal::KILL);
    assert_ne!(call.get().unwrap(), pid);

    let order = Order { number: 1, trouble: Some((Phase::Encode, Fault::Kill)) };
    let error = pool.apply(obey, order).unwrap_err();
    let pid = error.pid().unwrap();
    let says = format!(
        "worker 0 (pid {pid}) was killed by SIGKILL while running peer_cases::deaths::obey \
         (likely cause: "
    );
    assert!(error.to_string().starts_with(&says), "{error}");
}

#[test]
fn r051_the_helper_that_forks_workers_dies_and_is_replaced() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let dir = TempDir::new();
    let go = dir.file("go");
    let notes = TempDir::new();
    let running = pool.apply_async(note_and_wait, (notes.path(), 5, &*go)).unwrap();
    wait::until("the call to run", || runs::noted(notes.path()).contains_key(&5));
    let helper = zygote();
    send(helper, Signal::KILL);
    wait::until("it to be reaped", || !children_of(std::process::id()).contains(&helper));

    assert_eq!(pool.apply(exit_with, 1).unwrap_err().exit_code(), Some(1));
    assert_eq!(pool.apply(square, 4).unwrap(), 16);
    assert_eq!(Pool::new(2).unwrap().map(square, 0..3).unwrap(), [0, 1, 4]);
    assert_ne!(zygote(), helper);
    assert!(!running.ready());
    std::fs::write(go, "").unwrap();
    assert_eq!(running.get().unwrap(), 5);
    shutdown();
    assert_eq!(children_of(std::process::id()), pids(&pool));
}

#[test]
fn r052_a_worker_that_exits_early_or_stays_silent_is_told_apart_and_one_may_print_junk() {
    let _clean = clean();
    let temp = TempDir::new();
    let builder = |name, lines: &str| {
        let program = temp.script(name, &format!("exec >{:?} 2>&1\n{lines}", temp.file("out")));
        Pool::builder().workers(1).worker_program(program)
    };
    let cases = [
        ("exits", "exit 9", "exited with code 9 before it reported in"),
        ("silent", "exec sleep 1000000", "did not report in within 1s and was killed"),
    ];
    for (name, lines, says) in cases {
        let builder = builder(name, lines).start_timeout(Duration::from_secs(1));
        let error = builder.build().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Spawn, "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
    // What is printed is no part of what the program reads.
    let own = std::env::current_exe().unwrap();
    let pool = builder("junk", &format!("echo junk; echo junk >&2; exec {own:?}")).build().unwrap();
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    assert_eq!(std::fs::read_to_string(temp.file("out")).unwrap(), "junk\njunk\n");
}
