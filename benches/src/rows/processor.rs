//! Work for the processor: whether a pool keeps every core busy to the end.

use std::time::Duration;

use pool_runtime::Pool;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{Setting, expect, rayon_pool, said};
use crate::contest::{OURS, Row};
use crate::figures::{count, timed};
use crate::peers::procspawn;
use crate::tasks;

/// From where to where an item counts primes.
type Range = (u64, u64);

/// Where the counting begins: a number there is some microseconds of work, or
/// a tenth of one if it has a small divisor.
const FROM: u64 = 1_000_000;

/// Numbers in the range of an item.
const SHORT: u64 = 200;
const LONG: u64 = SHORT * 100;

/// Every so many items one is long.
const RARE: usize = 250;

/// Items of equal work.
pub(crate) fn primes(setting: &Setting) -> Row {
    let items = setting.effort.pick(2_000, 500, 20);
    let width = SHORT * 5;
    let ranges = (0..items as u64).map(|n| (FROM + n * width, FROM + (n + 1) * width)).collect();
    row(
        format!("A CPU-bound map: counting primes, {} items", count(items)),
        format!(
            "As many workers as cores; each item counts the primes among {width} numbers. \
                 Python is left out: it would be measured, and not its pools."
        ),
        ranges,
    )
}

/// Mostly short items, and a few that are a hundred times longer.
pub(crate) fn uneven(setting: &Setting) -> Row {
    let items = setting.effort.pick(2_000, 500, 20);
    let ranges = (0..items).map(|n| {
        // Scattered, so that they neither all lead nor all come last.
        let long = n * 7_919 % RARE == 42;
        (FROM, FROM + if long { LONG } else { SHORT })
    });
    row(
        format!("Uneven items: counting primes, {} items", count(items)),
        format!(
            "One item in {RARE} counts the primes among {} numbers, the others among {SHORT}.",
            count(LONG as usize)
        ),
        ranges.collect(),
    )
}

fn row(title: String, text: String, ranges: Vec<Range>) -> Row {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let serially = |ranges: &[Range]| -> Vec<u64> {
        ranges.iter().map(|&(from, to)| tasks::count_primes(from, to)).collect()
    };
    let expected = serially(&ranges);
    let checked = move |time: Duration, counts: &[u64]| {
        expect(counts, &expected[..])?;
        Ok(time)
    };
    let mut row = Row::new(title, text);
    let (items, check) = (ranges.clone(), checked.clone());
    row.enter_timed_with(OURS, Pool::new(cores).map_err(said), move |pool| {
        let (time, counts) = timed(|| pool.map(tasks::count_primes, items.iter().copied()));
        check(time, &counts.map_err(said)?)
    });
    let (items, check) = (ranges.clone(), checked.clone());
    row.enter_timed_with("procspawn", procspawn::pool(cores), move |pool| {
        let count = |(from, to): Range| tasks::count_primes(from, to);
        let (time, counts) = timed(|| procspawn::map(pool, cores, items.iter().copied(), count));
        check(time, &counts?)
    })
    .remark(format!("a window of {cores}, by hand"));
    let (items, check) = (ranges.clone(), checked.clone());
    row.enter_timed_with("rayon", rayon_pool(cores), move |pool| {
        let work = || items.par_iter().map(|&(from, to)| tasks::count_primes(from, to)).collect();
        let (time, counts): (_, Vec<u64>) = timed(|| pool.install(work));
        check(time, &counts)
    })
    .remark("threads");
    row.enter_timed("serial", move || {
        let (time, counts) = timed(|| serially(&ranges));
        checked(time, &counts)
    });
    row
}
