//! Workers that run another program than the one that has the pool.

use std::process::Command;

use super::programs::{Built, test};
use super::run::Program;

#[test]
fn a_worker_program_without_the_task_is_an_error_that_names_the_task() {
    test(|| {
        let path = Built::Debug.program("doubler");
        let lines = Built::Debug.run("delegates").arg(&path).run().success().stdout;
        let expected = "no result: the worker's program has no task \"my_tasks::negate\"";
        assert!(lines[0].starts_with(expected), "{lines:?}");
    });
}

#[test]
fn a_worker_program_that_knows_nothing_of_the_library_is_an_error() {
    test(|| {
        let lines = Built::Debug.run("delegates").arg("/bin/true").run().success().stdout;
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.starts_with("no pool: Spawn: worker "), "{line}");
        assert!(line.contains("before it reported in"), "{line}");
        assert!(line.contains("a worker program that does not use this library"), "{line}");
    });
}

#[test]
fn a_worker_program_that_does_not_exist_is_an_error_that_names_it() {
    test(|| {
        let ended = Built::Debug.run("delegates").arg("/nonexistent/program").run();
        let lines = ended.success().stdout;
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.starts_with("no pool: Spawn: "), "{line}");
        assert!(line.contains("\"/nonexistent/program\": No such file or directory"), "{line}");
    });
}

/// Loads the library given first, whose workers run the program given second.
const HOST: &str = "
import ctypes, os, sys

def possessions():
    children = open(f'/proc/self/task/{os.getpid()}/children').read()
    return len(os.listdir('/proc/self/task')), len(os.listdir('/proc/self/fd')), children

before = possessions()
library = ctypes.CDLL(sys.argv[1])
print('loading does nothing:', possessions() == before)
sum_of_squares = library.host_sum_of_squares
sum_of_squares.argtypes = [ctypes.c_char_p, ctypes.c_int64]
sum_of_squares.restype = ctypes.c_int64
print('sum:', sum_of_squares(os.fsencode(sys.argv[2]), 10))
print('nothing stays:', possessions() == before)
";

fn python() -> Program {
    let version = Command::new("python3").arg("--version").output();
    assert!(
        version.is_ok_and(|output| output.status.success()),
        "this test loads a library into Python, and `python3` does not run: install it (on \
         Debian, the package python3)"
    );
    Program::new("python3").args(["-c", HOST])
}

const HOSTED: [&str; 3] = ["loading does nothing: True", "sum: 285", "nothing stays: True"];

#[test]
fn a_library_in_a_foreign_host_maps_by_a_worker_program() {
    test(|| {
        let library = Built::Debug.program("libhost.so");
        python().arg(library).arg(Built::Debug.program("worker")).run().printed(&HOSTED);
    });
}

#[test]
fn a_library_loaded_under_a_stray_mark_does_nothing_either() {
    test(|| {
        let library = Built::Debug.program("libhost.so");
        let python = python().arg(library).arg(Built::Debug.program("worker"));
        python.env("POOL_RUNTIME_WORKER", "4711").run().printed(&HOSTED);
    });
}
