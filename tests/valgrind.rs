//! A program under valgrind, whose workers are under it as well, or not.

use std::process::Command;

use pool_tests::started::assert_works;

fn assert_works_under(tool: &str, traced: &str) {
    assert_works(|| {
        let mut command = Command::new("valgrind");
        let tool = format!("--tool={tool}");
        let traced = format!("--trace-children={traced}");
        // Of each process one, which callgrind would leave in the directory.
        command.args(["-q", &tool, &traced]);
        if tool.ends_with("callgrind") {
            command.arg("--callgrind-out-file=/dev/null");
        }
        command.arg(env!("CARGO_BIN_EXE_started"));
        command
    });
}

#[test]
fn under_memcheck_alone_it_works() {
    assert_works_under("memcheck", "no");
}

#[test]
fn under_memcheck_with_its_workers_it_works() {
    assert_works_under("memcheck", "yes");
}

#[test]
fn under_callgrind_it_works() {
    assert_works_under("callgrind", "no");
}
