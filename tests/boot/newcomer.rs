//! The crate of somebody who has read the README: every kind of target that
//! cargo knows calls `pmap`.

use super::programs::{Built, cargo, test};
use super::run::Ended;

#[track_caller]
fn has_line(ended: &Ended, matches: impl Fn(&str) -> bool, what: &str) {
    let found = ended.stdout.iter().any(|line| matches(line));
    assert!(
        found,
        "no line for {what} in\n{}\n{}",
        ended.stdout.join("\n"),
        ended.stderr.join("\n")
    );
}

#[test]
fn the_ten_lines_of_the_readme_are_a_program() {
    test(|| Built::Debug.run("user").run().printed(&[]));
}

#[test]
fn unit_tests_integration_tests_and_doctests_map() {
    test(|| {
        let ended = cargo(["test", "--package", "user"]).run().success();
        let tests = [
            "tests::a_unit_test_maps",
            "tests::a_unit_test_has_tasks_of_its_own",
            "an_integration_test_maps",
            "an_integration_test_has_tasks_of_its_own",
        ];
        for test in tests {
            has_line(&ended, |line| line == format!("test {test} ... ok"), test);
        }
        for task in ["square", "cube"] {
            let head = format!("test user/src/lib.rs - {task} (line ");
            has_line(&ended, |line| line.starts_with(&head) && line.ends_with(") ... ok"), task);
        }
    });
}

#[test]
fn a_bench_without_a_harness_maps() {
    test(|| {
        let ended = cargo(["bench", "--package", "user", "--bench", "speed"]).run().success();
        let head = "1000 squares, their sum 332833500, in ";
        has_line(&ended, |line| line.starts_with(head), "the bench");
    });
}

#[test]
fn an_example_of_the_users_own_maps() {
    test(|| Built::Debug.run("examples/squares").run().printed(&["squares: [0, 1, 4, 9, 16]"]));
}
