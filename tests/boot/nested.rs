//! Pools in workers of pools.

use std::process::Stdio;

use pool_tests::wait;

use super::programs::{Built, test};
use super::run::bury_orphans;

#[test]
fn pools_nest_ten_deep() {
    test(|| Built::Debug.run("depth").arg("10").run().printed(&["Ok(10)"]));
}

#[test]
fn a_pool_nested_deeper_is_an_error_that_names_the_limit() {
    for depth in ["11", "1000"] {
        test(|| {
            let lines = Built::Debug.run("depth").arg(depth).run().success().stdout;
            let [line] = &lines[..] else { panic!("{lines:?}") };
            let expected = "Err(\"Spawn: pools are nested 10 deep already, which is the limit";
            assert!(line.starts_with(expected), "{line}");
        });
    }
}

#[test]
fn a_worker_that_keeps_a_pool_leaves_when_its_own_pool_closes() {
    test(|| {
        Built::Debug.run("kept").run().printed(&["[0, 1, 5, 14]", "joined"]);
        // The kept pools are never dropped: their workers see their parent end.
        bury_orphans();
    });
}

#[test]
fn a_pool_terminated_takes_the_pools_of_its_workers_along() {
    test(|| {
        let mut running = Built::Debug.run("busy").stdin(Stdio::piped()).start();
        let innermost: u32 = running.line().parse().unwrap();
        assert!(wait::is_running(innermost));
        running.say("terminate");
        running.end().printed(&["Terminated"]);
        wait::until("the innermost worker to end", || !wait::is_running(innermost));
        bury_orphans();
    });
}
