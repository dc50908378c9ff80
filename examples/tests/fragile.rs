//! `fragile`: crashes cost exactly the items that crash.

use crate::program::example;

#[test]
fn bad_inputs_are_named_and_good_ones_arrive() {
    let output = example("fragile").run();
    let expected = "\
item 0: \"640x480\" has 307200 pixels
item 1: \"1920x1080\" has 2073600 pixels
item 2: \"800\" killed the parser with signal 11
item 3: \"x\" has 0 pixels
item 4: \"3840x2160\" has 8294400 pixels
item 5: \"1024x-768\" killed the parser with signal 6
item 6: \"\" killed the parser with signal 11
item 7: \"7680x4320\" has 33177600 pixels
";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_eq!(output.status.code(), Some(0));

    // Each message on stderr names the worker, the signal and the item.
    let crashes: Vec<&str> = output.stderr.lines().collect();
    let expected = [("SIGSEGV", 2), ("SIGABRT", 5), ("SIGSEGV", 6)];
    assert_eq!(crashes.len(), expected.len(), "{crashes:#?}");
    for (line, (signal, item)) in crashes.into_iter().zip(expected) {
        let (worker, rest) = line.split_once(" was killed by ").unwrap();
        assert!(worker.starts_with("worker ") && worker.contains(" (pid "), "{line}");
        let what = format!("{signal} while running fragile::parse on item {item} ");
        assert!(rest.starts_with(&what), "{line}");
    }
}
