//! The program's side of its zygote. There is at most one; the first worker starts it.
//!
//! ```text
//!   launch ── fork ──> Zygotes ── request ──> zygote ── clone3 ──> worker
//!                        │  <──── pid, pidfd ───┘                    │
//!                        └───────────── a child of the program ──────┘
//! ```
//!
//! **What a worker gets** is what exec would have given it at that moment. Its
//! directory and streams travel with the request. Everything else that a process
//! inherits is compared, before every fork, with what it was when the zygote was
//! started (`Fingerprint`); if it differs, that zygote is ended and another is started.
//! Only the kernel can tell whether the program has lost rights that its zygote still
//! has, so it is asked: a program that may not look into its zygote does not use it.
//!
//! **A failure here is no error.** If no zygote can be started, or it does not
//! answer, the worker is executed; if that fails too, its failure is the error.
//! `Pool::workers` tells how each worker was started and why. If a zygote did not come up,
//! the next one is tried after a pause. If it reports that it is unfit (a constructor
//! started a thread), the next one is tried once the fingerprint has changed. A zygote that
//! met exhausted processes, memory or descriptors is ended, which leaves its own to the
//! workers.
//!
//! **Nothing is left behind.** A request without an answer is the one hard case: the zygote
//! was killed or is stopped, and may or may not have forked. The program kills it, so it
//! forks nothing more. The pid of its last copy is in a page that it shares with the
//! program: the *kernel* writes it within the system call that forks, before the copy runs,
//! so no signal can come between the two. The program kills and reaps that copy and executes
//! a worker in its place, on a new channel, so no two processes ever share one. Whoever sees
//! the zygote's end first does this, once ([`ZygoteProcess::reap_all`]).
//!
//! **No caller waits for a zygote that boots.** A thread of its own starts it and waits
//! (`booting`); a worker that is wanted meanwhile is executed. The exception is a pool that
//! is being built, which waits, as nobody uses it yet.
//!
//! The same thread then waits for the zygote's end and reaps it, whether it ends by itself
//! after ten idle seconds, by [`shutdown`] or by a foreign kill. It waits on the pidfd
//! alone, without a deadline. The zygote watches the program as workers do: when its
//! lifeline hangs up, the kernel sends it SIGKILL with the zygote's own rights. So closing
//! the lifeline also ends a zygote that the program may not signal, and a stopped one.
//!
//! **Locks.** First the core of a pool, then the zygotes. The thread takes only the zygotes.

mod booting;
mod fingerprint;
mod running;

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use super::exhaustion::is_exhausted;
use super::reaper::Reaper;
use super::start::NotForked;
use crate::limits::ZYGOTE_RETRY;
use crate::sys::child::Child;
use booting::Booting;
use fingerprint::Fingerprint;
pub(super) use fingerprint::Template;
use running::{Answer, Zygote, ZygoteProcess};

/// What a worker is forked with.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    pub(super) lifeline: BorrowedFd<'a>,
    pub(super) dir: BorrowedFd<'a>,
    pub(super) stdout: Option<BorrowedFd<'a>>,
    pub(super) stderr: Option<BorrowedFd<'a>>,
}

/// Forks a worker. If that fails, nothing is left of the attempt, except that the boot
/// message may have been read from the lifeline.
///
/// If it `may_wait`, it waits about a second for a zygote that boots.
pub(super) fn fork(
    template: &Arc<Template>,
    worker: &Worker<'_>,
    may_wait: bool,
) -> Result<Child, NotForked> {
    Registry::of_this_process().fork(template, worker, may_wait)
}

/// Ends an idle zygote to make room for what is needed more; tells whether there
/// was one.
pub(super) fn make_room() -> bool {
    let mut zygotes = Registry::of_this_process().lock();
    zygotes.give_up_for_a_while();
    let ended = zygotes.end().is_some();
    Registry::let_go(zygotes);
    ended
}

/// Ends the idle copy of the program that workers are forked from.
///
/// The first pool starts such a copy. It holds no memory and no descriptor of the
/// program's, and ends by itself after ten seconds without a new worker. This ends
/// it now, and returns when it is gone: for a program that is to have no child at
/// all, because it waits for any of its children, say. Pools and processes are not
/// touched; the next worker starts another copy.
///
/// Until the copy ends, the program has three descriptors and a sleeping thread more for it,
/// also when the last pool is gone.
///
/// ```
/// use pool_runtime::pool_task;
///
/// #[pool_task]
/// fn doubler(n: u64) -> u64 {
///     n * 2
/// }
///
/// assert_eq!(doubler.pmap(0..3, 2)?, [0, 2, 4]);
/// pool_runtime::shutdown();
/// assert_eq!(doubler.pmap(0..3, 2)?, [0, 2, 4]);
/// # Ok::<(), pool_runtime::Error>(())
/// ```
pub fn shutdown() {
    let registry = Registry::of_this_process();
    // One that boots cannot be told to end.
    let mut zygotes = registry.wait_for_boot(registry.lock());
    zygotes.end();
    zygotes.unavailable = None;
    Registry::let_go(zygotes);
}

/// The zygote of a process, and the threads that wait for the end of this one and of the
/// earlier ones.
#[derive(Debug, Default)]
struct Zygotes {
    zygote: Option<Zygote>,
    /// The one that boots.
    booting: Option<Booting>,
    unavailable: Option<Unavailable>,
    watchers: Vec<Watcher>,
}

/// No zygote with this fingerprint can be had, and why.
#[derive(Debug)]
struct Unavailable {
    fingerprint: Fingerprint,
    why: NotForked,
    /// Until when; `None` is for ever.
    until: Option<Instant>,
}

/// A thread that starts a zygote and waits for its end.
#[derive(Debug)]
struct Watcher {
    thread: JoinHandle<()>,
    /// `None` while it is being started.
    process: Option<Weak<ZygoteProcess>>,
}

impl Zygotes {
    fn fork(
        &mut self,
        registry: &'static Registry,
        template: &Arc<Template>,
        worker: &Worker<'_>,
    ) -> Result<Child, NotForked> {
        let fingerprint = match Fingerprint::take(template) {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                // Nothing can be compared; as a rule because there are no descriptors.
                self.end();
                return Err(if !is_exhausted(&error) {
                    NotForked::Unseen
                } else {
                    NotForked::Exhausted
                });
            }
        };
        if !fingerprint.can_have_siblings() {
            return Err(NotForked::Namespace);
        }
        // Twice, since a zygote may come to its end while it is asked.
        for _ in 0..2 {
            let zygote = self.provide(registry, &fingerprint, worker.dir)?;
            match zygote.fork(worker) {
                Answer::Forked(child) => return Ok(child),
                Answer::Failed => return Err(NotForked::NoAnswer),
                Answer::NoEntry => return Err(NotForked::Directory),
                Answer::Unfit => {
                    self.end();
                    let why = NotForked::Refused;
                    self.unavailable = Some(Unavailable { fingerprint, why, until: None });
                    return Err(why);
                }
                Answer::Exhausted => {
                    self.give_up_for_a_while();
                    self.end();
                    return Err(NotForked::Exhausted);
                }
                Answer::Silent => {
                    let untouched = self.end().unwrap_or(false);
                    if !untouched {
                        break;
                    }
                }
            }
        }
        Err(NotForked::NoAnswer)
    }

    /// A zygote whose fingerprint is that of a process executed now.
    fn provide(
        &mut self,
        registry: &'static Registry,
        fingerprint: &Fingerprint,
        dir: BorrowedFd<'_>,
    ) -> Result<&mut Zygote, NotForked> {
        if !self.has(fingerprint) {
            self.begin(registry, fingerprint, dir)?;
            // Callers of the pool wait.
            return Err(NotForked::Starting);
        }
        Ok(self.zygote.as_mut().expect("it is there"))
    }

    /// Whether the present zygote has this fingerprint and can be used.
    fn has(&self, fingerprint: &Fingerprint) -> bool {
        let fits = |zygote: &Zygote| zygote.fingerprint == *fingerprint && zygote.is_usable();
        self.zygote.as_ref().is_some_and(fits)
    }

    fn check_available(&self, wanted: &Fingerprint) -> Result<(), NotForked> {
        let over = |until: Option<Instant>| until.is_some_and(|until| Instant::now() >= until);
        match &self.unavailable {
            Some(Unavailable { fingerprint, why, until })
                if fingerprint == wanted && !over(*until) =>
            {
                Err(*why)
            }
            _ => Ok(()),
        }
    }

    /// Leaves the memory and descriptors that a zygote takes to the workers.
    fn give_up_for_a_while(&mut self) {
        if let Some(booting) = &mut self.booting {
            booting.is_unwanted = true;
        }
        if let Some(zygote) = &self.zygote {
            let (fingerprint, until) = (zygote.fingerprint.clone(), Instant::now() + ZYGOTE_RETRY);
            self.unavailable =
                Some(Unavailable { fingerprint, why: NotForked::Exhausted, until: Some(until) });
        }
    }

    /// Ends the zygote, if there is one. Tells whether it is certain that an unanswered
    /// request has forked nothing.
    fn end(&mut self) -> Option<bool> {
        self.zygote.take().map(Zygote::end)
    }
}

/// The zygotes of one process, and a link to those of its forked copies.
///
/// A forked copy has no watcher threads, its parent's zygote is not its child, and a thread
/// may have held the lock during the fork. So the copy touches nothing it inherits here and
/// has a registry of its own.
#[derive(Debug)]
struct Registry {
    owner: u32,
    zygotes: Mutex<Zygotes>,
    /// Signalled when a zygote has booted or has failed to.
    settled: Condvar,
    next: OnceLock<Box<Registry>>,
}

impl Registry {
    fn new() -> Registry {
        let zygotes = Mutex::new(Zygotes::default());
        let settled = Condvar::new();
        Registry { owner: std::process::id(), zygotes, settled, next: OnceLock::new() }
    }

    fn of_this_process() -> &'static Registry {
        static FIRST: OnceLock<Registry> = OnceLock::new();
        let own = std::process::id();
        let mut registry = FIRST.get_or_init(Registry::new);
        while registry.owner != own {
            registry = registry.next.get_or_init(|| Box::new(Registry::new()));
        }
        registry
    }

    fn lock(&self) -> MutexGuard<'_, Zygotes> {
        // After a panic under the lock there is a zygote or none, as always.
        self.zygotes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fork(
        &'static self,
        template: &Arc<Template>,
        worker: &Worker<'_>,
        may_wait: bool,
    ) -> Result<Child, NotForked> {
        let mut zygotes = self.lock();
        let mut child = zygotes.fork(self, template, worker);
        // More than once, as another pool may have wanted another.
        for _ in 0..3 {
            if !may_wait || !matches!(child, Err(NotForked::Starting)) {
                break;
            }
            zygotes = self.wait_for_boot(zygotes);
            child = zygotes.fork(self, template, worker);
        }
        if child.is_err() {
            // What a zygote held may be what the worker lacks.
            Registry::let_go(zygotes);
        }
        child
    }

    /// Unlocks, and waits until nothing is left of zygotes that have ended. Their watchers
    /// need the lock for a moment.
    fn let_go(mut zygotes: MutexGuard<'_, Zygotes>) {
        let ended = |watcher: &mut Watcher| {
            let process = watcher.process.as_ref();
            process
                .is_some_and(|process| process.upgrade().is_none_or(|process| process.has_ended()))
        };
        let watchers: Vec<Watcher> = zygotes.watchers.extract_if(.., ended).collect();
        drop(zygotes);
        for watcher in watchers {
            let _ = watcher.thread.join();
        }
    }

    /// Waits for a zygote's end and reaps it.
    fn watch(&self, process: Arc<ZygoteProcess>) {
        process.wait();
        let mut zygotes = self.lock();
        if zygotes.zygote.as_ref().is_some_and(|zygote| Arc::ptr_eq(&zygote.process, &process)) {
            zygotes.end();
        }
        process.reap_all();
        let orphans = process.orphans();
        // Close its descriptor before the thread is forgotten, so that whoever waits for the
        // thread finds the descriptor closed.
        drop(process);
        drop(zygotes);
        // Processes that constructors started were killed with the group. They may take a
        // moment to end, so reap them without the lock.
        let mut reaper = Reaper::new();
        reaper.reap(orphans);
        drop(reaper);
        self.lock().forget_this_thread();
    }
}
