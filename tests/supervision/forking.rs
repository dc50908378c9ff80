//! A caller's rule that forks: the copy goes on with the call of the original.

use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::sync::mpsc;

use pool_runtime::{Error, ErrorKind, Job, Pool};
use pool_tests::alone::alone;
use pool_tests::futures::block_on;
use pool_tests::pools::{idle, pids};
use pool_tests::runs;
use pool_tests::temp::TempDir;

use super::{Act, act};

/// Says that a copy that hangs is to end, by SIGALRM.
const PATIENCE: u32 = 20;

type Retried<'a> = Job<'a, act>;

/// How a call is made, the arguments of which are of an item that fails once or always.
type Call = fn(&Retried<'_>, (&str, u64, Act)) -> Result<u64, Error>;

/// Makes a call whose rule forks, and where the copy comes out of that call asserts that
/// it was refused, and ends. Gives how each copy has ended, and on which thread of the
/// original it was made.
fn forked(pool: &Pool, call: Call, item: (&str, u64, Act)) -> Vec<(ExitStatus, Option<String>)> {
    let original = std::process::id();
    let (tells, told) = mpsc::channel();
    let job = pool.job(act).retries(1).retry_if(move |_| {
        // SAFETY: the copy allocates, which the C library allows after a fork.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: an integer only.
            unsafe { libc::alarm(PATIENCE) };
            return true;
        }
        let mut status = 0;
        // SAFETY: it writes the status of this process's own child.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        let thread = std::thread::current().name().map(str::to_owned);
        tells.send((ExitStatus::from_raw(status), thread)).unwrap();
        true
    });
    let result = catch_unwind(AssertUnwindSafe(|| call(&job, item)));
    if std::process::id() != original {
        let is_refused = result.is_ok_and(|result| {
            result.is_err_and(|error| {
                error.kind() == ErrorKind::InvalidArgument
                    && error.to_string().contains("forked copy")
            })
        });
        // SAFETY: an integer only. The copy must not go on as a test.
        unsafe { libc::_exit(i32::from(!is_refused)) };
    }
    drop(job);
    let _ = result.expect("the original knows nothing of it");
    told.into_iter().collect()
}

#[test]
fn the_copy_of_a_rule_that_forks_is_refused_and_touches_nothing() {
    alone("forking::the_copy_of_a_rule_that_forks_is_refused_and_touches_nothing", || {
        let pool = Pool::new(1).unwrap();
        let calls: [(&str, Call); 5] = [
            ("apply", |job, item| job.apply(item)),
            ("map", |job, item| job.map([item]).map(|all| all[0])),
            ("imap", |job, item| job.imap([item]).next().unwrap()),
            ("apply_async", |job, item| job.apply_async(item)?.get()),
            ("await", |job, item| block_on(job.apply_async(item)?)),
        ];
        for (name, call) in calls {
            for does in [Act::Panic, Act::DieTimes(1)] {
                let dir = TempDir::new();
                let at = dir.path().to_str().unwrap();
                let before = idle(&pool, 1);
                let copies = forked(&pool, call, (at, 1, does));
                for (status, thread) in &copies {
                    assert!(status.success(), "{name}, {does:?}, on {thread:?}: {status}");
                }
                assert_eq!(copies.len(), 1, "{name}, {does:?}");
                assert_eq!(runs::noted(dir.path())[&1].len(), 2, "{name}, {does:?}: tried again");
                if does == Act::Panic {
                    assert_eq!(pids(&pool), before, "{name}: the copy ended a worker");
                }
            }
        }
        let dir = TempDir::new();
        let item = (dir.path().to_str().unwrap(), 2, Act::Return);
        assert_eq!(pool.apply(act, item).unwrap(), 2);
    });
}
