//! A zygote that is being started, on a thread of its own.
//!
//! Until it is ready it runs code of the program's (the dynamic loader, static constructors),
//! which may take as long as it likes: a second is borne. Workers are started under the lock
//! of their pool, where nobody must wait for that; so they are executed meanwhile. Only
//! while a pool is built, when there is nobody else to hold up, it is waited for.
//!
//! The thread is made by the one that wants a worker, from which it has all that the kernel
//! keeps for each thread and a child inherits (core, niceness, filters, rights): so its zygote
//! is what the other's would be.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use super::running::{Body, NoZygote, Zygote};
use super::{Hopeless, House, Keeper, Likeness, Nursery};
use crate::limits::ZYGOTE_RETRY;
use crate::supervisor::start::NotForked;
use crate::sys::{fds, signals};

/// Of the thread, which calls nothing deep.
const STACK: usize = 256 << 10;

/// What is being started.
#[derive(Debug)]
pub(super) struct Coming {
    likeness: Likeness,
    /// What it takes is needed for workers.
    pub(super) is_unwanted: bool,
}

impl Nursery {
    /// Has a thread start one that is like this, in place of what there is; unless one is
    /// being started already, whatever it is like.
    pub(super) fn begin(
        &mut self,
        house: &'static House,
        likeness: &Likeness,
        dir: BorrowedFd<'_>,
    ) -> Result<(), NotForked> {
        if self.coming.is_some() {
            return Ok(());
        }
        self.end();
        self.check_hope(likeness)?;
        let thread = house.start_keeper(likeness.clone(), dir);
        let thread = thread.map_err(|error| self.despair(likeness, error.into()))?;
        // Not before the lock is released will the thread look for these.
        self.coming = Some(Coming { likeness: likeness.clone(), is_unwanted: false });
        self.keepers.push(Keeper { thread, body: None });
        Ok(())
    }

    /// One that was started is ready, or never will be.
    fn settle(&mut self, started: Result<Zygote, NoZygote>, body: Weak<Body>) {
        let Coming { likeness, is_unwanted } = self.coming.take().expect("one is at a time");
        match started {
            Ok(zygote) => {
                self.zygote = Some(zygote);
                if is_unwanted {
                    self.give_up_for_a_while();
                    self.end();
                }
            }
            Err(error) => drop(self.despair(&likeness, error)),
        }
        let own = std::thread::current().id();
        let mut keepers = self.keepers.iter_mut();
        if let Some(keeper) = keepers.find(|keeper| keeper.thread.thread().id() == own) {
            keeper.body = Some(body);
        }
    }

    fn despair(&mut self, likeness: &Likeness, NoZygote { why, is_final }: NoZygote) -> NotForked {
        let until = (!is_final).then(|| Instant::now() + ZYGOTE_RETRY);
        self.hopeless = Some(Hopeless { likeness: likeness.clone(), why, until });
        why
    }

    pub(super) fn forget_this_thread(&mut self) {
        let own = std::thread::current().id();
        self.keepers.retain(|keeper| keeper.thread.thread().id() != own);
    }
}

impl House {
    /// Waits until none is being started.
    pub(super) fn settle<'a>(
        &'a self,
        mut nursery: MutexGuard<'a, Nursery>,
    ) -> MutexGuard<'a, Nursery> {
        while nursery.coming.is_some() {
            nursery = self.settled.wait(nursery).unwrap_or_else(PoisonError::into_inner);
        }
        nursery
    }

    fn start_keeper(
        &'static self,
        likeness: Likeness,
        dir: BorrowedFd<'_>,
    ) -> io::Result<std::thread::JoinHandle<()>> {
        let dir = fds::above_standard(dir.try_clone_to_owned()?)?;
        // Inherited by the thread: nothing of the program's may run on it.
        let _blocked = signals::block_all();
        let thread = std::thread::Builder::new().name("pool-zygote".into()).stack_size(STACK);
        thread.spawn(move || self.raise(&likeness, dir))
    }

    /// What the thread does.
    fn raise(&self, likeness: &Likeness, dir: OwnedFd) {
        let mut body = None;
        // Whatever happens, somebody may wait for the end of this.
        let started = catch_unwind(AssertUnwindSafe(|| {
            let zygote = Zygote::start(likeness, dir.as_fd())?;
            body = Some(Arc::clone(&zygote.body));
            zygote.boot()
        }));
        drop(dir);
        let none = NoZygote { why: NotForked::NotUp, is_final: false };
        let mut nursery = self.lock();
        let known = body.as_ref().map_or_else(Weak::new, Arc::downgrade);
        nursery.settle(started.unwrap_or(Err(none)), known);
        if body.is_none() {
            nursery.forget_this_thread();
        }
        drop(nursery);
        self.settled.notify_all();
        if let Some(body) = body {
            self.keep(body);
        }
    }
}
