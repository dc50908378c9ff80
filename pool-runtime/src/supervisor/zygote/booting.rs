//! A zygote that is being started, on a thread of its own.
//!
//! Until a zygote is ready, it runs code of the program (the dynamic loader, static
//! constructors). That may take any time; a zygote that takes more than a second is ended.
//! Workers are started under the lock of their pool, where nobody may wait that long, so they
//! are executed meanwhile. Only a pool that is being built waits, as nobody else uses it yet.
//!
//! The thread that wants a worker starts this one, which inherits all that the kernel keeps
//! for each thread and passes on to a child (core, niceness, filters, rights). So the zygote
//! inherits the same as a child of the thread that wants the worker.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use super::running::{NoZygote, Zygote, ZygoteProcess};
use super::{Fingerprint, Registry, Unavailable, Watcher, Zygotes};
use crate::limits::ZYGOTE_RETRY;
use crate::supervisor::start::NotForked;
use crate::sys::{fds, signals};

/// Bytes of the thread's stack. It calls nothing deep.
const STACK: usize = 256 << 10;

/// The zygote that is being started.
#[derive(Debug)]
pub(super) struct Booting {
    fingerprint: Fingerprint,
    /// Workers need the memory and descriptors that it takes.
    pub(super) is_unwanted: bool,
}

impl Zygotes {
    /// Has a thread start a zygote with this fingerprint, in place of the present one. Does
    /// nothing while any zygote is being started.
    pub(super) fn begin(
        &mut self,
        registry: &'static Registry,
        fingerprint: &Fingerprint,
        dir: BorrowedFd<'_>,
    ) -> Result<(), NotForked> {
        if self.booting.is_some() {
            return Ok(());
        }
        self.end();
        self.check_available(fingerprint)?;
        let thread = registry.start_watcher(fingerprint.clone(), dir);
        let thread = thread.map_err(|error| self.note_failure(fingerprint, error.into()))?;
        // The thread reads these under the lock, which the caller holds.
        self.booting = Some(Booting { fingerprint: fingerprint.clone(), is_unwanted: false });
        self.watchers.push(Watcher { thread, process: None });
        Ok(())
    }

    /// The zygote that was started is ready, or never will be.
    fn finish_boot(&mut self, started: Result<Zygote, NoZygote>, process: Weak<ZygoteProcess>) {
        let Booting { fingerprint, is_unwanted } = self.booting.take().expect("one is at a time");
        match started {
            Ok(zygote) => {
                self.zygote = Some(zygote);
                if is_unwanted {
                    self.give_up_for_a_while();
                    self.end();
                }
            }
            Err(error) => drop(self.note_failure(&fingerprint, error)),
        }
        let own = std::thread::current().id();
        let mut watchers = self.watchers.iter_mut();
        if let Some(watcher) = watchers.find(|watcher| watcher.thread.thread().id() == own) {
            watcher.process = Some(process);
        }
    }

    fn note_failure(
        &mut self,
        fingerprint: &Fingerprint,
        NoZygote { why, is_final }: NoZygote,
    ) -> NotForked {
        let until = (!is_final).then(|| Instant::now() + ZYGOTE_RETRY);
        self.unavailable = Some(Unavailable { fingerprint: fingerprint.clone(), why, until });
        why
    }

    pub(super) fn forget_this_thread(&mut self) {
        let own = std::thread::current().id();
        self.watchers.retain(|watcher| watcher.thread.thread().id() != own);
    }
}

impl Registry {
    /// Waits until no zygote is being started.
    pub(super) fn wait_for_boot<'a>(
        &'a self,
        mut zygotes: MutexGuard<'a, Zygotes>,
    ) -> MutexGuard<'a, Zygotes> {
        while zygotes.booting.is_some() {
            zygotes = self.settled.wait(zygotes).unwrap_or_else(PoisonError::into_inner);
        }
        zygotes
    }

    fn start_watcher(
        &'static self,
        fingerprint: Fingerprint,
        dir: BorrowedFd<'_>,
    ) -> io::Result<std::thread::JoinHandle<()>> {
        let dir = fds::above_standard(dir.try_clone_to_owned()?)?;
        // The thread inherits the mask: no handler of the program may run on it.
        let _blocked = signals::block_all();
        let thread = std::thread::Builder::new().name("pool-zygote".into()).stack_size(STACK);
        thread.spawn(move || self.boot_and_watch(&fingerprint, dir))
    }

    /// The thread's whole life.
    fn boot_and_watch(&self, fingerprint: &Fingerprint, dir: OwnedFd) {
        let mut process = None;
        // Callers may wait for the boot, so a panic must end it too.
        let started = catch_unwind(AssertUnwindSafe(|| {
            let zygote = Zygote::start(fingerprint, dir.as_fd())?;
            process = Some(Arc::clone(&zygote.process));
            zygote.boot()
        }));
        drop(dir);
        let none = NoZygote { why: NotForked::NotUp, is_final: false };
        let mut zygotes = self.lock();
        let known = process.as_ref().map_or_else(Weak::new, Arc::downgrade);
        zygotes.finish_boot(started.unwrap_or(Err(none)), known);
        if process.is_none() {
            zygotes.forget_this_thread();
        }
        drop(zygotes);
        self.settled.notify_all();
        if let Some(process) = process {
            self.watch(process);
        }
    }
}
