//! The mark of a worker, on a program that nobody started as one.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Stdio;

use super::profiles::DOUBLED;
use super::programs::{Built, test};

const MARK: &str = "POOL_RUNTIME_WORKER";

/// What `streams` prints when it reads what is written for it here.
const READ: [&str; 3] = [
    "a task on stdout",
    "a task read (\"\", \"/dev/null\")",
    "the program read \"for the program\"",
];

#[test]
fn a_stray_mark_starts_nothing() {
    let pid = std::process::id().to_string();
    let marks: [&[u8]; 7] = [b"", b"garbage", b"\xff", b"0", b"1", b"-1", pid.as_bytes()];
    for mark in marks {
        test(|| {
            let program = Built::Debug.run("doubler").env(MARK, OsStr::from_bytes(mark));
            program.run().printed(&DOUBLED);
        });
    }
}

#[track_caller]
fn reads_its_input(stdin: impl Into<Stdio>) {
    let program = Built::Debug.run("streams").env(MARK, "4711").stdin(stdin);
    let ended = program.run().success();
    assert_eq!(
        (&ended.stdout[..], &ended.stderr[..]),
        (&READ.map(String::from)[..], &["a task on stderr".to_owned()][..])
    );
}

#[test]
fn a_stray_mark_and_a_pipe_start_nothing() {
    test(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"for the program").unwrap();
        drop(writer);
        reads_its_input(reader);
    });
}

#[test]
fn a_stray_mark_and_somebodys_socket_start_nothing_and_the_message_stays() {
    test(|| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&ours).write_all(b"for the program").unwrap();
        drop(ours);
        reads_its_input(OwnedFd::from(theirs));
    });
}

#[test]
fn a_stray_mark_and_a_silent_or_unconnected_socket_start_nothing() {
    test(|| {
        let run = |stdin: OwnedFd| {
            let program = Built::Debug.run("doubler").env(MARK, "0").stdin(stdin);
            program.run().printed(&DOUBLED);
        };
        let (_ours, theirs) = UnixStream::pair().unwrap();
        run(theirs.into());
        run(UnixDatagram::unbound().unwrap().into());
    });
}
