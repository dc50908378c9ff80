//! A pool that a static constructor makes.

use pool_tests::temp::TempDir;

use super::programs::{Built, test};
use super::run::bury_orphans;

/// Runs `early`; gives what it prints, and in how many processes its constructors ran.
fn early(before_the_hook: bool) -> (Vec<String>, usize) {
    let place = TempDir::new();
    let mut program = Built::Debug.run("early").env("EARLY_COUNT", place.path());
    if before_the_hook {
        program = program.env("EARLY_BEFORE_THE_HOOK", "1");
    }
    let stdout = program.run().success().stdout;
    // Nobody drops its pool: the workers see the program end.
    bury_orphans();
    (stdout, std::fs::read_dir(place.path()).unwrap().count())
}

#[test]
fn a_pool_of_a_static_constructor_is_refused_in_each_worker_and_works_in_the_program() {
    for before_the_hook in [false, true] {
        test(|| {
            let (lines, processes) = early(before_the_hook);
            let [squared, made, nested] = &lines[..] else { panic!("{lines:?}") };
            assert_eq!((&**squared, &**nested), ("9", "16"));
            // What was made in the zygote before the hook, its copies have.
            assert!(made.contains("started as a worker") || made.contains("is starting"), "{made}");
            assert!(made.contains("a static constructor"), "{made}");
            assert!(made.contains("make") && made.contains("in main or later"), "{made}");
            // The program, its zygote and two workers; of a task's pool a zygote and a worker.
            assert!(processes <= 4 + 2, "{processes}");
        });
    }
}
