//! `doubler` and `processes`: who doubled what.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::{Output, example};

/// Which process doubled which numbers, and the last line.
fn doubled(output: &Output) -> (BTreeMap<u32, Vec<u64>>, &str) {
    let lines = output.lines();
    let (last, lines) = lines.split_last().unwrap();
    let mut by_process = BTreeMap::<u32, Vec<u64>>::new();
    for line in lines {
        let (n, rest) = line.split_once(" doubled to ").unwrap();
        let (result, pid) = rest.split_once(" by process id: ").unwrap();
        let (n, result): (u64, u64) = (n.parse().unwrap(), result.parse().unwrap());
        assert_eq!(result, n * 2);
        by_process.entry(pid.parse().unwrap()).or_default().push(n);
    }
    assert!(!by_process.contains_key(&output.pid), "the program itself doubled a number");
    (by_process, last)
}

fn all(by_process: &BTreeMap<u32, Vec<u64>>) -> Vec<u64> {
    let mut numbers = by_process.values().flatten().copied().collect::<Vec<_>>();
    numbers.sort_unstable();
    numbers
}

#[test]
fn doubler_spreads_ten_numbers_over_three_processes() {
    let output = example("doubler").run();
    let (by_process, last) = doubled(&output);
    assert_eq!(all(&by_process), (0..10).collect::<Vec<_>>());
    // A quick worker may take the share of a slow one.
    assert!((1..=3).contains(&by_process.len()), "{by_process:?}");
    assert_eq!(last, "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]");
}

#[test]
fn processes_gives_each_number_a_process() {
    let output = example("processes").run();
    let (by_process, last) = doubled(&output);
    assert_eq!(all(&by_process), [5, 10, 20]);
    let alone: BTreeSet<usize> = by_process.values().map(Vec::len).collect();
    assert_eq!(alone, BTreeSet::from([1]), "{by_process:?}");
    assert_eq!(last, "[10, 20, 40]");
}
