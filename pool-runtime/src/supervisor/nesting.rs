//! Whether a pool may be made in this process, and how deep its workers would be nested.

use crate::error::{Error, ErrorKind};
use crate::limits::MAX_DEPTH;
use crate::worker;

/// The depth of workers that are started here: 1 in a program that is no worker.
pub(super) fn depth() -> Result<u32, Error> {
    let refused = |why: String| Err(Error::new(ErrorKind::Spawn, why));
    if worker::hook_missed() {
        return refused(
            "this process was started as a worker, and the hook that lets it serve has not run: \
             the linker dropped it, so call `pool_runtime::init()` first in main; or a static \
             constructor that stands before it makes a pool, which is to be made in main or later"
                .into(),
        );
    }
    if worker::is_booting() {
        return refused(
            "this process is a worker that is starting, and a static constructor, which runs in \
             each worker too, makes a pool: make it in main or later"
                .into(),
        );
    }
    let depth = worker::depth() + 1;
    if depth > MAX_DEPTH {
        return refused(format!(
            "pools are nested {MAX_DEPTH} deep already, which is the limit (likely cause: a task \
             that makes a pool for itself)"
        ));
    }
    Ok(depth)
}
