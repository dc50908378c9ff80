//! The program's side of its zygote: at most one, started when a worker is, and
//! never noticed.
//!
//! ```text
//!   launch ── fork ──> Nursery ── request ──> zygote ── clone3 ──> worker
//!                        │  <──── pid, pidfd ───┘                    │
//!                        └───────────── a child of the program ──────┘
//! ```
//!
//! **What a worker gets** is what exec would have given it at that moment. Its
//! directory and streams travel with the request. Everything else that a process
//! inherits is compared, before every fork, with what it was when the zygote was
//! started (`Likeness`); where it differs, that zygote goes and another comes.
//! What only the kernel can tell, whether the program has become less than its
//! zygote, it is asked for too: a program that may not look into its zygote does
//! not use it.
//!
//! **What goes wrong here is no error.** If no zygote can be started, or it does not
//! answer, the worker is executed; if that fails too, its failure is the error.
//! `Pool::workers` tells how each worker was started, and why so. After a zygote that
//! did not come up, none is tried for a while; after one that says that it is unfit (a
//! constructor started a thread), none until the surroundings change. One that met a
//! lack of processes, memory or descriptors goes, so that what it takes is there for the
//! workers.
//!
//! **Nothing is left behind.** A request without an answer is the one hard case:
//! the zygote was killed, or is stopped, and may or may not have forked by then.
//! It is killed, and once it has ended nobody forks any more. What it forked last
//! stands in a page that it shares with the program, where the *kernel* wrote the
//! pid in the same system call, before the copy could run: between the two there
//! is no instruction of the zygote's at which a signal could take effect. So the
//! program finds that copy, kills and reaps it, and executes a worker in its
//! place, on another channel: two processes on one never are. That is [`Body`]'s
//! to do, once, by whoever sees the end first.
//!
//! **Nobody waits for one that boots** while callers wait for whoever asks. It is started,
//! and waited for, on a thread of its own (`coming`); a worker that is wanted meanwhile is
//! executed. Only while a pool is built, and nobody can use it yet, it is waited for.
//!
//! That thread then waits for the zygote's end, to reap it whenever it comes: after ten
//! idle seconds by itself, by [`shutdown`], or by somebody's kill. It waits on the
//! pidfd alone, without a deadline. The zygote watches the program as workers do,
//! by the hang-up of its lifeline, which the kernel answers with SIGKILL, with the
//! zygote's own rights: so letting go of it also ends one that the program may not
//! signal any more, and one that is stopped.
//!
//! **Locks.** A pool's core, then the nursery. The thread takes only the nursery.

mod coming;
mod likeness;
mod running;

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use super::reaper::Reaper;
use super::scarcity::is_short;
use super::start::NotForked;
use crate::limits::ZYGOTE_RETRY;
use crate::sys::child::Child;
use coming::Coming;
use likeness::Likeness;
pub(super) use likeness::Template;
use running::{Answer, Body, Zygote};

/// What a worker is forked with.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    pub(super) lifeline: BorrowedFd<'a>,
    pub(super) dir: BorrowedFd<'a>,
    pub(super) stdout: Option<BorrowedFd<'a>>,
    pub(super) stderr: Option<BorrowedFd<'a>>,
}

/// Forks a worker. If that cannot be, nothing is left of the attempt, but what waits on
/// the lifeline may have been read.
///
/// Who is `patient` waits for a zygote that boots, for a second or so.
pub(super) fn fork(
    template: &Arc<Template>,
    worker: &Worker<'_>,
    patient: bool,
) -> Result<Child, NotForked> {
    House::of_this_process().fork(template, worker, patient)
}

/// Ends an idle zygote to make room for what is needed more; tells whether there
/// was one.
pub(super) fn make_room() -> bool {
    let mut nursery = House::of_this_process().lock();
    nursery.give_up_for_a_while();
    let ended = nursery.end().is_some();
    House::let_go(nursery);
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
    let house = House::of_this_process();
    // One that boots cannot be told to end.
    let mut nursery = house.settle(house.lock());
    nursery.end();
    nursery.hopeless = None;
    House::let_go(nursery);
}

/// The zygote of a process, and the threads that wait for its end and for that of
/// those before it.
#[derive(Debug, Default)]
struct Nursery {
    zygote: Option<Zygote>,
    /// One that boots.
    coming: Option<Coming>,
    hopeless: Option<Hopeless>,
    keepers: Vec<Keeper>,
}

/// Where no zygote is to be had, and why.
#[derive(Debug)]
struct Hopeless {
    likeness: Likeness,
    why: NotForked,
    /// Until when that is so; `None` is for ever.
    until: Option<Instant>,
}

/// A thread that starts a zygote and waits for its end.
#[derive(Debug)]
struct Keeper {
    thread: JoinHandle<()>,
    /// `None` while it is being started.
    body: Option<Weak<Body>>,
}

impl Nursery {
    fn fork(
        &mut self,
        house: &'static House,
        template: &Arc<Template>,
        worker: &Worker<'_>,
    ) -> Result<Child, NotForked> {
        let likeness = match Likeness::take(template) {
            Ok(likeness) => likeness,
            Err(error) => {
                // Nothing can be compared; as a rule because there are no descriptors.
                self.end();
                return Err(if !is_short(&error) { NotForked::Unseen } else { NotForked::Scarce });
            }
        };
        if !likeness.can_have_siblings() {
            return Err(NotForked::Namespace);
        }
        // Twice, since a zygote may come to its end while it is asked.
        for _ in 0..2 {
            let zygote = self.provide(house, &likeness, worker.dir)?;
            match zygote.fork(worker) {
                Answer::Forked(child) => return Ok(child),
                Answer::Failed => return Err(NotForked::NoAnswer),
                Answer::NoEntry => return Err(NotForked::Directory),
                Answer::Unfit => {
                    self.end();
                    let why = NotForked::Refused;
                    self.hopeless = Some(Hopeless { likeness, why, until: None });
                    return Err(why);
                }
                Answer::Scarce => {
                    self.give_up_for_a_while();
                    self.end();
                    return Err(NotForked::Scarce);
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

    /// A zygote that is like what exec would start now.
    fn provide(
        &mut self,
        house: &'static House,
        likeness: &Likeness,
        dir: BorrowedFd<'_>,
    ) -> Result<&mut Zygote, NotForked> {
        if !self.has(likeness) {
            self.begin(house, likeness, dir)?;
            // Callers of the pool wait.
            return Err(NotForked::Starting);
        }
        Ok(self.zygote.as_mut().expect("it is there"))
    }

    /// Whether there is one that is like this.
    fn has(&self, likeness: &Likeness) -> bool {
        let fits = |zygote: &Zygote| zygote.likeness == *likeness && zygote.is_at_hand();
        self.zygote.as_ref().is_some_and(fits)
    }

    fn check_hope(&self, wanted: &Likeness) -> Result<(), NotForked> {
        let over = |until: Option<Instant>| until.is_some_and(|until| Instant::now() >= until);
        match &self.hopeless {
            Some(Hopeless { likeness, why, until }) if likeness == wanted && !over(*until) => {
                Err(*why)
            }
            _ => Ok(()),
        }
    }

    /// What the zygote takes is needed for the workers.
    fn give_up_for_a_while(&mut self) {
        if let Some(coming) = &mut self.coming {
            coming.is_unwanted = true;
        }
        if let Some(zygote) = &self.zygote {
            let (likeness, until) = (zygote.likeness.clone(), Instant::now() + ZYGOTE_RETRY);
            self.hopeless = Some(Hopeless { likeness, why: NotForked::Scarce, until: Some(until) });
        }
    }

    /// Ends the zygote, if there is one. Tells whether a request of which nobody
    /// knows what became is untouched: as certain as the end of the zygote.
    fn end(&mut self) -> Option<bool> {
        self.zygote.take().map(Zygote::end)
    }
}

/// The nursery of a process; after it those of copies that the process is forked
/// as.
///
/// A copy has no thread that waits for the zygote, which is not its child, and
/// somebody may have held the lock when it was forked. So it touches nothing that
/// it finds here, and has its own.
#[derive(Debug)]
struct House {
    owner: u32,
    nursery: Mutex<Nursery>,
    /// A zygote has booted, or has failed to.
    settled: Condvar,
    next: OnceLock<Box<House>>,
}

impl House {
    fn new() -> House {
        let nursery = Mutex::new(Nursery::default());
        let settled = Condvar::new();
        House { owner: std::process::id(), nursery, settled, next: OnceLock::new() }
    }

    fn of_this_process() -> &'static House {
        static FIRST: OnceLock<House> = OnceLock::new();
        let own = std::process::id();
        let mut house = FIRST.get_or_init(House::new);
        while house.owner != own {
            house = house.next.get_or_init(|| Box::new(House::new()));
        }
        house
    }

    fn lock(&self) -> MutexGuard<'_, Nursery> {
        // After a panic under the lock there is a zygote or none, as always.
        self.nursery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fork(
        &'static self,
        template: &Arc<Template>,
        worker: &Worker<'_>,
        patient: bool,
    ) -> Result<Child, NotForked> {
        let mut nursery = self.lock();
        let mut child = nursery.fork(self, template, worker);
        // More than once, as another pool may have wanted another.
        for _ in 0..3 {
            if !patient || !matches!(child, Err(NotForked::Starting)) {
                break;
            }
            nursery = self.settle(nursery);
            child = nursery.fork(self, template, worker);
        }
        if child.is_err() {
            // What a zygote held may be what the worker lacks.
            House::let_go(nursery);
        }
        child
    }

    /// Unlocks, and waits until nothing is left of zygotes that have ended: the
    /// threads that waited for their end need the lock for a moment.
    fn let_go(mut nursery: MutexGuard<'_, Nursery>) {
        let ended = |keeper: &mut Keeper| {
            let body = keeper.body.as_ref();
            body.is_some_and(|body| body.upgrade().is_none_or(|body| body.has_ended()))
        };
        let keepers: Vec<Keeper> = nursery.keepers.extract_if(.., ended).collect();
        drop(nursery);
        for keeper in keepers {
            let _ = keeper.thread.join();
        }
    }

    /// What the thread does that waits for a zygote's end.
    fn keep(&self, body: Arc<Body>) {
        body.wait();
        let mut nursery = self.lock();
        if nursery.zygote.as_ref().is_some_and(|zygote| Arc::ptr_eq(&zygote.body, &body)) {
            nursery.end();
        }
        body.bury();
        let orphans = body.orphans();
        // Its descriptor goes before the thread is nobody's any more.
        drop(body);
        drop(nursery);
        // What constructors have started was killed with the group. Without the lock: it may
        // take a moment to end.
        let mut reaper = Reaper::new();
        reaper.reap(orphans);
        drop(reaper);
        self.lock().forget_this_thread();
    }
}
