//! Messages, and what the many starts of workers leave.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use pool_runtime::{ErrorKind, Pool, pool_task, shutdown};
use pool_tests::clean::{clean, descriptors};
use pool_tests::mapping;
use pool_tests::pools::{idle, pids};
use pool_tests::processes::children_of;

use crate::tasks::square;

#[pool_task]
fn sevens(count: usize) -> Vec<u8> {
    vec![7; count]
}

#[pool_task]
fn count_threes(bytes: &[u8]) -> usize {
    assert!(bytes == vec![3; bytes.len()]);
    bytes.len()
}

/// Writes over all that is on its way to the program.
#[pool_task]
fn forge(byte: u8) -> u8 {
    let responses = mapping::WORDS + 2 * mapping::AREA;
    mapping::overwrite(responses, &vec![byte; mapping::AREA]);
    byte
}

#[test]
fn r086_large_messages_go_both_ways() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    for size in [16 << 20, 100 << 20] {
        assert_eq!(pool.apply(sevens, size).unwrap(), vec![7; size]);
        assert_eq!(pool.apply(count_threes, &vec![3; size][..]).unwrap(), size);
    }
    // One over 2 GiB works too, but takes twice that of memory. Where the end is, at
    // 4 GiB, is tested with frames that only say they are so long, in `channel/ring`.
}

#[test]
fn r087_nothing_accumulates_at_a_high_rate_of_starts() {
    let _clean = clean();
    let start_many = || {
        for n in 0..20 {
            assert_eq!(square.pmap([n, n + 1], 2).unwrap(), [n * n, (n + 1) * (n + 1)]);
            assert_eq!(square.spawn(n).unwrap().join().unwrap(), n * n);
        }
        (descriptors().len(), children_of(std::process::id()).len())
    };
    let first = start_many();
    assert_eq!(first.1, 1, "none but the zygote");
    for _ in 0..3 {
        assert_eq!(start_many(), first);
    }
}

#[test]
fn r088_a_strangers_or_forged_message_is_refused() {
    let _clean = clean();
    // A program that is marked as a worker, on a stranger's socket: it is none.
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(b"a forged greeting").unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.arg("--list").env("POOL_RUNTIME_WORKER", std::process::id().to_string());
    let stdin = theirs.try_clone().unwrap();
    let output = program.stdin(OwnedFd::from(stdin)).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains("r088_a_strangers"), "{listed}");
    ours.shutdown(std::net::Shutdown::Both).unwrap();
    let mut unread = String::new();
    (&theirs).read_to_string(&mut unread).unwrap();
    assert_eq!(unread, "a forged greeting");

    // A worker that forges messages gets its own item wrong at most, and is ended.
    let pool = Pool::new(2).unwrap();
    for byte in [0, 1, 0x7f, 0xff] {
        let before = pids(&pool);
        match pool.apply(forge, byte) {
            Ok(result) => assert_eq!(result, byte),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Died | ErrorKind::Decode), "{error}");
                assert!(before.contains(&error.pid().unwrap()), "{error}");
            }
        }
        assert_eq!(pool.map(square, 0..50).unwrap()[49], 49 * 49, "after {byte}");
    }
    idle(&pool, 2);
    shutdown();
}
