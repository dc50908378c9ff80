//! A kernel, or a container, that lacks something.

/// Where the first argument is of what a filter sees; on these processors its lower half
/// comes first.
const FIRST: u32 = 16;

/// Has the kernel refuse this thread one system call from here on, and
/// whatever the thread starts.
///
/// # Panics
///
/// When the kernel refuses that.
pub fn refuse(call: i64, errno: i32) {
    install(&[
        jump_unless(call, 1),
        step(libc::BPF_RET | libc::BPF_K, 0, refusal(errno)),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

/// The same where the first argument of the call is this one.
///
/// # Panics
///
/// When the kernel refuses that.
pub fn refuse_with(call: i64, first: u32, errno: i32) {
    install(&[
        jump_unless(call, 3),
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, FIRST),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, first),
        step(libc::BPF_RET | libc::BPF_K, 0, refusal(errno)),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

/// The same where the first argument of the call has one of these bits.
///
/// # Panics
///
/// When the kernel refuses that.
pub fn refuse_flag(call: i64, bits: i32, errno: i32) {
    install(&[
        jump_unless(call, 3),
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, FIRST),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 1, bits.cast_unsigned()),
        step(libc::BPF_RET | libc::BPF_K, 0, refusal(errno)),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

fn step(code: u32, jump: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap(), jt: 0, jf: jump, k: value }
}

fn jump_unless(call: i64, jump: u8) -> libc::sock_filter {
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jump, u32::try_from(call).unwrap())
}

fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

fn install(steps: &[libc::sock_filter]) {
    // The call's number is the first of what a filter sees.
    let number = step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0);
    let steps: Vec<_> = std::iter::once(number).chain(steps.iter().copied()).collect();
    let program = libc::sock_fprog {
        len: u16::try_from(steps.len()).unwrap(),
        filter: steps.as_ptr().cast_mut(),
    };
    // SAFETY: both calls change this thread alone; the filter is read during the call,
    // in which `steps` is there, and its length is what `len` says.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    assert!(installed, "{}", std::io::Error::last_os_error());
}

/// Whether the kernel is of this version, or a later one.
///
/// # Panics
///
/// When the kernel does not say.
#[must_use]
pub fn is_at_least(version: [u32; 2]) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse());
    let mut next = || numbers.next().unwrap().unwrap();
    [next(), next()] >= version
}
