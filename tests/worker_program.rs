//! Worker programs that are not what they should be.

use std::path::Path;
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind, Pool, PoolBuilder, pool_task};
use pool_tests::clean::clean;
use pool_tests::temp::TempDir;

#[pool_task]
fn double(n: u64) -> u64 {
    n * 2
}

fn pool_of(program: impl AsRef<Path>) -> PoolBuilder {
    Pool::builder().workers(2).worker_program(program.as_ref())
}

fn failed(builder: PoolBuilder) -> Error {
    builder.build().map(|_| ()).expect_err("this is no worker program")
}

#[test]
fn a_program_that_cannot_be_executed_is_named() {
    let _clean = clean();
    let temp = TempDir::new();
    let plain = temp.file("plain");
    std::fs::write(&plain, "text\n").unwrap();
    let empty = temp.script("no interpreter", "");
    std::fs::write(&empty, "#!/no/such/interpreter\n").unwrap();
    let garbage = temp.script("garbage", "");
    std::fs::write(&garbage, [0x7f, b'E', b'L', b'F', 9, 9]).unwrap();
    let cases = [
        (temp.file("missing"), "No such file or directory"),
        (empty, "No such file or directory"),
        (plain, "Permission denied"),
        (temp.path().display().to_string(), "Permission denied"),
        (garbage, "Exec format error"),
        (String::new(), "No such file or directory"),
    ];
    for (program, why) in cases {
        let error = failed(pool_of(&program));
        let says = format!(
            "failed to start worker 0: failed to execute the worker program {program:?}: {why}"
        );
        assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
        assert!(error.to_string().starts_with(&says), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!((error.pid(), error.exit_code(), error.signal()), (None, None, None));
    }
    let error = failed(pool_of("with\0nul"));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("\"with\\0nul\""), "{error}");
}

#[test]
fn a_program_that_is_not_ours_and_ends_is_an_error_at_once() {
    let _clean = clean();
    let temp = TempDir::new();
    let cases = [
        ("/bin/true".to_owned(), 0),
        ("/bin/false".to_owned(), 1),
        (temp.script("exits", "exit 9"), 9),
        // It says something to what should be the program, and to the channel's
        // place in standard input.
        (temp.script("prints", "echo junk >&0; exit 3"), 3),
        (env!("CARGO_BIN_EXE_stranger").to_owned(), 0),
    ];
    for (program, code) in cases {
        let start = Instant::now();
        let result = pool_of(&program).build();
        if program.ends_with("stranger") {
            // This one is ours, but for the tasks.
            result.unwrap();
            continue;
        }
        let error = result.map(|_| ()).expect_err("this is no worker program");
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(code)), "{error}");
        let says = format!("exited with code {code} before it reported in (likely cause: ");
        assert!(error.to_string().contains(&says), "{error}");
        assert!(error.to_string().contains("a worker program that does not use"), "{error}");
        // The limit of a start, which it need not wait for.
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

#[test]
fn a_program_that_kills_itself_is_an_error_at_once() {
    let _clean = clean();
    let temp = TempDir::new();
    let error = failed(pool_of(temp.script("dies", "kill -TERM $$")));
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Spawn, Some(libc::SIGTERM)), "{error}");
    assert!(error.to_string().contains("was killed by SIGTERM before it reported in"), "{error}");
}

#[test]
fn a_program_that_stays_silent_is_an_error_in_time() {
    let _clean = clean();
    let temp = TempDir::new();
    let silent = [
        temp.script("sleeps", "exec sleep 1000000"),
        // What it has started goes with it.
        temp.script("has a child", "sleep 1000000"),
        temp.script("is deaf", "trap '' TERM INT HUP; while :; do sleep 1; done"),
        temp.script("writes junk", "while :; do echo junk >&0; sleep 1; done"),
        temp.script("lets go", "exec <&- >&-; exec sleep 1000000"),
    ];
    for program in silent {
        let start = Instant::now();
        let error = failed(pool_of(&program).start_timeout(Duration::from_millis(200)));
        assert_eq!(error.kind(), ErrorKind::Spawn, "{program}: {error}");
        assert!(start.elapsed() < Duration::from_secs(10), "{program}: {:?}", start.elapsed());
        let text = error.to_string();
        let silent = text.contains("did not report in within 200ms and was killed");
        assert!(silent || program.ends_with("lets go"), "{program}: {text}");
        assert!(text.contains("a worker program that does not use this library"), "{text}");
    }
}

#[test]
fn a_program_without_the_task_says_so_and_its_workers_live() {
    let _clean = clean();
    let pool = pool_of(env!("CARGO_BIN_EXE_stranger")).build().unwrap();
    let before = pool_tests::pools::pids(&pool);
    for (item, result) in pool.imap(double, 0..10).enumerate() {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.item()), (ErrorKind::InvalidArgument, Some(item)));
        assert_eq!(error.task(), Some("worker_program::double"));
        assert!(before.contains(&error.pid().unwrap()));
        let text = error.to_string();
        assert!(text.contains("has no task \"worker_program::double\""), "{text}");
        assert!(text.contains("likely cause: "), "{text}");
    }
    assert_eq!(pool_tests::pools::idle(&pool, 2), before);
    let error = pool.apply(double, 1).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::InvalidArgument, None), "{error}");
    assert_eq!(pool.map(double, 0..3).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn this_program_itself_by_its_path_is_a_worker_program() {
    let _clean = clean();
    let pool = pool_of(std::env::current_exe().unwrap()).build().unwrap();
    assert_eq!(pool.map(double, 0..5).unwrap(), [0, 2, 4, 6, 8]);
}
