//! What the workers print goes into a pipe, which may stay unread for a while. It must be
//! whole lines of items, and where a pool relays them each must say which item's it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use pool_runtime::Output;
use pool_tests::wait;
use rustix::fs::{Mode, OFlags, open};

use crate::account::locked;
use crate::deeds::LINE;
use crate::pools::WORKERS;

/// Standard output, as long as this lives.
#[derive(Debug)]
pub(crate) struct Printed {
    state: Arc<State>,
    original: OwnedFd,
    thread: Option<JoinHandle<Lines>>,
    /// By the ids of their first items.
    calls: Mutex<BTreeMap<u64, Manner>>,
}

#[derive(Debug, Default)]
struct State {
    full: Mutex<bool>,
    drained: Condvar,
}

/// How the lines of a call must be.
#[derive(Clone, Copy, Debug)]
struct Manner {
    output: Output,
    is_single: bool,
}

/// All lines that have come.
#[derive(Debug, Default)]
struct Lines {
    count: u64,
    /// Of them, those that say where they are from.
    relayed: u64,
    /// Who has printed them, by the ids of items, and what they begin with.
    origins: BTreeSet<(u64, Option<Prefix>)>,
    /// Those that nobody should have printed.
    strange: Vec<String>,
}

/// What a relayed line begins with: `[worker 2 item 17] `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix {
    worker: usize,
    item: Option<u64>,
}

/// How many lines were printed, in all and with a prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) all: u64,
    pub(crate) relayed: u64,
}

impl Printed {
    /// Puts a pipe in the place of standard output, and begins to read from it.
    pub(crate) fn begin() -> Printed {
        let original = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        rustix::stdio::dup2_stdout(&writer).unwrap();
        let state = Arc::new(State::default());
        let seen = Arc::clone(&state);
        let thread = std::thread::spawn(move || read(reader, &seen));
        Printed { state, original, thread: Some(thread), calls: Mutex::default() }
    }

    /// A call begins whose items have the ids from this one on.
    pub(crate) fn call_begins(&self, first: u64, output: Output, is_single: bool) {
        locked(&self.calls).insert(first, Manner { output, is_single });
    }

    /// Stops reading, and fills what room there is; `false` if it is full already.
    pub(crate) fn fill(&self) -> bool {
        if std::mem::replace(&mut *locked(&self.state.full), true) {
            return false;
        }
        // Opened anew, so that the workers' own goes on waiting for room.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(pipe) = open("/proc/self/fd/1", flags, Mode::empty()) {
            let line = format!("{LINE}\n");
            while rustix::io::write(&pipe, line.as_bytes()).is_ok() {}
        }
        true
    }

    /// Reads on.
    pub(crate) fn drain(&self) {
        *locked(&self.state.full) = false;
        self.state.drained.notify_all();
    }

    /// Gives standard output back, and waits until nobody holds the pipe: so workers
    /// and what they have left are gone. Tells how much has come through it.
    pub(crate) fn end(mut self) -> Count {
        self.give_back();
        let thread = self.thread.take().expect("it is taken here alone");
        wait::until("everybody who could print to be gone", || thread.is_finished());
        let lines = thread.join().expect("reading does not fail");
        assert!(lines.strange.is_empty(), "printed: {:#?}", lines.strange);
        let calls = locked(&self.calls);
        for &(id, prefix) in &lines.origins {
            let (first, manner) = calls.range(..=id).next_back().expect("of some call");
            let expected = match manner.output {
                Output::Inherit => prefix.is_none(),
                Output::Prefix => prefix.is_some_and(|prefix| {
                    let item = (!manner.is_single).then_some(id - first);
                    prefix.item == item && prefix.worker < WORKERS
                }),
                _ => false,
            };
            assert!(expected, "item {id:x} of {manner:?} from {first:x} has printed {prefix:?}");
        }
        Count { all: lines.count, relayed: lines.relayed }
    }

    fn give_back(&self) {
        self.drain();
        rustix::stdio::dup2_stdout(self.original.as_fd()).unwrap();
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What the harness prints of this test after a minute.
const SLOW: &str = "test whatever_happens_nothing_is_lost_doubled_unexplained_or_left has been \
                    running for over 60 seconds";

/// Reads until nobody holds the other end.
fn read(mut pipe: PipeReader, state: &State) -> Lines {
    let mut bytes = vec![0; 64 << 10];
    let (mut lines, mut rest) = (Lines::default(), Vec::new());
    loop {
        let full = locked(&state.full);
        drop(state.drained.wait_while(full, |full| *full).unwrap());
        let count = pipe.read(&mut bytes).unwrap();
        rest.extend_from_slice(&bytes[..count]);
        if count == 0 && !rest.is_empty() {
            lines.strange.push(format!("without an end: {}", String::from_utf8_lossy(&rest)));
        }
        if count == 0 {
            return lines;
        }
        let whole = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in String::from_utf8_lossy(&rest[..whole]).lines() {
            lines.take(line);
        }
        rest.drain(..whole);
    }
}

impl Lines {
    fn take(&mut self, line: &str) {
        self.count += 1;
        match parse(line) {
            Some(origin) => {
                self.relayed += u64::from(origin.1.is_some());
                self.origins.insert(origin);
            }
            // The first is what the pipe is filled with.
            None if line == LINE || line == SLOW => {}
            None => self.strange.push(line.to_owned()),
        }
    }
}

/// Who has printed a line, and its prefix if it has one.
fn parse(line: &str) -> Option<(u64, Option<Prefix>)> {
    let (prefix, text) = match line.strip_prefix("[worker ") {
        None => (None, line),
        Some(line) => {
            let (from, text) = line.split_once("] ")?;
            let (worker, item) = match from.split_once(" item ") {
                Some((worker, item)) => (worker, Some(item.parse().ok()?)),
                None => (from, None),
            };
            (Some(Prefix { worker: worker.parse().ok()?, item }), text)
        }
    };
    let id = text.strip_prefix(LINE)?.strip_prefix(' ')?;
    Some((u64::from_str_radix(id, 16).ok()?, prefix))
}
