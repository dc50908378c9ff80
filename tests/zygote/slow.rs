//! One that is slow to come up, since constructors of the program are.

use std::io::Write;
use std::path::Path;

use pool_runtime::{Pool, pool_task, shutdown};
use pool_tests::clean::clean;
use pool_tests::pools::idle;
use pool_tests::temp::TempDir;
use pool_tests::wait;

use crate::helpers::{forked, forks, square};

/// A directory: while there is a file `hold` in it, whoever is executed with this in its
/// environment writes down its process id, and waits.
const HELD: &str = "POOL_TESTS_ZYGOTE_HELD";

#[used]
// SAFETY: the section holds pointers to functions that the C runtime calls once,
// before main; it passes arguments that this one does not look at.
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

extern "C" fn construct() {
    let Some(dir) = std::env::var_os(HELD) else { return };
    let hold = Path::new(&dir).join("hold");
    if hold.exists() {
        let noted = Path::new(&dir).join("noted");
        let mut file = std::fs::File::options().append(true).create(true).open(noted).unwrap();
        file.write_all(format!("{}\n", std::process::id()).as_bytes()).unwrap();
        while hold.exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

#[pool_task]
fn die() {
    std::process::abort();
}

#[test]
fn calls_go_on_while_one_boots() {
    let _clean = clean();
    let dir = TempDir::new();
    let (hold, noted) = (dir.path().join("hold"), dir.path().join("noted"));
    let pool = forked(|| Pool::builder().workers(3).env(HELD, dir.path()));
    // A call must come back before the first that boots has ended. On a busy machine it may be
    // given up before, since it takes so long; not each time.
    wait::until("a call beside a zygote that boots", || {
        // Nobody else boots.
        idle(&pool, 3);
        std::fs::write(&hold, "").unwrap();
        let _ = std::fs::remove_file(&noted);
        // Without a zygote, and without knowing that one did not come up.
        shutdown();
        let dies = pool.apply_async(die, ()).unwrap();
        let mut first = None;
        wait::until("somebody to boot", || {
            let pids = std::fs::read_to_string(&noted).unwrap_or_default();
            first = pids.split_once('\n').map(|(pid, _)| pid.parse().unwrap());
            first.is_some()
        });
        assert_eq!(pool.apply(square, 3).unwrap(), 9);
        let boots_still = wait::is_running(first.unwrap());
        std::fs::remove_file(&hold).unwrap();
        dies.get().unwrap_err();
        boots_still
    });
    // Whoever builds a pool waits for it.
    drop(pool);
    forks(2);
}

#[test]
fn its_end_is_waited_for_though_it_boots() {
    let _clean = clean();
    let dir = TempDir::new();
    let hold = dir.path().join("hold");
    let pool = Pool::builder().workers(1).env(HELD, dir.path()).build().unwrap();
    shutdown();
    std::fs::write(&hold, "").unwrap();
    pool.apply(die, ()).unwrap_err();
    wait::until("somebody to boot", || dir.path().join("noted").exists());
    drop(pool);
    shutdown();
    assert!(crate::helpers::children_of(std::process::id()).is_empty());
}
