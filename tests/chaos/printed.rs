//! What the workers print goes into a pipe, which may stay unread for a while.

use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use pool_tests::wait;
use rustix::fs::{Mode, OFlags, open};

use crate::account::locked;
use crate::deeds::LINE;

/// Standard output, as long as this lives.
#[derive(Debug)]
pub(crate) struct Printed {
    state: Arc<State>,
    original: OwnedFd,
    thread: Option<JoinHandle<u64>>,
}

#[derive(Debug, Default)]
struct State {
    full: Mutex<bool>,
    drained: Condvar,
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
        Printed { state, original, thread: Some(thread) }
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
    /// and what they have left are gone. Tells how many bytes have come through it.
    pub(crate) fn end(mut self) -> u64 {
        self.give_back();
        let thread = self.thread.take().expect("it is taken here alone");
        wait::until("everybody who could print to be gone", || thread.is_finished());
        thread.join().expect("nothing but lines is printed")
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
fn read(mut pipe: PipeReader, state: &State) -> u64 {
    let mut bytes = vec![0; 64 << 10];
    let (mut all, mut strange) = (0, Vec::new());
    loop {
        let full = locked(&state.full);
        drop(state.drained.wait_while(full, |full| *full).unwrap());
        let count = pipe.read(&mut bytes).unwrap();
        if count == 0 {
            let strange = String::from_utf8_lossy(&strange);
            assert!(strange.is_empty() || strange == SLOW.replace('x', ""), "printed: {strange}");
            return all;
        }
        strange.extend(bytes[..count].iter().filter(|byte| !b"x\n".contains(byte)));
        all += count as u64;
    }
}
