//! Workers that run another program than the one that has the pool.

use super::programs::{Built, test};

#[test]
fn a_worker_program_without_the_task_is_an_error_that_names_the_task() {
    test(|| {
        let path = Built::Debug.program("doubler");
        let lines = Built::Debug.run("delegates").arg(&path).run().success().stdout;
        let expected = "no result: the worker's program has no task \"my_tasks::negate\"";
        assert!(lines[0].starts_with(expected), "{lines:?}");
    });
}

#[test]
fn a_worker_program_that_knows_nothing_of_the_library_is_an_error() {
    test(|| {
        let lines = Built::Debug.run("delegates").arg("/bin/true").run().success().stdout;
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.starts_with("no pool: Spawn: worker "), "{line}");
        assert!(line.contains("before it reported in"), "{line}");
        assert!(line.contains("a worker program that does not use this library"), "{line}");
    });
}

#[test]
fn a_worker_program_that_does_not_exist_is_an_error_that_names_it() {
    test(|| {
        let ended = Built::Debug.run("delegates").arg("/nonexistent/program").run();
        let lines = ended.success().stdout;
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.starts_with("no pool: Spawn: "), "{line}");
        assert!(line.contains("\"/nonexistent/program\": No such file or directory"), "{line}");
    });
}

#[test]
fn a_program_that_loads_the_library_late_is_never_executed_as_a_worker() {
    test(|| {
        let library = Built::Debug.program("libhost.so").display().to_string();
        let worker = Built::Debug.program("worker").display().to_string();
        Built::Debug.run("loads").args([&library, &worker]).run().printed(&["main", "14"]);
        let ended = Built::Debug.run("loads").arg(&library).run();
        let told = ended.stderr.join("\n");
        assert!(told.contains("this program cannot be executed as a worker"), "{told}");
        assert!(told.contains("`worker_program`"), "{told}");
        assert_eq!(ended.success().stdout, ["main", "-1"]);
    });
}
