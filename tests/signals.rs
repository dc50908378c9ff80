//! Signals to the program: its handlers are its own, and what it survives, its
//! workers survive.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use pool_runtime::{Error, Pool, PoolBuilder, pool_task, shutdown};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::dispositions::dispositions;
use pool_tests::fault::send;
use pool_tests::pools::idle;
use pool_tests::processes::zygote;
use pool_tests::tasks::square;
use pool_tests::temp::TempDir;
use pool_tests::wait::{self, is_stopped};
use rustix::process::{Signal, kill_process_group};

#[pool_task]
fn die() {
    std::process::abort();
}

#[pool_task]
fn wait_for(file: &Path) -> u32 {
    wait::until("the file", || file.exists());
    std::process::id()
}

/// Signals that the tests' handlers have been called for.
static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handle(_signal: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// What a program may well have handlers for.
const OFTEN_HANDLED: [i32; 13] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGCHLD,
    libc::SIGTSTP,
    libc::SIGCONT,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGUSR1,
    libc::SIGPIPE,
    libc::SIGSEGV,
    libc::SIGWINCH,
];

/// Handles these signals from here on, each with another mask.
fn handle_all(signals: &[i32]) {
    for &signal in signals {
        // SAFETY: the handler adds to a number, which it may; the struct is of
        // integers, for which zeros are valid, and is filled in before its use.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as extern "C" fn(i32) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigaddset(&raw mut action.sa_mask, signal % 31 + 1);
            assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
        }
    }
}

/// The signals that this thread blocks.
fn blocked() -> Vec<i32> {
    // SAFETY: the set is written before it is read, and nothing is changed.
    unsafe {
        let mut set = std::mem::zeroed();
        let how = libc::SIG_BLOCK;
        assert_eq!(libc::pthread_sigmask(how, std::ptr::null(), &raw mut set), 0);
        (1..=64).filter(|&signal| libc::sigismember(&raw const set, signal) == 1).collect()
    }
}

/// A pool whose workers are executed.
fn executed() -> PoolBuilder {
    Pool::builder().workers(2).worker_program(std::env::current_exe().unwrap())
}

#[test]
fn what_the_program_does_on_signals_is_never_changed() {
    alone("what_the_program_does_on_signals_is_never_changed", || {
        let untouched = dispositions();
        let check = |when: &str, expected: &Vec<_>| {
            assert_eq!(&dispositions(), expected, "{when}");
            assert_eq!(blocked(), [], "{when}");
        };
        let live = |expected: &Vec<_>| {
            for builder in [Pool::builder().workers(2), executed()] {
                let pool = builder.build().unwrap();
                check("a pool was built", expected);
                let mut results = pool.imap(square, 0..100);
                results.next().unwrap().unwrap();
                check("a map runs", expected);
                assert_eq!(results.count(), 99);
                pool.apply(die, ()).unwrap_err();
                idle(&pool, 2);
                check("a worker has died and was replaced", expected);
                pool.close();
                pool.join().unwrap();
                check("a pool was closed", expected);
            }
            let pool = Pool::new(1).unwrap();
            let call = pool.apply_async(wait_for, Path::new("/no/such/file")).unwrap();
            call.cancel();
            pool.terminate();
            drop(pool);
            check("a pool was terminated", expected);
            let mut process = square.spawn(3).unwrap();
            check("a process was started", expected);
            process.join().unwrap();
            shutdown();
            check("all is over", expected);
        };
        live(&untouched);
        handle_all(&OFTEN_HANDLED);
        let handled = dispositions();
        assert_ne!(handled, untouched);
        live(&handled);
    });
}

#[test]
fn a_program_that_survives_signals_to_its_group_keeps_its_workers_and_what_they_run() {
    let name = "a_program_that_survives_signals_to_its_group_keeps_its_workers_and_what_they_run";
    alone(name, || {
        // As a shell does with each program that it starts.
        rustix::process::setpgid(None, None).unwrap();
        let own = rustix::process::getpgrp();
        let keyboard = [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGHUP, libc::SIGTERM];
        handle_all(&keyboard);
        let pool = Pool::new(2).unwrap();
        let executed = executed().build().unwrap();
        let before = [idle(&pool, 2), idle(&executed, 2)];
        let forker = zygote();
        let dir = TempDir::new();
        let go = dir.path().join("go");
        let calls: Vec<_> = [&pool, &pool, &executed, &executed]
            .into_iter()
            .map(|pool| pool.apply_async(wait_for, &go).unwrap())
            .collect();
        for signal in [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::HUP, Signal::TERM] {
            let handled = HANDLED.load(Ordering::SeqCst);
            kill_process_group(own, signal).unwrap();
            wait::until("the handler", || HANDLED.load(Ordering::SeqCst) > handled);
        }
        assert!(!calls.iter().any(|call| call.ready()));
        std::fs::write(go, "").unwrap();
        let ran: BTreeSet<u32> = calls.into_iter().map(|call| call.get().unwrap()).collect();
        assert_eq!(ran, &before[0] | &before[1]);
        assert_eq!([idle(&pool, 2), idle(&executed, 2)], before);
        assert_eq!(zygote(), forker);
    });
}

#[test]
fn workers_that_start_while_the_group_gets_signals_start() {
    alone("workers_that_start_while_the_group_gets_signals_start", || {
        rustix::process::setpgid(None, None).unwrap();
        let own = rustix::process::getpgrp();
        handle_all(&[libc::SIGINT, libc::SIGTSTP]);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for signal in [Signal::INT, Signal::TSTP] {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        kill_process_group(own, signal).unwrap();
                    }
                });
            }
            // Kept until the storm is over: it must end, whatever comes of this.
            let started: Result<Vec<Pool>, Error> =
                (0..100).map(|_| executed().workers(1).build()).collect();
            over.store(true, Ordering::Relaxed);
            started.unwrap();
        });
    });
}

/// A program on a terminal of its own, below a shell that has it in a job.
struct Terminal {
    dir: TempDir,
    shell: Child,
    keyboard: File,
    screen: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts `sh -mc LINES` there, in which `$PROGRAM` is the helper program's
    /// command, but for how.
    fn start(lines: &str) -> Terminal {
        let (mut ours, mut theirs) = (-1, -1);
        let null = std::ptr::null_mut();
        // SAFETY: it writes two descriptors, and the rest may be null.
        let result = unsafe {
            libc::openpty(&raw mut ours, &raw mut theirs, null, null.cast(), null.cast())
        };
        assert_eq!(result, 0, "no terminal: {}", std::io::Error::last_os_error());
        // SAFETY: both are new, and nobody else's.
        let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC).unwrap();
        let dir = TempDir::new();
        let program = format!("{} {}", env!("CARGO_BIN_EXE_keyboard"), dir.path().display());
        let mut shell = Command::new("sh");
        shell.args(["-mc", lines]).env("PROGRAM", program);
        shell.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
        // SAFETY: between fork and exec, it makes two system calls.
        unsafe {
            shell.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let shell = shell.spawn().unwrap();
        let keyboard = File::from(ours);
        // What is printed there is of no interest, but must not be in the way.
        let mut screen = keyboard.try_clone().unwrap();
        let read = move || while screen.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {};
        Terminal { dir, shell, keyboard, screen: Some(thread::spawn(read)) }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.file(name)).ok()
    }

    /// Waits until there is such a file; gives what it says.
    fn wait_for(&self, name: &str) -> String {
        wait::until(name, || self.file(name).is_some());
        self.file(name).unwrap()
    }

    fn wait_for_pid(&self, name: &str) -> u32 {
        // The program's own may be found half written.
        wait::until(name, || self.file(name).is_some_and(|pid| pid.parse::<u32>().is_ok()));
        self.file(name).unwrap().parse().unwrap()
    }

    /// Lets the first two items end.
    fn go(&self) {
        std::fs::write(self.dir.file("go"), "").unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where a test has failed. The kernel ends the program when its shell is gone.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        let _ = self.screen.take().expect("taken once").join();
    }
}

const ALL_IS_WELL: &str = "right: true, workers kept: true";

#[test]
fn an_interrupt_from_a_terminal_that_the_program_handles_disturbs_no_worker() {
    let _clean = clean();
    let mut terminal = Terminal::start("$PROGRAM handles; true");
    for item in ["begun-0", "begun-1"] {
        terminal.wait_for(item);
    }
    for interrupt in ["interrupted-1", "interrupted-2"] {
        terminal.press(b"\x03");
        terminal.wait_for(interrupt);
    }
    assert_eq!(terminal.file("results"), None);
    terminal.go();
    assert_eq!(terminal.wait_for("results"), ALL_IS_WELL);
    terminal.shell.wait().unwrap();
}

#[test]
fn a_program_stopped_from_a_terminal_and_continued_loses_nothing() {
    let _clean = clean();
    let mut terminal = Terminal::start("$PROGRAM plain; read line; fg");
    let program = terminal.wait_for_pid("pid");
    let workers = ["begun-0", "begun-1"].map(|item| terminal.wait_for_pid(item));
    terminal.press(b"\x1a");
    wait::until("the program to be stopped", || is_stopped(program));
    // The workers are not, and end what they are at.
    assert!(!workers.iter().any(|&pid| is_stopped(pid)));
    terminal.go();
    for item in ["ended-0", "ended-1"] {
        terminal.wait_for(item);
    }
    assert!(is_stopped(program) && terminal.file("results").is_none());
    terminal.press(b"\n");
    assert_eq!(terminal.wait_for("results"), ALL_IS_WELL);
    terminal.shell.wait().unwrap();
}

#[test]
fn a_program_stopped_and_continued_at_any_moment_loses_nothing() {
    let _clean = clean();
    let dir = TempDir::new();
    let mut program = Command::new(env!("CARGO_BIN_EXE_keyboard"));
    let mut program = program.arg(dir.path()).arg("plain").spawn().unwrap();
    let there = |name: &str| Path::new(&dir.file(name)).exists();
    let stop_and_go_on = || {
        let id = program.id();
        send(id, Signal::STOP);
        wait::until("it to stop, or end", || is_stopped(id) || !wait::is_running(id));
        send(id, Signal::CONT);
    };
    for _ in 0..50 {
        stop_and_go_on();
    }
    wait::until("both workers to be at it", || {
        stop_and_go_on();
        there("begun-0") && there("begun-1")
    });
    std::fs::write(dir.file("go"), "").unwrap();
    wait::until("the results", || {
        stop_and_go_on();
        there("results")
    });
    assert!(program.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(dir.file("results")).unwrap(), ALL_IS_WELL);
}
