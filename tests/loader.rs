//! A program that is started through the dynamic loader: `/proc/self/exe` is the loader.

use std::process::Command;

use pool_tests::clean::clean;
use pool_tests::started::{assert_works, meanwhile};
use pool_tests::temp::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_started");

#[cfg(target_arch = "x86_64")]
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "/lib/ld-linux-aarch64.so.1";

fn through_the_loader(program: &str) -> Command {
    let mut command = Command::new(LOADER);
    command.arg(program);
    command
}

#[test]
fn it_works_as_ever() {
    assert_works(|| Command::new(PROGRAM));
}

#[test]
fn through_the_loader_it_works_and_no_argument_is_executed() {
    assert_works(|| through_the_loader(PROGRAM));
}

fn while_it_waits(temp: &TempDir, change: impl FnOnce(&str)) -> [String; 2] {
    meanwhile(temp, PROGRAM, through_the_loader, change)
}

/// A pool that stands goes on; another cannot be made, and the error says why.
fn assert_no_other_pool([worker, pool]: &[String; 2], why: &str) {
    assert_eq!(worker, "a new worker: Ok(4)");
    assert!(pool.starts_with("a new pool: Err("), "{pool}");
    for part in ["was started through", "ld-", why, "`worker_program`"] {
        assert!(pool.contains(part), "{part}: {pool}");
    }
}

#[test]
fn a_file_that_is_as_it_was_is_found_again() {
    let _clean = clean();
    let lines = while_it_waits(&TempDir::new(), |_| {});
    assert_eq!(lines, ["a new worker: Ok(4)", "a new pool: Ok([6, 8])"]);
}

#[test]
fn a_deleted_file_serves_the_pools_that_have_it() {
    let _clean = clean();
    let lines = while_it_waits(&TempDir::new(), |copy| std::fs::remove_file(copy).unwrap());
    assert_no_other_pool(&lines, "No such file or directory");
}

#[test]
fn what_has_taken_the_programs_name_is_not_executed() {
    let _clean = clean();
    let temp = TempDir::new();
    let marker = temp.file("marker");
    let other = temp.script("other", &format!("echo ran >> {marker}"));
    let lines = while_it_waits(&temp, |copy| std::fs::rename(&other, copy).unwrap());
    assert!(!std::fs::exists(&marker).unwrap());
    // Of a file that was deleted the kernel says so behind its name.
    assert_no_other_pool(&lines, "");
}

#[test]
fn whoever_may_not_execute_the_program_is_told_which_it_is_and_who_asks() {
    use std::os::unix::fs::PermissionsExt;
    let _clean = clean();
    let temp = TempDir::new();
    let mut path = String::new();
    // Not even root may, where nobody may.
    let lines = meanwhile(
        &temp,
        PROGRAM,
        |copy| Command::new(copy),
        |copy| {
            std::fs::set_permissions(copy, PermissionsExt::from_mode(0o600)).unwrap();
            path = copy.to_owned();
        },
    );
    let user = rustix::process::geteuid().as_raw().to_string();
    for line in &lines {
        for part in ["failed to execute the worker program", &path, "Permission denied", &user] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("/proc/self/exe"), "{line}");
    }
}

#[test]
fn the_programs_file_stays_open_until_it_is_executed_however_the_rest_is_closed() {
    let refused = || {
        pool_tests::kernel::refuse(libc::SYS_close_range, libc::ENOSYS);
        assert_works(|| through_the_loader(PROGRAM));
    };
    std::thread::scope(|scope| scope.spawn(refused).join().unwrap());
}
