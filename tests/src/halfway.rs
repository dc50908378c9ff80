//! Deaths of a worker in the middle of a message.

use std::process::Command;

use rustix::process::Signal;

use crate::fault::{kill_this_process, send};
use crate::{mapping, wait};

/// For a task whose result is much larger than the ring: kills this worker once part
/// of the result is out. The program is stopped meanwhile, so that it is a part
/// indeed.
pub fn die_while_sending() {
    let own = std::process::id();
    let program = std::os::unix::process::parent_id();
    send(program, Signal::STOP);
    std::thread::spawn(move || {
        // The thread that runs tasks is the first. It waits for room in the ring once
        // it has filled it, and a stopped program makes none; for anything else it
        // waits but for a moment.
        let mut asleep = 0;
        wait::until("a part of the result to be out", || {
            asleep = if sleeps_in_futex(own) { asleep + 1 } else { 0 };
            asleep == 20
        });
        let script = "kill -KILL $0; kill -CONT $1";
        Command::new("sh").args(["-c", script, &own.to_string(), &program.to_string()]).status()
    });
}

/// For a task behind whose argument a large one is on its way: kills this worker
/// while it is.
pub fn die_while_receiving() -> ! {
    let sent_to_this_worker = || mapping::word(0);
    wait::until("the ring to be full", || sent_to_this_worker() >= mapping::AREA as u64);
    kill_this_process();
}

/// Whether a thread of this process sleeps until a word in memory changes.
fn sleeps_in_futex(thread: u32) -> bool {
    let wchan = std::fs::read_to_string(format!("/proc/self/task/{thread}/wchan")).unwrap();
    wchan.contains("futex")
}
