//! Ends of processes, put into words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a process ended, as the rest of "worker 2 (pid 4711) …".
pub(crate) fn describe_exit(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "ended, and its exit status was taken by somebody else \
                (likely cause: the program ignores SIGCHLD or waits for any child)"
            .into();
    };
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was killed by {}", signal_name(signal)),
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => format!("ended with {status}"),
    }
}

/// What usually stands behind such an end.
pub(crate) fn likely_cause(status: Option<ExitStatus>) -> Option<&'static str> {
    match status?.signal() {
        Some(libc::SIGSEGV | libc::SIGBUS) => Some("a bad memory access or a stack overflow"),
        Some(libc::SIGABRT) => Some(
            "abort(), a failed assertion in C, no memory left, or a panic that could not unwind",
        ),
        Some(libc::SIGKILL) => Some("the kernel was out of memory, or somebody sent the signal"),
        Some(libc::SIGTERM) => Some("a service manager or `kill`: see `ignore_sigterm`"),
        Some(libc::SIGILL | libc::SIGTRAP) => Some("a trap in the compiled code"),
        Some(libc::SIGXCPU) => Some("its limit of processor time, RLIMIT_CPU: see `rlimit`"),
        Some(libc::SIGSYS) => Some("a system call that a filter forbids"),
        Some(_) => None,
        None => Some("the task, or a library it calls, ended the process instead of returning"),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGVTALRM => "SIGVTALRM",
        libc::SIGPROF => "SIGPROF",
        libc::SIGSYS => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_named() {
        let status = |raw| Some(ExitStatus::from_raw(raw));
        assert_eq!(describe_exit(status(11)), "was killed by SIGSEGV");
        assert_eq!(describe_exit(status(99 << 8)), "exited with code 99");
        assert_eq!(describe_exit(status(34)), "was killed by signal 34");
        assert!(describe_exit(None).contains("SIGCHLD"));
        let cause = likely_cause(status(libc::SIGTERM)).unwrap();
        assert!(cause.contains("`kill`") && cause.contains("`ignore_sigterm`"), "{cause}");
    }
}
