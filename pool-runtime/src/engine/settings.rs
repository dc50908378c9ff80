//! What of a user's settings makes no sense on its face, before any worker is asked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::thread::{CpuSet, sched_getaffinity};

use super::launch::Wishes;
use crate::error::Error;

/// Refuses what no worker could do; gives the cores that were asked for.
pub(super) fn check(wishes: &Wishes) -> Result<Option<Vec<u32>>, Error> {
    let settings = &wishes.settings;
    if settings.memory == Some(0) {
        return Err(Error::invalid("a memory limit of 0 bytes: a worker needs some"));
    }
    if let Some(nice) = settings.nice.filter(|nice| !(-20..=19).contains(nice)) {
        let message = format!("a niceness of {nice}: it is between -20 and 19");
        return Err(Error::invalid(message));
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
    let allowed = sched_getaffinity(None).map_err(|cause| {
        let message = format!("failed to see which cores this program may use: {cause}");
        Error::invalid(message).with_source(cause)
    })?;
    let is_allowed = |core: usize| core < CpuSet::MAX_CPU && allowed.is_set(core);
    let checked = cores.iter().map(|&core| match u32::try_from(core) {
        Ok(number) if is_allowed(core) => Ok(number),
        _ => Err(Error::invalid(format!(
            "workers pinned to core {core}, which is not among those that this program may use: \
             {:?}",
            (0..CpuSet::MAX_CPU).filter(|&core| is_allowed(core)).collect::<Vec<_>>()
        ))),
    });
    checked.collect()
}

/// How many workers can run at the same time.
pub(super) fn room(cores: Option<&[u32]>) -> usize {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    match cores {
        None => all,
        Some(cores) => {
            let mut different = cores.to_vec();
            different.sort_unstable();
            different.dedup();
            different.len().min(all)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_on_the_same_core_have_room_for_one() {
        assert_eq!(room(Some(&[1, 1, 1])), 1);
        assert!(room(None) >= room(Some(&[0, 1])));
    }
}
