//! What C and C++ do before `main` has happened when a task runs, and only once.

use pool_tests::temp::TempDir;

use super::programs::{Built, test};
use super::run::bury_orphans;

fn workers_see_what_constructors_have_built(built: Built) {
    test(|| {
        let ended = built.run("constructors").run().success();
        let order = ended.stdout[3].strip_prefix("c here: ").expect("the order in the program");
        assert!(order.starts_with("(3, "), "each of three C constructors runs once: {order}");
        assert_eq!(
            ended.stdout,
            [
                "c++ here: (1, 14, 51)",
                "c++ in a worker: (1, 14, 51)",
                "ages in a worker: [36, 41, -1]",
                &format!("c here: {order}"),
                &format!("c in a worker: {order}"),
                // So the worker had to run them itself.
                "before the hook: (false, false)",
            ],
            "{built:?}"
        );
    });
}

#[test]
fn a_worker_sees_what_constructors_have_built() {
    workers_see_what_constructors_have_built(Built::Debug);
}

#[test]
fn a_worker_sees_what_constructors_have_built_whatever_the_linker_does() {
    for built in [Built::Release, Built::Fat, Built::Abort, Built::Static] {
        workers_see_what_constructors_have_built(built);
    }
}

#[test]
fn the_workers_of_a_pool_start_side_by_side() {
    test(|| {
        let place = TempDir::new();
        // A constructor that runs in each worker waits there for that of the other.
        let ended = Built::Debug.run("constructors").arg(place.path()).run().success();
        assert_eq!(ended.stdout[1], "c++ in a worker: (1, 14, 51)");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
    });
}

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
