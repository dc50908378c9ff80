//! One row: who takes part, and the rounds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::figures::{Summary, Unit};
use crate::options::Effort;

/// This library's own name in every row.
pub(crate) const OURS: &str = "pool-runtime";

/// The base of rows in which a comparison of times would mean nothing.
pub(crate) const NOBODY: &str = "";

/// Gives the figures of one round: one for each measure of the row.
pub(crate) type Run = Box<dyn FnMut() -> Result<Vec<f64>, String>>;

/// Who takes part in a row.
pub(crate) struct Entrant {
    /// What the targets call it.
    pub(crate) name: &'static str,
    /// Said beside the name.
    pub(crate) remark: String,
    /// Or the reason why it cannot.
    pub(crate) run: Result<Run, String>,
}

/// One piece of work, measured for everybody who can do it.
pub(crate) struct Row {
    pub(crate) title: String,
    /// What is done, where the title does not say it.
    pub(crate) text: String,
    pub(crate) measures: &'static [(&'static str, Unit)],
    pub(crate) amount: Amount,
    /// Whom the others are compared with, or [`NOBODY`].
    pub(crate) base: &'static str,
    /// At most so many rounds; usually as many as the effort says.
    pub(crate) rounds: usize,
    /// Whether a round that does not count comes first.
    pub(crate) warm_up: bool,
    pub(crate) entrants: Vec<Entrant>,
}

/// How much work the first measure is the time of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// It makes no sense to tell a rate.
    One,
    Items(usize),
    Bytes(usize),
}

/// The one measure that most rows have.
pub(crate) const TIME: &[(&str, Unit)] = &[("time", Unit::Seconds)];

impl Row {
    pub(crate) fn new(title: impl Into<String>, text: impl Into<String>) -> Row {
        Row {
            title: title.into(),
            text: text.into(),
            measures: TIME,
            amount: Amount::One,
            base: OURS,
            rounds: usize::MAX,
            warm_up: true,
            entrants: Vec::new(),
        }
    }

    pub(crate) fn enter(
        &mut self,
        name: &'static str,
        run: impl FnMut() -> Result<Vec<f64>, String> + 'static,
    ) -> &mut Entrant {
        self.enter_if(name, Ok(Box::new(run)))
    }

    /// Enters a peer that may be missing.
    pub(crate) fn enter_if(
        &mut self,
        name: &'static str,
        run: Result<Run, String>,
    ) -> &mut Entrant {
        let run = run.map_err(|why| format!("missing: {why}"));
        self.entrants.push(Entrant { name, remark: String::new(), run });
        self.entrants.last_mut().expect("one was pushed")
    }

    /// Enters somebody whose one measure is the time of a piece of work.
    pub(crate) fn enter_timed(
        &mut self,
        name: &'static str,
        mut run: impl FnMut() -> Result<Duration, String> + 'static,
    ) -> &mut Entrant {
        self.enter(name, move || Ok(vec![run()?.as_secs_f64()]))
    }
}

impl Entrant {
    pub(crate) fn remark(&mut self, remark: impl Into<String>) {
        self.remark = remark.into();
    }
}

/// A row with its figures.
pub(crate) struct RowResult {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) measures: &'static [(&'static str, Unit)],
    pub(crate) amount: Amount,
    pub(crate) base: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// What one entrant did.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) remark: String,
    /// One summary for each measure, or why there is none.
    pub(crate) outcome: Result<Vec<Summary>, String>,
    pub(crate) rounds: usize,
}

impl RowResult {
    /// The median of an entrant's measure.
    pub(crate) fn median(&self, name: &str, measure: usize) -> Option<f64> {
        Some(self.summary(name, measure)?.median)
    }

    pub(crate) fn summary(&self, name: &str, measure: usize) -> Option<Summary> {
        let line = self.lines.iter().find(|line| line.name == name)?;
        line.outcome.as_ref().ok()?.get(measure).copied()
    }
}

/// What an entrant has done so far.
#[derive(Default)]
struct Score {
    rounds: Vec<Vec<f64>>,
    spent: Duration,
}

/// Runs the rounds: within each, everybody once. Whoever has used up the time
/// that one may take in a row sits the other rounds out.
pub(crate) fn measure(name: &'static str, mut row: Row, effort: Effort) -> RowResult {
    let rounds = effort.pick(7, 3, 1).min(row.rounds);
    let patience = effort.pick(Duration::from_secs(12), Duration::from_secs(3), Duration::ZERO);
    let warm_up = row.warm_up && effort != Effort::Smoke;
    let mut scores: HashMap<usize, Score> = HashMap::new();
    for round in 0..rounds + usize::from(warm_up) {
        for (at, entrant) in row.entrants.iter_mut().enumerate() {
            let Ok(run) = &mut entrant.run else { continue };
            let score = scores.entry(at).or_default();
            if score.spent >= patience && !score.rounds.is_empty() {
                continue;
            }
            let start = Instant::now();
            match run() {
                Ok(figures) => {
                    assert_eq!(figures.len(), row.measures.len(), "{} in {name}", entrant.name);
                    score.spent += start.elapsed();
                    if round > 0 || !warm_up {
                        score.rounds.push(figures);
                    }
                }
                Err(why) => entrant.run = Err(format!("failed: {why}")),
            }
        }
    }
    let line = |(at, entrant): (usize, Entrant)| {
        let score = scores.remove(&at).unwrap_or_default();
        let column = |measure: usize| -> Vec<f64> {
            score.rounds.iter().map(|figures| figures[measure]).collect()
        };
        Line {
            name: entrant.name,
            remark: entrant.remark,
            rounds: score.rounds.len(),
            outcome: entrant.run.map(|_| {
                (0..row.measures.len()).map(|measure| Summary::of(&column(measure))).collect()
            }),
        }
    };
    RowResult {
        name,
        title: row.title,
        text: row.text,
        measures: row.measures,
        amount: row.amount,
        base: row.base,
        lines: row.entrants.into_iter().enumerate().map(line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_line_and_only_those_who_can_have_figures() {
        let mut row = Row::new("title", "text");
        let mut n = 0.0;
        row.enter("counts", move || {
            n += 1.0;
            Ok(vec![n])
        });
        row.enter("fails", || Err("it broke".into()));
        row.enter_if("absent", Err("not installed".into()));
        let result = measure("row", row, Effort::Quick);
        // Three rounds after the one that does not count: 2, 3 and 4.
        assert_eq!(result.median("counts", 0), Some(3.0));
        assert_eq!(result.median("fails", 0), None);
        let whys: Vec<_> = result.lines.iter().map(|line| line.outcome.as_ref().err()).collect();
        assert_eq!(
            whys,
            [None, Some(&"failed: it broke".into()), Some(&"missing: not installed".into())]
        );
    }
}
