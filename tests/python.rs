//! A library with tasks, loaded into a program that is not Rust's.

#[path = "boot/programs.rs"]
#[expect(dead_code, reason = "the tests in `boot` use the rest")]
mod programs;
#[path = "boot/run.rs"]
#[expect(dead_code, reason = "the tests in `boot` use the rest")]
mod run;

use programs::{Built, test};
use run::Program;

/// What is built in each way, as arguments of cargo.
fn packages(built: Built) -> &'static [&'static str] {
    if built == Built::Debug { &["-p", "host"] } else { &[] }
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
