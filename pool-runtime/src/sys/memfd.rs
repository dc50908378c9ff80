//! Files that are memory, for processes to share.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::memfd_create;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::process::{Resource, getrlimit};

use super::fds::above_standard;

/// A mapping beyond a file's end raises SIGBUS, so it must keep its length.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// An empty file, which [`finish`] gives its size. The name is for people who look at a
/// process's mappings.
pub(super) fn create(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    above_standard(memfd_create(name, flags)?)
}

/// So many bytes, all zero, that cost no memory before they are touched.
pub(super) fn finish(file: &OwnedFd, size: usize) -> io::Result<()> {
    // Asked, since the kernel answers a file that is too large with a signal too, SIGXFSZ,
    // which ends the program.
    if let Some(most) = getrlimit(Resource::Fsize).current.filter(|&most| most < size as u64) {
        let message = format!(
            "it takes {size} bytes of shared memory, and files may have {most}: see `ulimit -f`, \
             RLIMIT_FSIZE"
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    ftruncate(file, size as u64)?;
    Ok(fcntl_add_seals(file, SEALS)?)
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
        let file = create("right").unwrap();
        finish(&file, 1 << 20).unwrap();
        check(file.as_fd(), 1 << 20).unwrap();
        check(file.as_fd(), 2 << 20).unwrap_err();
        let file = create("unsealed").unwrap();
        ftruncate(&file, 1 << 20).unwrap();
        check(file.as_fd(), 1 << 20).unwrap_err();
    }
}
