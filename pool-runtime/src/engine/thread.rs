//! The engine's thread, which turns the core when no caller does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::shared::Shared;
use crate::sys::poller::Poller;
use crate::sys::signals;

pub(super) fn spawn(
    shared: Arc<Shared>,
    poller: Arc<Poller>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    // The thread inherits the mask: the program's signals are for the program's threads.
    let _blocked = signals::block_all();
    std::thread::Builder::new().name("pool-engine".into()).spawn(move || {
        let turned = catch_unwind(AssertUnwindSafe(|| turn(&shared, &poller)));
        if let Err(panic) = turned {
            shared.abandon(panic);
        }
    })
}

fn turn(shared: &Shared, poller: &Poller) {
    let mut tokens = Vec::new();
    let Ok(mut core) = shared.lock() else {
        return;
    };
    let mut timeout = core.timeout();
    drop(core);
    loop {
        tokens.clear();
        poller.wait(timeout, &mut tokens).expect("waiting on descriptors of our own cannot fail");
        let Ok(mut core) = shared.lock() else {
            return;
        };
        core.turn(&tokens);
        if core.is_finished() {
            let outside = core.let_go();
            drop(core);
            drop(outside);
            return;
        }
        timeout = core.timeout();
        // Releasing the lock may run callers' code, which may fork. The copy has only this
        // thread and ends with it.
        drop(core);
        if shared.is_foreign() {
            return;
        }
    }
}
