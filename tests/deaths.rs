//! How deaths are told where this machine cannot be made so: in a machine of its own.

use pool_tests::clean::clean;
use pool_tests::machine;

/// Runs lines there; gives those by which the program tells what has passed.
fn run(lines: &str) -> Vec<String> {
    let said = machine::run(&[env!("CARGO_BIN_EXE_deaths")], lines);
    let passed = said.lines().filter_map(|line| line.strip_prefix("passed: "));
    passed.map(str::to_owned).collect()
}

#[test]
fn deaths_are_told_where_proc_is_that_of_another_pid_namespace() {
    let _clean = clean();
    assert_eq!(run("deaths namespace"), ["deaths are what they are", "workers are forked"]);
}
