//! A worker's sandbox: Landlock limits the files that it may open, and a filter of system calls
//! keeps it from the network.
//!
//! The kernel enforces both. They cannot be removed, and all processes that the task starts
//! inherit them. Open descriptors stay usable: the standard streams and the channel.

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::sys::{dying, fork};
use crate::wire::settings::Rules;

/// The newest rights that are requested; an older kernel enforces those that it knows.
const NEWEST: ABI = ABI::V6;

/// System calls by which a process reaches other machines, or other processes that could do so
/// on its behalf.
pub(super) const FORBIDDEN: [libc::c_long; 13] = [
    // Sockets with addresses. The bell is open already, and the sockets of `socketpair` are
    // connected only to each other, but see below.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // io_uring does all of these, unseen by a filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Taking over a process of the same user outside the sandbox, or its sockets.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
];

/// Enters the sandbox. The error completes "could not …".
pub(super) fn enter(rules: &Rules) -> Result<(), String> {
    // Landlock limits the calling thread and what that thread starts.
    if fork::threads().ok() != Some(1) {
        return Err("enter its sandbox: a static constructor has started a thread, which would \
                    stay outside"
            .into());
    }
    let filter = filter().map_err(|cause| format!("make its filter of system calls: {cause}"))?;
    dying::watch_calls().map_err(|cause| format!("handle forbidden system calls: {cause}"))?;
    restrict_files(rules)?;
    seccompiler::apply_filter(&filter).map_err(|cause| {
        format!(
            "install its filter of system calls: {cause} (likely cause: a kernel, or a container, \
             without seccomp)"
        )
    })
}

fn restrict_files(rules: &Rules) -> Result<(), String> {
    let failed = |cause: RulesetError| match cause {
        RulesetError::HandleAccesses(_) => "restrict its files: this kernel has no Landlock \
                                            (likely cause: it is older than Linux 5.13, or was \
                                            started without `landlock` among its `lsm=`)"
            .to_owned(),
        cause => format!("restrict its files: {cause}"),
    };
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map(|ruleset| ruleset.set_compatibility(CompatLevel::BestEffort))
        .and_then(|ruleset| ruleset.handle_access(AccessFs::from_all(NEWEST)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    let reading = AccessFs::from_read(NEWEST);
    let writing = reading | AccessFs::from_write(NEWEST);
    for (paths, access, verb) in [(&rules.read, reading, "read"), (&rules.write, writing, "write")]
    {
        for path in paths {
            let path = OsStr::from_bytes(path);
            // Opened now, as a relative path is relative to the worker's directory.
            let file = PathFd::new(path).map_err(|cause| {
                format!("open {path:?}, which its sandbox lets it {verb}: {cause}")
            })?;
            ruleset = ruleset.add_rule(PathBeneath::new(file, access)).map_err(failed)?;
        }
    }
    ruleset.restrict_self().map_err(failed)?;
    Ok(())
}

fn filter() -> Result<seccompiler::BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        FORBIDDEN.iter().map(|&call| (call, Vec::new())).collect();
    // A pair of datagram sockets is connected, and can send to other addresses all the same, as
    // to a daemon that listens for such.
    let kind_is = |kind: libc::c_int| {
        let masked = SeccompCmpOp::MaskedEq(0xf);
        let kind = u64::from(kind.unsigned_abs());
        SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, masked, kind)?])
    };
    let kinds = vec![kind_is(libc::SOCK_DGRAM)?, kind_is(libc::SOCK_RAW)?];
    rules.insert(libc::SYS_socketpair, kinds);
    // The same calls by their numbers in the x32 interface, if the kernel has it.
    #[cfg(target_arch = "x86_64")]
    {
        const X32: i64 = 0x4000_0000;
        /// The calls with new numbers there: ptrace, process_vm_readv and writev.
        const ANEW: [i64; 3] = [521, 539, 540];
        let same: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
        rules.extend(same);
        rules.extend(ANEW.map(|call| (call | X32, Vec::new())));
    }
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    // Calls of another architecture (32 bits) end the process without a handler.
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trap, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::calls;

    #[test]
    fn every_forbidden_call_has_a_name() {
        for call in FORBIDDEN.into_iter().chain([libc::SYS_socketpair]) {
            let number = u32::try_from(call).unwrap();
            assert!(calls::name(number).is_some(), "{number}");
        }
    }

    #[test]
    fn the_filter_can_be_made() {
        assert!(filter().unwrap().len() > FORBIDDEN.len());
    }
}
