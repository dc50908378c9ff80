//! Tasks that come from elsewhere than the program's own crate.

use super::programs::{Built, test};

/// What `libraries` prints.
pub(crate) const PRINTED: [&str; 4] = [
    "re-exported: [0, 3, 6, 9]",
    "hidden: stressed",
    "of a facade: [1, 2]",
    "through a facade: [3, 5]",
];

#[test]
fn tasks_of_other_crates_run_whatever_way_they_are_reached() {
    test(|| Built::Debug.run("libraries").run().printed(&PRINTED));
}

#[test]
fn the_runtime_may_have_another_name_in_the_manifest() {
    test(|| Built::Debug.run("renamed").run().printed(&["renamed: [0, 2, 4]"]));
}

#[test]
fn a_worker_program_that_only_links_the_tasks_serves_them() {
    test(|| {
        let worker_program = Built::Debug.program("only_linked");
        let path = worker_program.display().to_string();
        let lines = ["[-1, -2, -3]", "elsewhere: true", &format!("in {path}")];
        Built::Debug.run("delegates").arg(&path).run().printed(&lines);
    });
}
