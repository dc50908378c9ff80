//! The serve loop: chunks in, outcomes out, one item after another.
//!
//! The program must know at any moment which item a dead worker was running,
//! so an item is announced before it begins. The announcement travels with the
//! outcome of the item before it: one system call an item.

use std::io;

use super::guard;
use crate::channel::{Sender, WorkerEnd};
use crate::ids::Item;
use crate::limits::MAX_ITEM;
use crate::task::{Call, CallError, TaskDef, find};
use crate::wire::frame;
use crate::wire::message::{self, Chunk, Outcome};

/// Exit code of a worker whose one call panicked, as that of a Rust program.
const PANICKED: i32 = 101;

/// Exit code of a worker that was sent something it does not understand.
const PROTOCOL_BROKEN: i32 = 76;

/// The buffer is given back when it is empty and larger than this, in bytes.
const KEEP: usize = 1 << 20;

/// Serves until the program says goodbye or is gone; gives the exit code.
pub(super) fn serve(mut channel: WorkerEnd, one_shot: bool) -> i32 {
    let mut server = Server { sender: channel.sender(), out: Vec::new(), pid: std::process::id() };
    message::put_ready(&mut server.out);
    if server.flush().is_err() {
        return 0;
    }
    loop {
        let body = match channel.receive() {
            Ok(Some(body)) => body,
            Ok(None) => return 0,
            Err(_) => return PROTOCOL_BROKEN,
        };
        let Some(chunk) = Chunk::decode(body) else {
            return PROTOCOL_BROKEN;
        };
        match server.run(chunk) {
            // The chunk was written over by one of its own tasks.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return PROTOCOL_BROKEN,
            // The program is gone, or has given this worker up.
            Err(_) => return 0,
            Ok(panicked) if one_shot => return if panicked { PANICKED } else { 0 },
            Ok(_) => {}
        }
    }
}

struct Server {
    sender: Sender,
    /// Frames that are not sent yet.
    out: Vec<u8>,
    /// A task may fork; its copy must not go on serving.
    pid: u32,
}

impl Server {
    /// Runs every item of a chunk; tells whether the last one panicked.
    fn run(&mut self, mut chunk: Chunk<'_>) -> io::Result<bool> {
        let task = find(chunk.task);
        let job = chunk.job;
        let mut panicked = false;
        for item in chunk.items.clone() {
            let input = chunk.next().ok_or(io::ErrorKind::InvalidData)?;
            message::put_began(&mut self.out, job, item);
            self.flush()?;
            panicked = self.call(task, job, item, input);
            if std::process::id() != self.pid {
                // The copy of a task that forked and returned twice. Its
                // original answers; it ends without running exit handlers.
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                )?;
            }
        }
        self.flush()?;
        if !chunk.is_at_its_end() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(panicked)
    }

    fn call(&mut self, task: Option<&TaskDef>, job: u64, item: Item, input: &[u8]) -> bool {
        let start = message::begin_returned(&mut self.out, job, item);
        let before = self.out.len();
        let Some(task) = task else {
            return self.failed(start, job, item, &Outcome::UnknownTask);
        };
        let mut call = Call::begin(input, std::mem::take(&mut self.out));
        let result = guard::run(|| (task.call)(&mut call));
        self.out = call.end();
        let outcome = match result {
            Ok(Ok(())) => {
                let length = self.out.len() - before;
                if length <= MAX_ITEM {
                    frame::finish(&mut self.out, start, 0);
                    return false;
                }
                Outcome::Unencodable(format!(
                    "it takes {length} bytes, and a message holds at most {MAX_ITEM}"
                ))
            }
            Ok(Err(CallError::Decode(why))) => Outcome::Undecodable(why),
            Ok(Err(CallError::Encode(why))) => Outcome::Unencodable(why),
            Err(panic) => Outcome::Panicked(panic),
        };
        self.failed(start, job, item, &outcome)
    }

    /// Replaces the frame begun at `start`; tells whether this was a panic.
    fn failed(&mut self, start: usize, job: u64, item: Item, outcome: &Outcome<'_>) -> bool {
        self.out.truncate(start);
        message::put_failed(&mut self.out, job, item, outcome);
        matches!(outcome, Outcome::Panicked(_))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sender.send(&self.out)?;
        self.out.clear();
        if self.out.capacity() > KEEP {
            self.out = Vec::new();
        }
        Ok(())
    }
}
