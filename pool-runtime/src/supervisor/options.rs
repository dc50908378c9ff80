//! What a user may choose of a worker, and what of it no worker can do.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::thread::CpuSet;

use super::output::Output;
use crate::error::Error;
use crate::limits::LEAST_STACK;
use crate::sys::arena::Arena;
use crate::wire::message::Lifespan;
use crate::wire::settings::{Resource, Settings};

/// Where a standard stream of a worker goes.
#[derive(Debug)]
pub(crate) enum Stdio {
    /// Where the program's own goes.
    Inherit,
    Null,
    To(OwnedFd),
}

/// What a user may choose of a worker; all else is as in the program itself.
#[derive(Debug)]
pub(crate) struct LaunchOptions {
    /// `None` is the program itself.
    pub(crate) program: Option<PathBuf>,
    /// Whether workers may be forks of a copy of the program, if one can be had.
    pub(crate) forked: bool,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
    /// Takes precedence over these two.
    pub(crate) output: Output,
    pub(crate) stack: Option<u64>,
    pub(crate) name: Option<String>,
    pub(crate) one_shot: bool,
    pub(crate) lifespan: Lifespan,
    /// The cores of the slots, in turn; `None` is any.
    pub(crate) cores: Option<Vec<usize>>,
    /// Without the core, which is in `cores`.
    pub(crate) settings: Settings,
}

impl Default for LaunchOptions {
    fn default() -> Self {
        LaunchOptions {
            program: None,
            forked: true,
            env: Vec::new(),
            dir: None,
            stdin: Stdio::Null,
            stdout: Stdio::Inherit,
            stderr: Stdio::Inherit,
            output: Output::Inherit,
            stack: None,
            name: None,
            one_shot: false,
            lifespan: Lifespan::default(),
            cores: None,
            settings: Settings::default(),
        }
    }
}

impl LaunchOptions {
    /// Refuses what no worker could do; gives the cores to pin workers to.
    pub(super) fn check(&self) -> Result<Option<Vec<u32>>, Error> {
        let settings = &self.settings;
        if settings.memory == Some(0) {
            return Err(Error::invalid("a memory limit of 0 bytes: a worker needs some"));
        }
        if let Some(stack) = self.stack.filter(|&stack| stack < LEAST_STACK) {
            let message = format!("a stack_size of {stack} bytes: the least is {LEAST_STACK}");
            return Err(Error::invalid(message));
        }
        if let Some(nice) = settings.nice.filter(|nice| !(-20..=19).contains(nice)) {
            let message = format!("a niceness of {nice}: it is between -20 and 19");
            return Err(Error::invalid(message));
        }
        if let Some(name) = self.name.as_ref().filter(|name| name.contains('\0')) {
            return Err(Error::invalid(format!(
                "the name of a process contains a NUL byte: {name:?}"
            )));
        }
        let listed =
            settings.sandbox.iter().flat_map(|rules| rules.read.iter().chain(&rules.write));
        if let Some(path) = listed.into_iter().find(|path| path.contains(&0)) {
            let path = OsStr::from_bytes(path);
            return Err(Error::invalid(format!(
                "a path of the sandbox contains a NUL byte: {path:?}"
            )));
        }
        self.cores.as_deref().map(check_cores).transpose()
    }

    /// The memory in which workers read long items; `None` if all items are sent. A single
    /// process gets one item, so lending costs more than it saves. A sandboxed worker must not
    /// see the items of others. If a worker's memory or addresses are limited, all that it can
    /// read would count. If the memory cannot be had, items are sent too.
    pub(super) fn arena(&self) -> Option<(Arc<Arena>, OwnedFd)> {
        let counts = |resource| matches!(resource, Resource::AddressSpace | Resource::LockedMemory);
        let Settings { sandbox, limits, .. } = &self.settings;
        let is_watched =
            self.lifespan.memory.is_some() || limits.iter().any(|(resource, _)| counts(*resource));
        let lends = !self.one_shot && sandbox.is_none() && !is_watched;
        let (arena, file) = lends.then(Arena::create)?.ok()?;
        Some((Arc::new(arena), file))
    }
}

fn check_cores(cores: &[usize]) -> Result<Vec<u32>, Error> {
    if cores.is_empty() {
        return Err(Error::invalid("workers pinned to no core: name at least one"));
    }
    // The kernel decides which of them a worker may have, when the worker moves there. The
    // mask of the calling thread does not tell: a library may have pinned that thread.
    let checked = cores.iter().map(|&core| match u32::try_from(core) {
        Ok(number) if core < CpuSet::MAX_CPU => Ok(number),
        _ => Err(Error::invalid(format!(
            "workers pinned to core {core}: the cores that can be named are 0 to {}",
            CpuSet::MAX_CPU - 1
        ))),
    });
    checked.collect()
}

/// How many workers can run at the same time.
pub(super) fn room(cores: Option<&[u32]>) -> usize {
    match cores {
        // Workers inherit the cores of the thread that starts them.
        None => std::thread::available_parallelism().map_or(1, usize::from),
        Some(cores) => {
            let mut different = cores.to_vec();
            different.sort_unstable();
            different.dedup();
            different.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_on_the_same_core_have_room_for_one() {
        assert_eq!(room(Some(&[1, 1, 1])), 1);
        assert_eq!(room(Some(&[0, 1, 0])), 2);
        assert!(room(None) >= 1);
    }
}
