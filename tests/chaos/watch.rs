//! Nobody may wait for ever.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::account::locked;
use crate::targets;

/// Generous: a stopped worker is continued within two seconds.
const LONG: Duration = Duration::from_secs(60);

type Business = Arc<Mutex<Option<(Instant, String)>>>;

/// Looks at all desks every second, and aborts the process if somebody has been at
/// the same thing for too long.
#[derive(Debug)]
pub(crate) struct Watch {
    desks: Arc<Mutex<Vec<Business>>>,
    calls_off: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Where a thread says what it is about.
#[derive(Debug)]
pub(crate) struct Desk(Business);

impl Desk {
    /// The thread begins something, which should come to an end.
    pub(crate) fn begin(&self, what: &str) {
        *locked(&self.0) = Some((Instant::now(), what.to_owned()));
    }

    pub(crate) fn leave(&self) {
        *locked(&self.0) = None;
    }
}

/// A thread that has failed waits for nothing.
impl Drop for Desk {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Watch {
    /// `replay` says how to get here again.
    pub(crate) fn begin(replay: String) -> Watch {
        let desks = Arc::new(Mutex::new(Vec::<Business>::new()));
        let (calls_off, called_off) = mpsc::channel();
        let seen = Arc::clone(&desks);
        let look = move || {
            while called_off.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout)
            {
                let all: Vec<_> = locked(&seen).iter().map(|desk| locked(desk).clone()).collect();
                let late = |(since, _): &(Instant, String)| since.elapsed() > LONG;
                if all.iter().flatten().any(late) {
                    give_up(&all, &replay);
                }
            }
        };
        let thread = std::thread::spawn(look);
        Watch { desks, calls_off: Some(calls_off), thread: Some(thread) }
    }

    pub(crate) fn desk(&self) -> Desk {
        let business = Business::default();
        locked(&self.desks).push(Arc::clone(&business));
        Desk(business)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.calls_off.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the watch ends when it is called off");
        }
    }
}

fn give_up(desks: &[Option<(Instant, String)>], replay: &str) -> ! {
    let mut out = format!("somebody has waited for more than {LONG:?}; {replay}\n");
    for (since, what) in desks.iter().flatten() {
        out += &format!("  for {:?}: {what}\n", since.elapsed());
    }
    for pid in targets::children() {
        let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let stat = read("stat").unwrap_or_default();
        out += &format!("  child {pid}: {stat} in {}\n", read("wchan").unwrap_or_default());
    }
    // Not by `eprintln`, which a test's harness keeps for itself.
    let _ = std::io::stderr().write_all(out.as_bytes());
    std::process::abort();
}
