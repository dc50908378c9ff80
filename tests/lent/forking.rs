//! A copy of the program, forked in the middle of a map, which goes on encoding: it shares
//! the memory that workers read.

use std::cell::Cell;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::path::Path;

use pool_runtime::{Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::mapping::Lies;
use pool_tests::temp::TempDir;
use pool_tests::wait;
use serde::Deserialize;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::{MIB, bytes, see_late};

/// A copy that an iterator has forked, which goes on with the map.
struct Copy {
    pid: libc::pid_t,
    go: PipeWriter,
}

impl Copy {
    /// Lets it go on, until it has ended.
    fn let_go(mut self) {
        self.go.write_all(&[1]).unwrap();
        let mut status = 0;
        // SAFETY: it writes the status of this process's own child.
        assert_eq!(unsafe { libc::waitpid(self.pid, &raw mut status, 0) }, self.pid);
        assert!(libc::WIFEXITED(status), "{status:x}");
        assert_eq!(libc::WEXITSTATUS(status), 7, "it was refused");
    }
}

/// Forks. The copy goes on once it is told to.
fn fork() -> Option<Copy> {
    let (reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the copy allocates, which the C library allows after a fork.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid > 0 {
        return Some(Copy { pid, go: writer });
    }
    drop(writer);
    // SAFETY: an integer only: a copy that hangs ends.
    unsafe { libc::alarm(20) };
    let mut reader: PipeReader = reader;
    reader.read_exact(&mut [0]).unwrap();
    None
}

/// As many equal bytes as [`bytes`] makes, in a shape that is encoded byte by byte.
#[derive(Debug, Deserialize)]
struct Slow(Vec<Byte>);

#[derive(Debug, Deserialize, serde::Serialize)]
struct Byte(u8);

thread_local! {
    /// Whether this thread forks in the middle of what it encodes next, and what came of it.
    static FORKS: (Cell<bool>, Cell<Option<Copy>>) = const { (Cell::new(false), Cell::new(None)) };
}

impl Serialize for Slow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = serializer.serialize_seq(Some(self.0.len()))?;
        let mut value = None;
        for (at, byte) in self.0.iter().enumerate() {
            if at == self.0.len() / 2 && FORKS.with(|(forks, _)| forks.take()) {
                let copy = fork();
                if copy.is_none() {
                    value = Some(Byte(77));
                }
                FORKS.with(|(_, copies)| copies.set(copy));
            }
            bytes.serialize_element(value.as_ref().unwrap_or(byte))?;
        }
        bytes.end()
    }
}

/// Whether all are right, when it may look.
#[pool_task]
fn see_slow(item: usize, data: &Slow, dir: &Path) -> bool {
    wait::until("the word to go on", || dir.join("go").exists());
    data.0.iter().all(|byte| byte.0 == bytes(item, 1)[0])
}

#[test]
fn a_copy_that_was_forked_while_an_item_is_encoded_changes_nothing_of_it() {
    alone("forking::a_copy_that_was_forked_while_an_item_is_encoded_changes_nothing_of_it", || {
        let dir = TempDir::new();
        let pool = Pool::new(2).unwrap();
        let original = std::process::id();
        let items = (0..3).map(|item| {
            if let Some(copy) = FORKS.with(|(_, copies)| copies.take()) {
                // The item is encoded, and the copy now goes on with it.
                copy.let_go();
                std::fs::write(dir.path().join("go"), "").unwrap();
            }
            FORKS.with(|(forks, _)| forks.set(item == 1));
            let bytes = bytes(item, 300_000).into_iter().map(Byte).collect();
            (item, Slow(bytes), dir.path())
        });
        let results = pool.job(see_slow).window(3).chunk_size(1).map(items);
        if std::process::id() != original {
            let code = if results.is_err() { 7 } else { 1 };
            // SAFETY: an integer only. The copy must not go on as a test.
            unsafe { libc::_exit(code) };
        }
        assert_eq!(results.unwrap(), [true; 3]);
    });
}

#[test]
fn a_copy_of_the_program_that_encodes_on_changes_nothing_of_the_original() {
    alone("forking::a_copy_of_the_program_that_encodes_on_changes_nothing_of_the_original", || {
        let dir = TempDir::new();
        let pool = Pool::new(2).unwrap();
        let (mut copy, mut is_copy) = (None, false);
        let original = std::process::id();
        let items = (0..12).map(|item| {
            if item == 5 {
                // In the middle of a pack of four.
                copy = fork();
                is_copy = copy.is_none();
            }
            if item == 8
                && let Some(copy) = copy.take()
            {
                // The pack is on its way, and the copy now makes another of it.
                copy.let_go();
                std::fs::write(dir.path().join("go"), "").unwrap();
            }
            let of = if is_copy { 77 } else { item };
            (item, bytes(of, MIB / 4), dir.path())
        });
        let results = pool.job(see_late).window(12).chunk_size(4).map(items);
        if std::process::id() != original {
            let code = if results.is_err() { 7 } else { 1 };
            // SAFETY: an integer only. The copy must not go on as a test.
            unsafe { libc::_exit(code) };
        }
        assert_eq!(results.unwrap(), [(Lies::InTheArena, true); 12]);
    });
}
