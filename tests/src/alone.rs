//! A test in a process of its own: for what must not happen to the other tests
//! of the binary, like a limit, another user or a changed signal disposition.

use std::process::{Command, Output};

use crate::clean::clean;

/// Tells the process that it is the one, and for which test.
const ALONE: &str = "POOL_TESTS_ALONE";

/// Runs the calling test, whose path is `test`, in a process of its own. In that
/// process it runs `body` and gives `None`; in the first it gives what that
/// process has printed, once it has ended well.
///
/// # Panics
///
/// When the test fails in its own process.
pub fn alone(test: &str, body: impl FnOnce()) -> Option<Output> {
    let _clean = clean();
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        body();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ALONE, test);
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("test result: ok. 1 passed"),
        "{test} alone: {}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output)
}
