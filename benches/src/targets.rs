//! What the library is to reach, and whether it did.
//!
//! Ratios are of medians of one run, so that they hold on other machines of the
//! kind; the few that are not are named with their unit.

use crate::contest::{Amount, OURS, RowResult};
use crate::figures::three_digits;
use crate::peers::python::POOLS;
use crate::rows::bytes::{MEMCPYS, MEMCPYS_OF_ONE, OURS_OF_ONE};
use crate::rows::crowd::{LARGE, SMALL};
use crate::rows::numbers::CLONES;

/// One target, and how it stands.
pub(crate) struct Verdict {
    pub(crate) row: &'static str,
    pub(crate) target: &'static str,
    pub(crate) measured: String,
    /// `None` if something that it takes was not measured.
    pub(crate) met: Option<bool>,
}

/// A figure and what it must be.
enum Need {
    AtLeast(f64),
    AtMost(f64),
    Above(f64),
}

const MULTIPROCESSING: &str = POOLS[0];
const PEERS: [&str; 3] = ["procspawn", POOLS[0], POOLS[1]];

/// How much the peak of twice as many results may be above that of the first half and
/// still be called flat: records become rare, but not impossible.
const FLAT: f64 = 1.05;

/// Judges every target of the rows that were measured.
pub(crate) fn check(results: &[RowResult]) -> Vec<Verdict> {
    let mut judge = Judge { results, verdicts: Vec::new() };
    judge_calls(&mut judge);
    judge_maps(&mut judge);
    judge_buffers(&mut judge);
    judge_starts(&mut judge);
    judge_work(&mut judge);
    judge.verdicts
}

fn judge_calls(judge: &mut Judge<'_>) {
    let spinning = judge.ours_over("call", "futex, spinning");
    judge.add("call", "at most 2.5 × the futex floor that spins", spinning, Need::AtMost(2.5));
    let socket = judge.over_ours("call", &["socketpair"]);
    judge.add("call", "10 × below the socketpair floor", socket, Need::AtLeast(10.0));
    let python = judge.over_ours("call", &[MULTIPROCESSING]);
    judge.add("call", "30 × below multiprocessing.Pool", python, Need::AtLeast(30.0));
}

fn judge_maps(judge: &mut Judge<'_>) {
    let python = judge.over_ours("map", &[MULTIPROCESSING]);
    judge.add("map", "4 × multiprocessing.Pool at its best", python, Need::AtLeast(4.0));
    let rate = judge.millions_a_second("map");
    judge.add("map", "at least 25 million items/s", rate, Need::AtLeast(25.0));
    let rate = judge.millions_a_second("map-one");
    judge.add("map-one", "at least 1 million items/s", rate, Need::AtLeast(1.0));
    let python = judge.over_ours("map-one", &[MULTIPROCESSING]);
    judge.add("map-one", "20 × multiprocessing.Pool", python, Need::AtLeast(20.0));
}

fn judge_buffers(judge: &mut Judge<'_>) {
    let peers = judge.over_ours("bytes-in", &PEERS);
    judge.add("bytes-in", "5 × Python's best and procspawn", peers, Need::AtLeast(5.0));
    let memcpys = judge.over_ours("bytes-in", &[MEMCPYS]);
    judge.add("bytes-in", "at least 0.25 of the rate of two memcpys", memcpys, Need::AtLeast(0.25));
    let one = judge.ratio("bytes-in", MEMCPYS_OF_ONE, OURS_OF_ONE);
    judge.add("bytes-in", "the same with one block, in the cache", one, Need::AtLeast(0.25));
    let python = judge.over_ours("bytes-echo", &POOLS);
    judge.add("bytes-echo", "5 × Python's best", python, Need::AtLeast(5.0));
    let clones = judge.ours_over("numbers", CLONES);
    judge.add("numbers", "at most 4 × the time of two clones", clones, Need::AtMost(4.0));
}

fn judge_starts(judge: &mut Judge<'_>) {
    let first = judge.median("start-first", OURS, 0).map(|seconds| seconds * 1e3);
    judge.add("start-first", "at most 4 ms", first, Need::AtMost(4.0));
    let later = judge.median("start-later", OURS, 0).map(|seconds| seconds * 1e3);
    judge.add("start-later", "at most 1.5 ms", later, Need::AtMost(1.5));
    for row in ["start-first", "start-later"] {
        let peers = judge.over_ours(row, &PEERS);
        judge.add(row, "below every peer", peers, Need::Above(1.0));
    }
}

fn judge_work(judge: &mut Judge<'_>) {
    for row in ["primes", "uneven"] {
        let rayon = judge.over_ours(row, &["rayon"]);
        judge.add(row, "at least 0.97 × rayon's speed", rayon, Need::AtLeast(0.97));
    }
    for (target, early, late) in [("flat in the program", 0, 1), ("flat in the workers", 2, 3)] {
        let early = judge.median("memory", OURS, early);
        let late = judge.median("memory", OURS, late);
        judge.add("memory", target, late.zip(early).map(|(l, e)| l / e), Need::AtMost(FLAT));
    }
    for (target, measure) in
        [("1,000 workers: at most 2 × the cost at 4", 1), ("the same, of the program alone", 0)]
    {
        let large = judge.median("crowd", LARGE, measure);
        let small = judge.median("crowd", SMALL, measure);
        judge.add("crowd", target, large.zip(small).map(|(l, s)| l / s), Need::AtMost(2.0));
    }
}

struct Judge<'a> {
    results: &'a [RowResult],
    verdicts: Vec<Verdict>,
}

impl Judge<'_> {
    fn row(&self, row: &str) -> Option<&RowResult> {
        self.results.iter().find(|result| result.name == row)
    }

    fn median(&self, row: &str, name: &str, measure: usize) -> Option<f64> {
        self.row(row)?.median(name, measure)
    }

    /// The time of one over that of another.
    fn ratio(&self, row: &str, one: &str, other: &str) -> Option<f64> {
        Some(self.median(row, one, 0)? / self.median(row, other, 0)?)
    }

    fn ours_over(&self, row: &str, other: &str) -> Option<f64> {
        self.ratio(row, OURS, other)
    }

    /// The time of the fastest of the others that are there, over ours.
    fn over_ours(&self, row: &str, others: &[&str]) -> Option<f64> {
        let times = others.iter().filter_map(|other| self.median(row, other, 0));
        Some(times.reduce(f64::min)? / self.median(row, OURS, 0)?)
    }

    fn millions_a_second(&self, row: &str) -> Option<f64> {
        let Amount::Items(items) = self.row(row)?.amount else { return None };
        Some(items as f64 / self.median(row, OURS, 0)? / 1e6)
    }

    fn add(&mut self, row: &'static str, target: &'static str, figure: Option<f64>, need: Need) {
        if self.row(row).is_none() {
            return;
        }
        let met = figure.map(|figure| match need {
            Need::AtLeast(bound) => figure >= bound,
            Need::AtMost(bound) => figure <= bound,
            Need::Above(bound) => figure > bound,
        });
        let measured = figure.map_or_else(String::new, three_digits);
        self.verdicts.push(Verdict { row, target, measured, met });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::{Line, TIME};
    use crate::figures::Summary;

    fn line(name: &'static str, seconds: f64) -> Line {
        let outcome = Ok(vec![Summary::of(&[seconds])]);
        Line { name, remark: String::new(), outcome, rounds: 1 }
    }

    #[test]
    fn a_target_is_judged_by_the_medians_of_its_row() {
        let result = RowResult {
            name: "call",
            title: String::new(),
            text: String::new(),
            measures: TIME,
            amount: Amount::One,
            base: OURS,
            lines: vec![line(OURS, 1.0), line("futex, spinning", 0.5), line("socketpair", 9.0)],
        };
        let verdicts = check(&[result]);
        let met: Vec<_> = verdicts.iter().map(|verdict| verdict.met).collect();
        // No Python here.
        assert_eq!(met, [Some(true), Some(false), None]);
        assert_eq!(verdicts[0].measured, "2.00");
    }
}
