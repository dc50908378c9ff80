//! What a worker cannot start for, and that the error names the limit and its setting.

use std::ffi::OsString;
use std::time::Duration;

use pool_runtime::{Error, ErrorKind, Pool, PoolBuilder};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::limit;
use pool_tests::tasks::double;
use pool_tests::temp::TempDir;
use rustix::process::Resource;

#[track_caller]
fn assert_told(error: &Error, parts: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

#[track_caller]
fn refused(builder: PoolBuilder) -> Error {
    builder.workers(1).build().map(drop).expect_err("it cannot be started")
}

/// Twenty variables of 10,000 bytes.
fn many(builder: PoolBuilder) -> PoolBuilder {
    (0..20).fold(builder, |builder, n| builder.env(format!("MANY_{n}"), "x".repeat(10_000)))
}

#[test]
fn a_variable_that_is_too_long_is_named() {
    let _clean = clean();
    // More than 32 pages of 64 KiB.
    let long: OsString = "x".repeat(3 << 20).into();
    let error = refused(Pool::builder().env("SHORT", "x").env("FAR_TOO_LONG", long));
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    assert_told(&error, &[program, "\"FAR_TOO_LONG\" takes 3145742 bytes", "`env`"]);
    assert!(!error.to_string().contains("SHORT"), "{error}");
}

#[test]
fn variables_that_are_too_long_for_a_stack_size_name_it() {
    let _clean = clean();
    let error = refused(many(Pool::builder()).stack_size(256 << 10));
    assert_told(&error, &["stack_size of 262144", "\"MANY_"]);
    let pool = many(Pool::builder()).workers(1).stack_size(2 << 20).build().unwrap();
    assert_eq!(pool.apply(double, 2).unwrap(), 4);
}

#[test]
fn variables_that_are_too_long_for_the_programs_stack_name_its_limit() {
    alone("variables_that_are_too_long_for_the_programs_stack_name_its_limit", || {
        limit(Resource::Stack, 256 << 10);
        assert_told(&refused(many(Pool::builder())), &["`ulimit -s`", "262144"]);
        let pool = many(Pool::builder()).workers(1).stack_size(2 << 20).build().unwrap();
        assert_eq!(pool.apply(double, 2).unwrap(), 4);
    });
}

#[test]
fn a_limit_on_addresses_is_named_with_its_value_and_what_a_worker_takes() {
    alone("a_limit_on_addresses_is_named_with_its_value_and_what_a_worker_takes", || {
        limit(Resource::As, 1 << 30);
        let error = Pool::new(64).map(drop).unwrap_err();
        assert_told(&error, &["1 GiB", "`ulimit -v`", "RLIMIT_AS", "32 MiB"]);
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.map(double, 0..3).unwrap(), [0, 2, 4]);
    });
}

#[test]
fn a_limit_on_data_is_named() {
    alone("a_limit_on_data_is_named", || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let data = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
        let kibibytes: u64 = data.trim().trim_end_matches(" kB").parse().unwrap();
        // Too little for the stack of a thread.
        limit(Resource::Data, (kibibytes + 1024) << 10);
        let error = Pool::new(1).map(drop).unwrap_err();
        assert_told(&error, &["`ulimit -d`", "RLIMIT_DATA"]);
    });
}

#[test]
fn a_limit_on_descriptors_is_named_with_its_value() {
    alone("a_limit_on_descriptors_is_named_with_its_value", || {
        limit(Resource::Nofile, 64);
        let error = Pool::new(64).map(drop).unwrap_err();
        assert_told(&error, &["`ulimit -n`", "RLIMIT_NOFILE", "64"]);
    });
}

#[test]
fn a_start_that_takes_too_long_names_the_setting() {
    let _clean = clean();
    let temp = TempDir::new();
    let slow = Pool::builder().worker_program(temp.script("slow", "exec sleep 1000000"));
    let error = refused(slow.start_timeout(Duration::from_millis(100)));
    assert_told(&error, &["did not report in within 100ms", "`start_timeout`"]);
}
