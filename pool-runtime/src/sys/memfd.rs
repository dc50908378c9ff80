//! Files that are memory, for processes to share.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::memfd_create;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::fds::above_standard;

/// A mapping beyond a file's end raises SIGBUS, so it must keep its length.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// So many bytes, all zero, that cost no memory before they are touched. The name is for
/// people who look at a process's mappings.
pub(super) fn create(name: &str, size: usize) -> io::Result<OwnedFd> {
    // Asked, since the kernel answers a file that is too large with a signal too, SIGXFSZ,
    // which ends the program.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| most < size as u64) {
        return Err(Errno::FBIG.into());
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = above_standard(memfd_create(name, flags)?)?;
    ftruncate(&file, size as u64)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file)
}

/// Refuses what is not such a file of that size.
pub(super) fn check(file: BorrowedFd<'_>, size: usize) -> io::Result<()> {
    let is_sealed = fcntl_get_seals(file)?.contains(SEALS);
    if !is_sealed || fstat(file)?.st_size != size as i64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_file_of_another_size_or_that_could_shrink_is_refused() {
        let file = create("right", 1 << 20).unwrap();
        check(file.as_fd(), 1 << 20).unwrap();
        check(file.as_fd(), 2 << 20).unwrap_err();
        let file = memfd_create("unsealed", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 1 << 20).unwrap();
        check(file.as_fd(), 1 << 20).unwrap_err();
    }
}
