//! `Process`: one process for one call.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use pool_runtime::{ErrorKind, Process, Stdio, pool_task};
use pool_tests::clean::clean;
use pool_tests::tasks::{forever, own_pid, square};
use pool_tests::wait;

#[pool_task]
fn fail() {
    panic!("on purpose")
}

#[pool_task]
fn exit_with(code: i32) {
    std::process::exit(code)
}

#[pool_task]
fn large(bytes: usize) -> Vec<u8> {
    vec![1; bytes]
}

#[pool_task]
fn echo_standard_input() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    print!("out {text}");
    eprint!("err {text}");
}

#[pool_task]
fn surroundings() -> (String, Option<String>, String) {
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let directory = std::env::current_dir().unwrap().to_str().unwrap().to_owned();
    (comm.trim_end().to_owned(), std::env::var("POOL_TESTS_COLOUR").ok(), directory)
}

#[test]
fn a_process_is_told_about_before_during_and_after() {
    let _clean = clean();
    let mut process = own_pid.spawn(()).unwrap();
    let pid = process.pid();
    assert_ne!(pid, std::process::id());
    assert_eq!(process.name(), "pool_tests::tasks::own_pid");
    assert_eq!(process.join().unwrap(), pid);
    assert!(!process.is_alive());
    assert_eq!(process.exit_status().unwrap().code(), Some(0));
    let error = process.join().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "a result can be taken once");

    let process = forever.spawn(()).unwrap();
    assert!(process.is_alive());
    assert_eq!(process.exit_status(), None);
    let pid = process.pid();
    drop(process);
    assert!(!wait::is_running(pid));
}

#[test]
fn it_ends_by_itself_when_its_call_is_done() {
    let _clean = clean();
    let process = square.spawn(3).unwrap();
    wait::until("the process to end", || !process.is_alive());
    assert_eq!(process.exit_status().unwrap().code(), Some(0));
    // Larger than what fits between the two without anybody reading.
    let mut process = large.spawn(10 << 20).unwrap();
    wait::until("the process to end", || !process.is_alive());
    assert_eq!(process.join().unwrap().len(), 10 << 20);
}

#[test]
fn a_panic_is_an_error_with_exit_code_101() {
    let _clean = clean();
    let mut process = fail.spawn(()).unwrap();
    let error = process.join().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert_eq!(error.panic_message(), Some("on purpose"));
    assert_eq!(process.exit_status().unwrap().code(), Some(101));
}

#[test]
fn exit_codes_are_told_as_they_are() {
    let _clean = clean();
    for code in [0, 1, 8, 255] {
        let mut process = exit_with.spawn(code).unwrap();
        let pid = process.pid();
        let error = process.join().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Died, "{error}");
        assert_eq!((error.exit_code(), error.signal()), (Some(code), None));
        assert_eq!((error.pid(), error.item()), (Some(pid), None));
        assert!(error.to_string().contains(&format!("exited with code {code}")), "{error}");
        assert_eq!(process.exit_status().unwrap().code(), Some(code));
    }
}

#[test]
fn terminate_and_kill_stand_in_the_status() {
    let _clean = clean();
    let mut process = forever.spawn(()).unwrap();
    process.terminate().unwrap();
    let error = process.join().unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGTERM)));
    assert_eq!(process.exit_status().unwrap().signal(), Some(libc::SIGTERM));
    process.terminate().expect("ending what has ended is no error");

    let mut process = forever.spawn(()).unwrap();
    process.kill().unwrap();
    let error = process.join().unwrap_err();
    assert_eq!(error.signal(), Some(libc::SIGKILL));
    process.kill().unwrap();
}

#[test]
fn joining_with_a_limit_waits_no_longer() {
    let _clean = clean();
    let mut process = forever.spawn(()).unwrap();
    for limit in [Duration::ZERO, Duration::from_millis(20)] {
        let error = process.join_timeout(limit).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
    assert!(process.is_alive());
    let mut process = square.spawn(4).unwrap();
    assert_eq!(process.join_timeout(Duration::MAX).unwrap(), 16);
}

/// Also where the result comes at the moment at which the time is over.
#[test]
fn a_process_whose_result_is_there_in_time_has_ended() {
    let _clean = clean();
    for n in 0..100 {
        let mut process = square.spawn(n).unwrap();
        let result = loop {
            match process.join_timeout(Duration::ZERO) {
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                result => break result,
            }
        };
        assert_eq!(result.unwrap(), n * n);
        assert!(!process.is_alive(), "process {n}");
        assert!(process.exit_status().unwrap().success());
    }
}

#[test]
fn the_builder_sets_up_the_process() {
    let _clean = clean();
    let mut process = Process::builder()
        .name("painter")
        .env("POOL_TESTS_COLOUR", "red")
        .current_dir("/")
        .spawn(surroundings, ())
        .unwrap();
    assert_eq!(process.name(), "painter");
    let (comm, colour, directory) = process.join().unwrap();
    assert_eq!(
        (comm.as_str(), colour.as_deref(), directory.as_str()),
        ("painter", Some("red"), "/")
    );
    let error = Process::builder().name("painter").spawn(exit_with, 3).unwrap().join().unwrap_err();
    assert!(error.to_string().starts_with("process painter (pid "), "{error}");
}

#[test]
fn standard_streams_go_where_they_are_sent() {
    let _clean = clean();
    let (stdin, mut to_it) = std::io::pipe().unwrap();
    let (mut out, stdout) = std::io::pipe().unwrap();
    let (mut err, stderr) = std::io::pipe().unwrap();
    let mut process = Process::builder()
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn(echo_standard_input, ())
        .unwrap();
    to_it.write_all(b"hello").unwrap();
    drop(to_it);
    process.join().unwrap();
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(text, "out hello");
    text.clear();
    err.read_to_string(&mut text).unwrap();
    assert_eq!(text, "err hello");

    let nothing = || Process::builder().stdout(Stdio::null()).stderr(Stdio::null());
    nothing().spawn(echo_standard_input, ()).unwrap().join().unwrap();
}

#[test]
fn three_processes_run_side_by_side() {
    let _clean = clean();
    let mut processes: Vec<_> = (1..=3).map(|n| square.spawn(n).unwrap()).collect();
    let results: Vec<u64> = processes.iter_mut().map(|process| process.join().unwrap()).collect();
    assert_eq!(results, [1, 4, 9]);
}
