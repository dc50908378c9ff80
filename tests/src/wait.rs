//! Waiting for what another process does, never for time to pass.

use std::time::{Duration, Instant};

/// Generous: an event that takes this long does not come.
const LONG: Duration = Duration::from_secs(300);

/// Waits until `happened`, looking often; panics with `what` if it never does.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < LONG, "waited {LONG:?} for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process exists and is no zombie.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")),
        Err(_) => false,
    }
}

/// Whether a process is stopped by a signal.
///
/// # Panics
///
/// When there is no such process.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.starts_with(" T")
}
