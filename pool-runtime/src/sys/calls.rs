//! What system calls are called.

/// The name of a system call by its number, of those that a filter may forbid.
pub(crate) fn name(number: u32) -> Option<&'static str> {
    /// Set in the numbers of the x32 interface, which has most calls under the same.
    const X32: u32 = 0x4000_0000;
    let name = match libc::c_long::from(number & !X32) {
        libc::SYS_accept => "accept",
        libc::SYS_accept4 => "accept4",
        libc::SYS_bind => "bind",
        libc::SYS_connect => "connect",
        libc::SYS_io_uring_enter => "io_uring_enter",
        libc::SYS_io_uring_register => "io_uring_register",
        libc::SYS_io_uring_setup => "io_uring_setup",
        libc::SYS_listen => "listen",
        libc::SYS_pidfd_getfd => "pidfd_getfd",
        libc::SYS_process_vm_readv => "process_vm_readv",
        libc::SYS_process_vm_writev => "process_vm_writev",
        libc::SYS_ptrace => "ptrace",
        libc::SYS_socket => "socket",
        libc::SYS_socketpair => "socketpair",
        _ => return None,
    };
    Some(name)
}
