//! The benchmark suite: this library beside its peers, in one run.
//!
//! ```text
//!   rows/      what is measured, one file for one kind of work
//!   peers/     who is measured beside this library, and how to talk to them
//!   contest    the rounds: peer by peer within each, so that a noisy moment of
//!              the machine meets all of them
//!   report     the Markdown; targets: what the library promises of itself
//! ```
//!
//! The command is in `peers.rs`.

pub mod options;
pub mod parts;
pub mod tasks;

mod contest;
mod figures;
mod machine;
mod peers;
mod report;
mod roles;
mod rows;
mod targets;

use options::{Effort, Options};

/// Runs what the command line asks for, and ends the process.
pub fn main() -> ! {
    let code = match run() {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("{message}");
            2
        }
    };
    std::process::exit(code)
}

fn run() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == roles::FLAG).is_some() {
        return roles::play(&mut arguments);
    }
    let options = Options::parse(arguments)?;
    let rows: Vec<_> = rows::ALL.iter().filter(|(name, _)| options.selects(name)).collect();
    if options.list {
        for (name, _) in rows {
            println!("{name}: benchmark");
        }
        return Ok(());
    }
    if rows.is_empty() {
        return Ok(());
    }
    machine::allow_many_descriptors();
    let mut report = report::Report::new(&options);
    let setting = rows::Setting::new(options.effort);
    let mut results = Vec::new();
    for (name, row) in rows {
        eprintln!("measuring {name}");
        let result = contest::measure(name, row(&setting), options.effort);
        report.add(&result);
        results.push(result);
    }
    if options.effort == Effort::Smoke {
        return whether_all_ran(&results);
    }
    match options.effort {
        Effort::Full => report.add_targets(&targets::check(&results)),
        // Too few rounds to tell whether a figure is one to judge by.
        _ => report.add_no_targets(),
    }
    print!("{}", report.text());
    let path = match (&options.output, options.effort) {
        (Some(path), _) => path.clone(),
        (None, Effort::Full) if options.rows.is_empty() => report::default_path(),
        _ => return Ok(()),
    };
    std::fs::write(&path, report.text())
        .map_err(|error| format!("failed to write {}: {error}", path.display()))
}

/// What a smoke run is for. Python's pools are all that may be missing.
fn whether_all_ran(results: &[contest::RowResult]) -> Result<(), String> {
    let mut failures = Vec::new();
    for result in results {
        let lines = result.lines.iter().filter(|line| !peers::python::POOLS.contains(&line.name));
        for line in lines {
            if let Err(why) = &line.outcome {
                failures.push(format!("{} in {}: {why}", line.name, result.name));
            }
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n")),
    }
}
