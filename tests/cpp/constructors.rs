//! What C and C++ do before `main` has happened when a task runs, and only once.

use pool_tests::temp::TempDir;

use super::programs::{Built, test};

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
