//! What of a user's settings makes no sense on its face, before any worker is asked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::thread::CpuSet;

use super::launch::Wishes;
use crate::error::Error;
use crate::limits::LEAST_STACK;

/// Refuses what no worker could do; gives the cores that were asked for.
pub(super) fn check(wishes: &Wishes) -> Result<Option<Vec<u32>>, Error> {
    let settings = &wishes.settings;
    if settings.memory == Some(0) {
        return Err(Error::invalid("a memory limit of 0 bytes: a worker needs some"));
    }
    if let Some(stack) = wishes.stack.filter(|&stack| stack < LEAST_STACK) {
        let message = format!("a stack_size of {stack} bytes: the least is {LEAST_STACK}");
        return Err(Error::invalid(message));
    }
    if let Some(nice) = settings.nice.filter(|nice| !(-20..=19).contains(nice)) {
        let message = format!("a niceness of {nice}: it is between -20 and 19");
        return Err(Error::invalid(message));
    }
    if let Some(name) = wishes.name.as_ref().filter(|name| name.contains('\0')) {
        return Err(Error::invalid(format!("the name of a process contains a NUL byte: {name:?}")));
    }
    let listed = settings.sandbox.iter().flat_map(|rules| rules.read.iter().chain(&rules.write));
    if let Some(path) = listed.into_iter().find(|path| path.contains(&0)) {
        let path = OsStr::from_bytes(path);
        return Err(Error::invalid(format!("a path of the sandbox contains a NUL byte: {path:?}")));
    }
    wishes.cores.as_deref().map(check_cores).transpose()
}

fn check_cores(cores: &[usize]) -> Result<Vec<u32>, Error> {
    if cores.is_empty() {
        return Err(Error::invalid("workers pinned to no core: name at least one"));
    }
    // Which of them a worker may have, the kernel decides when the worker goes there. The
    // mask of the calling thread says nothing of it: a library may have pinned that thread.
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
        // Workers run where the thread may that starts them.
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
