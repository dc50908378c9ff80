//! How deaths are told where this machine cannot be made so: in a machine of its own.

use pool_tests::clean::clean;
use pool_tests::machine;

/// Runs lines there; gives those by which the program tells what has passed.
fn run(lines: &str) -> Vec<String> {
    let said = machine::run(&[env!("CARGO_BIN_EXE_deaths"), "/bin/sleep"], lines);
    let passed = said.lines().filter_map(|line| line.strip_prefix("passed: "));
    passed.map(str::to_owned).collect()
}

#[test]
fn deaths_are_told_where_proc_is_that_of_another_pid_namespace() {
    let _clean = clean();
    assert_eq!(run("deaths namespace"), ["deaths are what they are", "workers are forked"]);
}

#[test]
fn deaths_are_told_where_core_dumps_go_to_a_program_that_never_ends() {
    let _clean = clean();
    let passed = run("\
printf '#!/bin/sh\\nexec sleep 1000000\\n' > /bin/stuck
chmod +x /bin/stuck
echo '|/bin/stuck' > /proc/sys/kernel/core_pattern
deaths dumps");
    assert_eq!(
        passed,
        [
            "there is no dump where none is wanted",
            "a death is told though its dump is stuck",
            "it is no item that took too long",
        ]
    );
}
