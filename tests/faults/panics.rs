//! Panics out of the ordinary.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::fault::{Fault, kill_this_process};
use pool_tests::pools::pids;

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// A payload whose destructor throws another such payload.
struct Fuse(u32);

impl Drop for Fuse {
    fn drop(&mut self) {
        panic_any(Fuse(self.0 + 1));
    }
}

#[pool_task]
fn odd_panic(which: &str) -> u32 {
    match which {
        "number" => panic_any(42),
        "text" => panic_any(String::from("owned text")),
        "bomb" => panic_any(Bomb),
        "fuse" => panic_any(Fuse(0)),
        "resumed" => resume_unwind(Box::new("resumed")),
        "empty" => panic!(""),
        "assertion" => {
            assert_eq!(1, 2, "numbers");
        }
        "thread" => {
            let thread = std::thread::spawn(|| resume_unwind(Box::new("in a thread")));
            resume_unwind(thread.join().unwrap_err());
        }
        "nested" => {
            catch_unwind(|| panic!("the inner one")).unwrap_err();
            panic!("the outer one");
        }
        _ => {}
    }
    std::process::id()
}

#[test]
fn whatever_is_thrown_is_an_error_and_the_worker_lives() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).env("RUST_LIB_BACKTRACE", "1").build().unwrap();
    let before = pids(&pool);
    let not_text = "a value that is not text";
    let cases = [
        ("number", not_text, true),
        ("text", "owned text", true),
        ("bomb", not_text, true),
        ("fuse", not_text, true),
        ("resumed", "resumed", false),
        ("empty", "", true),
        ("thread", "in a thread", false),
        ("nested", "the outer one", true),
    ];
    for (which, message, placed) in cases {
        let error = pool.apply(odd_panic, which).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked, "{which}: {error}");
        assert_eq!(error.panic_message(), Some(message), "{which}: {error}");
        assert_eq!(error.panic_location().is_some(), placed, "{which}: {error}");
        assert_eq!(error.backtrace().is_some(), placed, "{which}: {error}");
        assert_eq!(error.pid(), before.first().copied(), "{which}: {error}");
        assert_eq!((error.signal(), error.exit_code()), (None, None), "{which}: {error}");
    }
    let error = pool.apply(odd_panic, "assertion").unwrap_err();
    let message = error.panic_message().unwrap();
    assert!(message.contains("numbers") && message.contains("left: 1"), "{message}");
    assert!(error.panic_location().unwrap().starts_with("tests/faults/panics.rs:"), "{error}");
    assert_eq!(pool.apply(odd_panic, "none").unwrap(), *before.first().unwrap());
    assert_eq!(pids(&pool), before);
}

/// What std makes of the two variables.
fn check_backtraces() {
    for name in ["RUST_LIB_BACKTRACE", "RUST_BACKTRACE"] {
        // SAFETY: nothing else reads the environment: this test is alone in its process.
        unsafe { std::env::remove_var(name) };
    }
    let cases = [
        (None, None, false),
        (None, Some("0"), false),
        (None, Some("1"), true),
        (None, Some("full"), true),
        (Some("0"), Some("1"), false),
        (Some("1"), Some("0"), true),
        (Some("1"), None, true),
    ];
    for (lib, all, has) in cases {
        let mut pool = Pool::builder().workers(1);
        for (name, value) in [("RUST_LIB_BACKTRACE", lib), ("RUST_BACKTRACE", all)] {
            if let Some(value) = value {
                pool = pool.env(name, value);
            }
        }
        let error = pool.build().unwrap().apply(odd_panic, "number").unwrap_err();
        assert_eq!(error.backtrace().is_some(), has, "{lib:?}, {all:?}: {error:?}");
        assert_eq!(format!("{error:?}").contains("stack of the worker"), has, "{error:?}");
    }
}

#[test]
fn a_panic_has_a_backtrace_if_the_workers_environment_asks_for_one() {
    let test = "panics::a_panic_has_a_backtrace_if_the_workers_environment_asks_for_one";
    alone(test, check_backtraces);
}

#[pool_task]
fn long_panic(length: usize) {
    // Three bytes each, so that no power of two ends between two of them.
    panic!("{}", "€".repeat(length / 3));
}

#[test]
fn a_very_long_panic_message_is_cut() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let before = pids(&pool);
    let short = pool.apply(long_panic, 9000).unwrap_err();
    assert_eq!(short.panic_message().unwrap().len(), 9000);
    let error = pool.apply(long_panic, 300_000_000).unwrap_err();
    let message = error.panic_message().unwrap();
    assert!((60_000..70_000).contains(&message.len()), "{} bytes", message.len());
    assert!(message.starts_with("€€€"));
    assert!(error.to_string().len() < 100_000, "{} bytes", error.to_string().len());
    assert_eq!(pids(&pool), before);
}

#[pool_task]
fn caught_panic(then: &str) -> u32 {
    let caught = catch_unwind(|| panic!("caught in the task"));
    assert!(caught.is_err());
    match then {
        "exit" => std::process::exit(7),
        "kill" => kill_this_process(),
        "crash" => Fault::Segv.commit().unwrap(),
        _ => {}
    }
    std::process::id()
}

#[test]
fn a_panic_that_the_task_catches_is_its_own_business() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let before = pids(&pool);
    assert_eq!(pool.apply(caught_panic, "").unwrap(), *before.first().unwrap());
    for (then, signal, code) in
        [("exit", None, Some(7)), ("kill", Some(9), None), ("crash", Some(11), None)]
    {
        let error = pool.apply(caught_panic, then).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Died, "{error}");
        assert_eq!((error.signal(), error.exit_code()), (signal, code), "{error}");
        assert_eq!(error.panic_message(), None, "{error}");
    }
}

#[pool_task]
fn panic_in_a_thread(joined: bool) -> u32 {
    let thread = std::thread::spawn(|| -> u32 { panic!("alone in a thread") });
    let result = thread.join();
    if joined { result.unwrap() } else { std::process::id() }
}

#[test]
fn a_panic_in_a_thread_of_the_task_is_what_the_task_makes_of_it() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let before = pids(&pool);
    assert_eq!(pool.apply(panic_in_a_thread, false).unwrap(), *before.first().unwrap());
    let error = pool.apply(panic_in_a_thread, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert!(error.panic_message().unwrap().contains("Result::unwrap()"), "{error}");
    assert_eq!(pids(&pool), before);
}

/// Panics while it unwinds from another panic, or where nothing may unwind.
#[pool_task]
fn no_way_to_unwind(which: &str) {
    extern "C" fn called_from_c() {
        panic!("in a callback");
    }
    pool_tests::fault::limit(rustix::process::Resource::Core, 0);
    match which {
        "twice" => {
            let _bomb = Bomb;
            panic!("the first");
        }
        _ => called_from_c(),
    }
}

#[test]
fn a_panic_that_cannot_unwind_names_what_was_thrown() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    for (which, message) in [("callback", "in a callback"), ("twice", "dropped")] {
        let error = pool.apply(no_way_to_unwind, which).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked, "{error}");
        assert_eq!(error.signal(), Some(libc::SIGABRT), "{error}");
        let text = error.to_string();
        assert!(text.contains("was killed by SIGABRT"), "{text}");
        assert!(text.contains("could not unwind"), "{text}");
        assert!(text.contains(message), "{which}: {text}");
        assert!(error.panic_location().unwrap().starts_with("tests/faults/panics.rs:"), "{text}");
    }
    pool.apply(odd_panic, "none").unwrap();
}

#[pool_task]
fn own_hook(which: &str) -> u32 {
    match which {
        "take" => drop(std::panic::take_hook()),
        "quiet" => std::panic::set_hook(Box::new(|_| {})),
        "die" => std::panic::set_hook(Box::new(|_| std::process::exit(9))),
        "panic" => panic!("under a hook of my own"),
        _ => {}
    }
    std::process::id()
}

#[test]
fn a_task_may_replace_the_panic_hook() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let pid = pool.apply(own_hook, "quiet").unwrap();
    let error = pool.apply(own_hook, "panic").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert_eq!(error.panic_message(), Some("under a hook of my own"));
    assert_eq!(error.panic_location(), None);
    assert_eq!(pool.apply(own_hook, "none").unwrap(), pid);
    // The hook of the worker's own is gone with it; nothing else is.
    assert_eq!(pool.apply(own_hook, "take").unwrap(), pid);
    assert_eq!(pool.apply(own_hook, "die").unwrap(), pid);
    let error = pool.apply(own_hook, "panic").unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Died, Some(9)), "{error}");
    assert_ne!(pool.apply(own_hook, "none").unwrap(), pid);
}

#[pool_task]
fn refuse(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n) } else { Err(format!("{n} is odd")) }
}

#[test]
fn an_err_that_a_task_returns_is_no_failure() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let before = pids(&pool);
    let expected: Vec<Result<u32, String>> = (0..20).map(*refuse).collect();
    assert_eq!(pool.map(refuse, 0..20).unwrap(), expected);
    let lazily: Result<Vec<_>, Error> = pool.imap(refuse, 0..20).collect();
    assert_eq!(lazily.unwrap(), expected);
    assert_eq!(pids(&pool), before);
}

#[test]
fn a_panic_in_this_process_does_not_concern_its_pool() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _call = pool.apply_async(odd_panic, "none").unwrap();
        resume_unwind(Box::new("the caller's own"));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"the caller's own"));
    pool.apply(odd_panic, "none").unwrap();
}
