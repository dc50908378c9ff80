//! What the library is to reach, and whether it did.
//!
//! Ratios are of medians of one run, so that they hold on other machines of the
//! kind; the few that are not are named with their unit.

use crate::contest::{Amount, OURS, RowResult};
use crate::figures::{Summary, three_digits};
use crate::peers::python::POOLS;
use crate::rows::bytes::{MEMCPYS, MEMCPYS_OF_ONE, OURS_OF_ONE};
use crate::rows::crowd::{LARGE, SMALL};
use crate::rows::numbers::CLONES;

/// One target, and how it stands.
pub(crate) struct Verdict {
    pub(crate) row: &'static str,
    pub(crate) target: &'static str,
    pub(crate) measured: String,
    pub(crate) met: Met,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Yes,
    No,
    /// Something that it takes was not measured.
    NotMeasured,
    /// What it is compared with is not what it should be, and why.
    NotJudged(String),
}

/// A ratio; or why there is none.
type Figure = Result<f64, Met>;

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

/// How much the slowest round of a floor or a reference may take longer than its fastest
/// one. Where it is more, something else was measured: processes that shared a core, say.
const STEADY: f64 = 2.0;

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
    let spinning = judge.ours_over_floor("call", "futex, spinning");
    judge.add("call", "at most 2.5 × the futex floor that spins", spinning, Need::AtMost(2.5));
    let socket = judge.floor_over_ours("call", "socketpair");
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
    let memcpys = judge.steady("bytes-in", MEMCPYS, MEMCPYS, OURS);
    judge.add("bytes-in", "at least 0.25 of the rate of two memcpys", memcpys, Need::AtLeast(0.25));
    let one = judge.steady("bytes-in", MEMCPYS_OF_ONE, MEMCPYS_OF_ONE, OURS_OF_ONE);
    judge.add("bytes-in", "the same with one block, in the cache", one, Need::AtLeast(0.25));
    let python = judge.over_ours("bytes-echo", &POOLS);
    judge.add("bytes-echo", "5 × Python's best", python, Need::AtLeast(5.0));
    let clones = judge.steady("numbers", CLONES, OURS, CLONES);
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

    /// The time of one over that of another, if the rounds of `reference`, which is one of
    /// the two, agree.
    fn steady(&self, row: &str, reference: &str, one: &str, other: &str) -> Figure {
        self.check_steady(row, reference)?;
        self.ratio(row, one, other).ok_or(Met::NotMeasured)
    }

    fn check_steady(&self, row: &str, name: &str) -> Result<Summary, Met> {
        let found = self.row(row).and_then(|row| row.summary(name, 0)).ok_or(Met::NotMeasured)?;
        let times = found.max / found.min;
        if times > STEADY {
            let why =
                format!("{name} is unusable: its rounds differ {} times", three_digits(times));
            return Err(Met::NotJudged(why));
        }
        Ok(found)
    }

    /// A floor is the fastest round of what has no library around it. Nobody is below it, so
    /// one that this library is faster than is none.
    fn floor(&self, row: &str, name: &str) -> Figure {
        let Summary { min, .. } = self.check_steady(row, name)?;
        let ours = self.median(row, OURS, 0).ok_or(Met::NotMeasured)?;
        match min > ours {
            true => Err(Met::NotJudged(format!("{name} is unusable: it is above this library"))),
            false => Ok(min),
        }
    }

    fn ours_over_floor(&self, row: &str, name: &str) -> Figure {
        let floor = self.floor(row, name)?;
        self.median(row, OURS, 0).map(|ours| ours / floor).ok_or(Met::NotMeasured)
    }

    /// For a floor that this library is to be far below, as it does without what that does.
    fn floor_over_ours(&self, row: &str, name: &str) -> Figure {
        let floor = self.check_steady(row, name)?.min;
        self.median(row, OURS, 0).map(|ours| floor / ours).ok_or(Met::NotMeasured)
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

    fn add(
        &mut self,
        row: &'static str,
        target: &'static str,
        figure: impl Into<Compared>,
        need: Need,
    ) {
        if self.row(row).is_none() {
            return;
        }
        let Compared(figure) = figure.into();
        let (measured, met) = match figure {
            Err(met) => (String::new(), met),
            Ok(figure) => {
                let is_met = match need {
                    Need::AtLeast(bound) => figure >= bound,
                    Need::AtMost(bound) => figure <= bound,
                    Need::Above(bound) => figure > bound,
                };
                (three_digits(figure), if is_met { Met::Yes } else { Met::No })
            }
        };
        self.verdicts.push(Verdict { row, target, measured, met });
    }
}

/// What a target is about, checked or not.
struct Compared(Figure);

impl From<Figure> for Compared {
    fn from(figure: Figure) -> Compared {
        Compared(figure)
    }
}

impl From<Option<f64>> for Compared {
    fn from(figure: Option<f64>) -> Compared {
        Compared(figure.ok_or(Met::NotMeasured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::{Line, TIME};

    fn line(name: &'static str, rounds: &[f64]) -> Line {
        let outcome = Ok(vec![Summary::of(rounds)]);
        Line { name, remark: String::new(), outcome, rounds: rounds.len() }
    }

    fn verdicts(lines: Vec<Line>) -> Vec<Verdict> {
        check(&[RowResult {
            name: "call",
            title: String::new(),
            text: String::new(),
            measures: TIME,
            amount: Amount::One,
            base: OURS,
            lines,
        }])
    }

    #[test]
    fn a_target_is_judged_by_the_medians_of_its_row() {
        let lines =
            [line(OURS, &[1.0]), line("futex, spinning", &[0.5]), line("socketpair", &[9.0])];
        let verdicts = verdicts(lines.into());
        let met: Vec<_> = verdicts.iter().map(|verdict| verdict.met.clone()).collect();
        // No Python here.
        assert_eq!(met, [Met::Yes, Met::No, Met::NotMeasured]);
        assert_eq!(verdicts[0].measured, "2.00");
    }

    #[test]
    fn a_floor_is_its_fastest_round() {
        let floor = line("futex, spinning", &[0.3, 0.5, 0.5]);
        let verdicts = verdicts(vec![line(OURS, &[0.9, 0.9, 5.0]), floor]);
        assert_eq!((&*verdicts[0].measured, &verdicts[0].met), ("3.00", &Met::No));
    }

    #[test]
    fn nothing_is_judged_by_a_floor_that_is_none() {
        // As was met: two processes that hardly ever saw each other spin.
        let above = line("futex, spinning", &[4.0, 4.88, 6.77]);
        let found = verdicts(vec![line(OURS, &[0.87]), above]);
        let why = "futex, spinning is unusable: it is above this library";
        assert_eq!(found[0].met, Met::NotJudged(why.into()));
        assert_eq!(found[0].measured, "");
        let unsteady = line("futex, spinning", &[0.374, 0.6, 0.75]);
        let found = verdicts(vec![line(OURS, &[0.87]), unsteady, line("socketpair", &[3.6, 69.0])]);
        let why = "futex, spinning is unusable: its rounds differ 2.01 times";
        assert_eq!(found[0].met, Met::NotJudged(why.into()));
        let why = "socketpair is unusable: its rounds differ 19.2 times";
        assert_eq!(found[1].met, Met::NotJudged(why.into()));
    }
}
