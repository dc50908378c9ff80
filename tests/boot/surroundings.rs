//! What a task finds around it.

use std::io::Write;

use super::programs::{Built, test};

#[test]
fn a_task_sees_the_programs_arguments() {
    test(|| {
        let program = Built::Debug.program("arguments").display().to_string();
        let arguments = ["--flag", "", "two words", "näh"];
        let all = format!("{:?}", [&[&program[..]], &arguments[..]].concat());
        let lines = [format!("here: {all}"), format!("in a worker: {all}")];
        Built::Debug
            .run("arguments")
            .args(arguments)
            .run()
            .printed(&lines.each_ref().map(|line| &line[..]));
    });
}

#[test]
fn a_task_sees_environment_and_directory_as_they_were_when_the_pool_was_built() {
    test(|| {
        Built::Debug.run("environment").env("COLOUR", "green").run().printed(&[
            "first: red in /proc with 0027, unmarked",
            "the program: blue in /sys with 0027, unmarked",
            "replacement: red in /proc with 0027, unmarked",
            "new pool: blue in /sys with 0027, unmarked",
        ]);
    });
}

#[test]
fn a_task_reads_nothing_and_prints_where_the_program_prints() {
    test(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"all of it").unwrap();
        drop(writer);
        let ended = Built::Debug.run("streams").stdin(reader).run().success();
        assert_eq!(ended.stdout[0], "a task on stdout");
        assert_eq!(ended.stdout[1], "a task read (\"\", \"/dev/null\")");
        assert_eq!(ended.stdout[2], "the program read \"all of it\"");
        assert_eq!(ended.stderr, ["a task on stderr"]);
    });
}

#[test]
fn a_task_has_default_signals_whatever_the_program_has_done_to_its_own() {
    test(|| {
        Built::Debug.run("signals").run().printed(&[
            "SigBlk: 0000000000000000",
            // SIGPIPE, as in any Rust program, and SIGTTIN and SIGTTOU.
            "SigIgn: 0000000000301000",
            // Those of a crash, which the worker tells of.
            "SigCgt: 00000000418004fc",
            "the program's own: kept",
        ]);
    });
}

#[test]
fn a_worker_holds_the_standard_streams_and_its_channel_only() {
    test(|| {
        let lines = Built::Debug.run("descriptors").run().success().stdout;
        let kinds: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
        // The channel is two sockets: one for messages, one that tells of the end. Out of the
        // way of low numbers, which others may have agreed upon.
        let own = ["100 socket", "101 socket"];
        assert_eq!(kinds[..3], ["0 /dev/null", "1 pipe", "2 pipe"], "{lines:?}");
        assert_eq!(kinds[3..], own, "{lines:?}");
    });
}

#[test]
fn a_program_may_close_its_standard_streams_and_use_them_for_something_else() {
    for closed in ["0", "1", "2", "0 1", "0 2", "1 2", "0 1 2"] {
        test(|| {
            let is_closed = |fd: &str| closed.contains(fd);
            let ended = Built::Debug.run("closed").args(closed.split(' ')).run().success();
            let stream = |fd, open, gone| if is_closed(fd) { gone } else { open };
            let [stdout, stderr] = ["1", "2"].map(|fd| stream(fd, "pipe", "/dev/null"));
            let before = format!(
                "{} {} {}",
                stream("0", "/dev/null", "closed"),
                stream("1", "pipe", "closed"),
                stream("2", "pipe", "closed"),
            );
            // Nothing of the library's has taken their places.
            let landed = format!("{} pipe pipe", stream("0", "/dev/null", "pipe"));
            let report = [
                "sums: [3, 7]".to_owned(),
                format!("in a worker: /dev/null {stdout} {stderr}"),
                format!("in the program: {before}, then {landed}"),
                "sum: 11".to_owned(),
            ];
            let printed = if is_closed("1") { 0 } else { 3 };
            let (reports, tasks): (Vec<_>, Vec<_>) =
                ended.stdout.into_iter().partition(|line| line != "a task prints");
            assert_eq!((reports, tasks.len()), (report.to_vec(), printed), "closed {closed}");
            let printed = if is_closed("2") { 0 } else { 3 };
            assert_eq!(ended.stderr, vec!["a task prints"; printed], "closed {closed}");
        });
    }
}

#[test]
fn what_works_in_a_program_works_in_a_task() {
    test(|| {
        let lines = Built::Debug.run("ordinary").run().success().stdout;
        assert_eq!(
            lines,
            [
                "threads: 14",
                "scoped threads: 10",
                "a panic was caught: true",
                "parallelism as here: true",
                "a program: from echo",
                "leads its group: true",
            ]
        );
    });
}
