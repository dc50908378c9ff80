//! The report, as Markdown.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::contest::{Amount, Line, NOBODY, RowResult};
use crate::figures::{Summary, count, three_digits};
use crate::machine;
use crate::options::{Effort, Options};
use crate::rows::WORKERS;
use crate::targets::{Met, Verdict};

/// Where a full run leaves its report.
pub(crate) fn default_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}

pub(crate) struct Report {
    text: String,
}

impl Report {
    pub(crate) fn new(options: &Options) -> Report {
        let mut text = String::from("# This library beside its peers\n\n");
        text += "Measured by `cargo bench -p pool-benches`, on this machine:\n\n";
        text += &machine::describe();
        text += "\nWithin each round everybody has a turn, one after another; the figures are \
                 medians of the rounds, with the lowest and the highest. \"×\" is the time of the \
                 line divided by this library's (or that of the line that says 1.00): above 1, \
                 this library is faster. \"Floor\" is what the kernel's own means cost with no \
                 library around them; \"reference\" is work inside one process.\n";
        if options.effort != Effort::Full {
            text += "\nA quick run: fewer items and rounds, not for comparison.\n";
        }
        let _ =
            writeln!(text, "\nPools have {WORKERS} workers where a row does not say otherwise.");
        Report { text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a row's table.
    pub(crate) fn add(&mut self, result: &RowResult) {
        self.text += &section(result);
    }

    /// Says why there is no table of targets.
    pub(crate) fn add_no_targets(&mut self) {
        self.text += "\n## Targets\n\nA quick run judges nothing.\n";
    }

    /// Adds the table of targets.
    pub(crate) fn add_targets(&mut self, verdicts: &[Verdict]) {
        self.text += "\n## Targets\n\n| row | target | measured | met |\n|---|---|---|---|\n";
        for Verdict { row, target, measured, met } in verdicts {
            let met = match met {
                Met::Yes => "yes".to_owned(),
                Met::No => "**no**".to_owned(),
                Met::NotMeasured => "not measured".to_owned(),
                Met::NotJudged(why) => format!("not judged: {why}"),
            };
            let _ = writeln!(self.text, "| {row} | {target} | {measured} | {met} |");
        }
    }
}

fn section(result: &RowResult) -> String {
    let mut text = format!("\n## {}\n\n`{}`. {}\n\n", result.title, result.name, result.text);
    let rated = !matches!(result.amount, Amount::One);
    let compared = result.base != NOBODY;
    let spread = result.lines.iter().any(|line| line.rounds > 1);
    let mut heads = vec![String::new()];
    for (measure, _) in result.measures {
        heads.push(measure.to_string());
        heads.extend(spread.then(|| "lowest … highest".into()));
    }
    heads.extend(rated.then(|| "rate".into()));
    heads.extend(compared.then(|| "×".into()));
    heads.push("rounds".into());
    text += &table_row(&heads);
    text += &table_row(&vec!["---".into(); heads.len()]);
    for line in &result.lines {
        let mut cells = vec![who(line)];
        match &line.outcome {
            Ok(summaries) => {
                for (summary, (_, unit)) in summaries.iter().zip(result.measures) {
                    let Summary { median, min, max } = *summary;
                    cells.push(unit.show(median));
                    cells
                        .extend(spread.then(|| format!("{} … {}", unit.show(min), unit.show(max))));
                }
                cells.extend(rated.then(|| rate(result.amount, summaries[0].median)));
                let base = result.median(result.base, 0);
                let ratio = base.map(|base| three_digits(summaries[0].median / base));
                cells.extend(compared.then(|| ratio.unwrap_or_default()));
                cells.push(line.rounds.to_string());
            }
            Err(why) => cells.push(why.clone()),
        }
        cells.resize(heads.len(), String::new());
        text += &table_row(&cells);
    }
    text
}

fn who(line: &Line) -> String {
    match line.remark.as_str() {
        "" => line.name.to_owned(),
        remark => format!("{} ({remark})", line.name),
    }
}

fn table_row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn rate(amount: Amount, seconds: f64) -> String {
    match amount {
        Amount::One => String::new(),
        Amount::Bytes(bytes) => format!("{} GB/s", three_digits(bytes as f64 / seconds / 1e9)),
        Amount::Items(items) => match items as f64 / seconds {
            rate if rate >= 1e6 => format!("{} million/s", three_digits(rate / 1e6)),
            rate => format!("{}/s", count(rate as usize)),
        },
    }
}
