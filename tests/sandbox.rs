//! Workers in a sandbox: no files but those that are listed, no network, whatever the
//! task does.

#![allow(unsafe_code)]

use std::io::ErrorKind as Io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;

use pool_runtime::{Error, ErrorKind, Pool, PoolBuilder, Process, Sandbox, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::kernel::refuse;
use pool_tests::pools;
use pool_tests::temp::TempDir;
use serde::{Deserialize, Serialize};

/// Pools of forked and of executed workers in the same sandbox.
fn both_ways(sandbox: &Sandbox) -> [Pool; 2] {
    let executed = Pool::builder().worker_program(std::env::current_exe().unwrap());
    [Pool::builder(), executed]
        .map(|builder| builder.workers(2).sandbox(sandbox.clone()).build().unwrap())
}

/// What a task may do to a file, each with the error if there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    Read,
    List,
    Write,
    Truncate,
    Create,
    Remove,
    Rename,
}

#[pool_task]
fn commit(deed: Deed, path: &Path) -> Result<(), String> {
    let done = match deed {
        Deed::Read => std::fs::read(path).map(drop),
        Deed::List => std::fs::read_dir(path).map(drop),
        Deed::Write => std::fs::OpenOptions::new().append(true).open(path).map(drop),
        Deed::Truncate => {
            std::fs::OpenOptions::new().append(true).open(path).and_then(|file| file.set_len(0))
        }
        Deed::Create => std::fs::File::create_new(path.with_extension("new")).map(drop),
        Deed::Remove => std::fs::remove_file(path),
        Deed::Rename => std::fs::rename(path, path.with_extension("other")),
    };
    done.map_err(|error| format!("{:?}", error.kind()))
}

#[pool_task]
fn leak(bytes: usize) -> u32 {
    std::mem::forget(vec![1_u8; bytes]);
    // The worker looks at its memory at most once in a millisecond.
    std::thread::sleep(std::time::Duration::from_millis(2));
    std::process::id()
}

#[test]
fn a_worker_that_grows_is_replaced_though_it_may_read_no_file() {
    let _clean = clean();
    let most = 64 << 20;
    let pool = Pool::builder().workers(1).sandbox(Sandbox::new()).max_rss(most).build().unwrap();
    let mut pids = pool.map(leak, [32 << 20; 9]).unwrap();
    pids.dedup();
    assert!(pids.len() >= 3, "{pids:?}");
}

fn allowed(pool: &Pool, deed: Deed, path: impl AsRef<Path>) -> bool {
    match pool.apply(commit, (deed, path.as_ref())).unwrap() {
        Ok(()) => true,
        Err(why) => {
            assert_eq!(why, format!("{:?}", Io::PermissionDenied), "{deed:?}");
            false
        }
    }
}

/// A directory with a file in it.
fn with_file() -> (TempDir, String) {
    let temp = TempDir::new();
    let file = temp.file("file");
    std::fs::write(&file, "text").unwrap();
    (temp, file)
}

const CHANGES: [Deed; 5] = [Deed::Write, Deed::Truncate, Deed::Create, Deed::Rename, Deed::Remove];

#[test]
fn a_new_sandbox_has_no_files() {
    let _clean = clean();
    let (temp, file) = with_file();
    for pool in both_ways(&Sandbox::new()) {
        let before = pools::pids(&pool);
        assert!(!allowed(&pool, Deed::List, temp.path()));
        assert!(!allowed(&pool, Deed::Read, "/proc/self/status"));
        for deed in CHANGES.into_iter().chain([Deed::Read]) {
            assert!(!allowed(&pool, deed, &file), "{deed:?}");
        }
        assert_eq!(pools::pids(&pool), before, "nobody died of it");
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
}

#[test]
fn a_read_only_sandbox_reads_everything_and_changes_nothing() {
    let _clean = clean();
    let (temp, file) = with_file();
    for pool in both_ways(&Sandbox::read_only()) {
        assert!(allowed(&pool, Deed::List, temp.path()));
        assert!(allowed(&pool, Deed::Read, "/proc/self/status"));
        assert!(allowed(&pool, Deed::Read, &file));
        for deed in CHANGES {
            assert!(!allowed(&pool, deed, &file), "{deed:?}");
        }
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
}

#[test]
fn what_is_listed_is_allowed_and_no_more() {
    let _clean = clean();
    let (readable, input) = with_file();
    let (single, one) = with_file();
    let other = single.file("other");
    std::fs::write(&other, "text").unwrap();
    for way in 0..2 {
        let (writable, output) = with_file();
        let sandbox = Sandbox::new().read(readable.path()).read(&one).write(writable.path());
        let pool = &both_ways(&sandbox)[way];
        assert!(allowed(pool, Deed::Read, &input) && allowed(pool, Deed::List, readable.path()));
        assert!(allowed(pool, Deed::Read, &one) && !allowed(pool, Deed::Read, &other));
        for deed in CHANGES {
            assert!(!allowed(pool, deed, &input) && !allowed(pool, deed, &one), "{deed:?}");
        }
        assert!(allowed(pool, Deed::Read, &output));
        for deed in CHANGES {
            assert!(allowed(pool, deed, &output) || deed == Deed::Remove, "{deed:?}");
            // What was renamed is not there to be removed.
            if deed == Deed::Rename {
                std::fs::write(&output, "text").unwrap();
            }
        }
        assert!(!Path::new(&output).exists());
        // A file alone can be written, and nothing can be made beside it.
        let sandbox = Sandbox::new().write(&one);
        let pool = &both_ways(&sandbox)[way];
        assert!(allowed(pool, Deed::Write, &one) && !allowed(pool, Deed::Create, &one));
    }
}

#[test]
fn a_relative_path_is_one_of_the_workers_directory() {
    let _clean = clean();
    let (temp, file) = with_file();
    let sandbox = Sandbox::new().read("file");
    let pool =
        Pool::builder().workers(1).current_dir(temp.path()).sandbox(sandbox).build().unwrap();
    assert!(allowed(&pool, Deed::Read, "file") && allowed(&pool, Deed::Read, &file));
    assert!(!allowed(&pool, Deed::List, "."));
}

/// Ways to break the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Tcp,
    Listener,
    Udp,
    Unix,
    Pair,
    /// By number, with no arguments to speak of.
    Call(i64),
}

#[pool_task]
fn break_out(way: Way) -> bool {
    match way {
        Way::Tcp => TcpStream::connect("127.0.0.1:9").is_ok(),
        Way::Listener => TcpListener::bind("127.0.0.1:0").is_ok(),
        Way::Udp => UdpSocket::bind("127.0.0.1:0").is_ok(),
        Way::Unix => UnixStream::connect("/run/nobody").is_ok(),
        Way::Pair => UnixDatagram::pair().is_ok(),
        // SAFETY: none of these does anything with such arguments.
        Way::Call(number) => unsafe { libc::syscall(number, -1, 0, 0, 0, 0, 0) == 0 },
    }
}

#[test]
fn whoever_goes_for_the_network_is_killed_and_the_error_names_the_call() {
    let _clean = clean();
    let cases = [
        (Way::Tcp, "socket"),
        (Way::Listener, "socket"),
        (Way::Udp, "socket"),
        (Way::Unix, "socket"),
        (Way::Pair, "socketpair"),
        (Way::Call(libc::SYS_socket), "socket"),
        (Way::Call(libc::SYS_connect), "connect"),
        (Way::Call(libc::SYS_bind), "bind"),
        (Way::Call(libc::SYS_listen), "listen"),
        (Way::Call(libc::SYS_accept), "accept"),
        (Way::Call(libc::SYS_accept4), "accept4"),
        (Way::Call(libc::SYS_io_uring_setup), "io_uring_setup"),
        (Way::Call(libc::SYS_io_uring_enter), "io_uring_enter"),
        (Way::Call(libc::SYS_io_uring_register), "io_uring_register"),
        (Way::Call(libc::SYS_ptrace), "ptrace"),
        (Way::Call(libc::SYS_process_vm_readv), "process_vm_readv"),
        (Way::Call(libc::SYS_process_vm_writev), "process_vm_writev"),
        (Way::Call(libc::SYS_pidfd_getfd), "pidfd_getfd"),
    ];
    for pool in both_ways(&Sandbox::read_only()) {
        let results: Vec<_> = pool.imap(break_out, cases.map(|(way, _)| way)).collect();
        assert_eq!(results.len(), cases.len());
        for (item, (result, (way, call))) in results.into_iter().zip(cases).enumerate() {
            let error = result.expect_err("it must not get out");
            assert_eq!((error.kind(), error.item()), (ErrorKind::Died, Some(item)), "{way:?}");
            assert_eq!(error.signal(), Some(libc::SIGSYS), "{way:?}: {error}");
            let says = format!(
                "was killed by SIGSYS while running sandbox::break_out on item {item} (the sandbox \
                 forbids the system call {call})"
            );
            assert!(error.to_string().ends_with(&says), "{way:?}: {error}");
        }
    }
}

#[pool_task]
fn talk_to_itself(n: u64) -> u64 {
    use std::io::{Read, Write};
    let (mut one, mut other) = UnixStream::pair().unwrap();
    one.write_all(&n.to_le_bytes()).unwrap();
    let mut bytes = [0; 8];
    other.read_exact(&mut bytes).unwrap();
    let thread = std::thread::spawn(move || u64::from_le_bytes(bytes) * 2);
    thread.join().unwrap()
}

#[test]
fn whoever_keeps_to_the_rules_works_as_in_any_pool() {
    let _clean = clean();
    for pool in both_ways(&Sandbox::new()) {
        let doubled: Vec<u64> = (0..500).map(|n| n * 2).collect();
        assert_eq!(pool.map(talk_to_itself, 0..500).unwrap(), doubled);
        // By the bell, too: nobody looks at the workers here.
        let results: Vec<_> =
            (0..50).map(|n| pool.apply_async(talk_to_itself, n).unwrap()).collect();
        for (result, doubled) in results.into_iter().zip(&doubled) {
            pool_tests::wait::until("the result", || result.ready());
            assert_eq!(result.get().unwrap(), *doubled);
        }
        pool.close();
        pool.join().unwrap();
    }
    let mut process = Process::builder().sandbox(Sandbox::new()).spawn(talk_to_itself, 4).unwrap();
    assert_eq!(process.join().unwrap(), 8);
}

#[pool_task]
fn run(program: &str, argument: &str) -> (bool, String) {
    let output = Command::new(program).arg(argument).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_a_task_starts_is_in_the_sandbox_too() {
    let _clean = clean();
    let (temp, _) = with_file();
    let pool = Pool::builder().workers(1).sandbox(Sandbox::read_only()).build().unwrap();
    assert!(pool.apply(run, ("cat", "/proc/version")).unwrap().0);
    let new = temp.file("made");
    let (success, says) = pool.apply(run, ("touch", &*new)).unwrap();
    assert!(!success && says.contains("Permission denied"), "{says}");
    assert!(!Path::new(&new).exists());
}

#[pool_task]
fn signal_of_nothing(pid: u32) -> Option<i32> {
    // SAFETY: 0 is no signal; it asks whether one could be sent.
    let sent = unsafe { libc::kill(pid.cast_signed(), 0) };
    if sent == 0 { None } else { std::io::Error::last_os_error().raw_os_error() }
}

/// The version of Landlock that this kernel has.
fn landlock() -> i64 {
    // SAFETY: with this flag it only tells.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) }
}

#[test]
fn the_program_cannot_be_signalled_and_signals_all_the_same() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).sandbox(Sandbox::new()).build().unwrap();
    let worker = *pools::pids(&pool).first().unwrap();
    assert_eq!(pool.apply(signal_of_nothing, worker).unwrap(), None, "itself");
    let expected = (landlock() >= 6).then_some(libc::EPERM);
    assert_eq!(pool.apply(signal_of_nothing, std::process::id()).unwrap(), expected);
}

#[pool_task]
fn eat(bytes: usize) -> usize {
    std::hint::black_box(vec![1_u8; bytes]).len()
}

#[pool_task]
fn fail() {
    panic!("on purpose");
}

#[test]
fn other_failures_are_told_from_a_sandbox_as_well() {
    let _clean = clean();
    let builder = Pool::builder().workers(1).sandbox(Sandbox::new()).memory_limit(64 << 20);
    let pool = builder.build().unwrap();
    assert_eq!(pool.apply(eat, 1 << 40).unwrap_err().kind(), ErrorKind::MemoryLimit);
    assert_eq!(pool.apply(eat, 10).unwrap(), 10);
    let error = pool.apply(break_out, Way::Tcp).unwrap_err();
    assert!(error.to_string().contains("forbids the system call socket"), "{error}");
    let pool = Pool::builder().workers(1).sandbox(Sandbox::new()).build().unwrap();
    let error = pool.apply(fail, ()).unwrap_err();
    assert_eq!((error.kind(), error.panic_message()), (ErrorKind::Panicked, Some("on purpose")));
    let error = pool.apply(eat, 1 << 60).unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGABRT)), "{error}");
}

fn failed(builder: PoolBuilder) -> Error {
    builder.build().map(|_| ()).expect_err("this is no sandbox to be had")
}

#[test]
fn a_sandbox_that_cannot_be_had_is_an_error() {
    let _clean = clean();
    let executed = || Pool::builder().worker_program(std::env::current_exe().unwrap());
    for builder in [Pool::builder(), executed()] {
        let error = failed(builder.workers(2).sandbox(Sandbox::new().read("/").write("/no/such")));
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(70)), "{error}");
        let says = "could not open \"/no/such\", which its sandbox lets it write: ";
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = failed(Pool::builder().sandbox(Sandbox::new().read("a\0b")));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("\"a\\0b\""), "{error}");
    let mut sandbox = Sandbox::new();
    for _ in 0..4000 {
        sandbox = sandbox.read("/usr/lib");
    }
    let error = failed(Pool::builder().sandbox(sandbox));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("too many paths"), "{error}");
    // Fewer are all right.
    let mut sandbox = Sandbox::new();
    for _ in 0..1000 {
        sandbox = sandbox.read("/usr/lib");
    }
    let pool = Pool::builder().workers(1).sandbox(sandbox).build().unwrap();
    assert!(allowed(&pool, Deed::List, "/usr/lib"));
}

#[pool_task]
fn nest() -> Option<String> {
    Pool::new(1).err().map(|error| error.to_string())
}

#[test]
fn a_pool_inside_of_a_sandbox_is_refused_with_the_sandbox_named() {
    let _clean = clean();
    for pool in both_ways(&Sandbox::new()) {
        let error = pool.apply(nest, ()).unwrap().expect("it made a pool");
        assert!(error.contains("a task in a sandbox, where no pool can be made"), "{error}");
    }
}

#[test]
fn a_kernel_without_landlock_or_seccomp_is_an_error() {
    let cases = [
        (libc::SYS_landlock_create_ruleset, "restrict its files: ", "this kernel has no Landlock"),
        (libc::SYS_seccomp, "install its filter of system calls: ", "without seccomp"),
    ];
    let test = "a_kernel_without_landlock_or_seccomp_is_an_error";
    alone(test, || {
        for (call, says, cause) in cases {
            // Of this thread and what it starts; workers are started by the thread that
            // builds.
            std::thread::spawn(move || {
                refuse(call, libc::ENOSYS);
                // It would be taken for one of this case: both have one filter.
                pool_runtime::shutdown();
                let error = failed(Pool::builder().workers(1).sandbox(Sandbox::new()));
                assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
                let text = error.to_string();
                assert!(text.contains(&format!("could not {says}")), "{text}");
                assert!(text.contains(cause), "{text}");
                assert!(Pool::new(1).is_ok(), "without a sandbox it is as before");
            })
            .join()
            .unwrap();
        }
    });
}
