//! The simulator on trial: it must find the mistakes of a list, each made in a copy of
//! the scheduler. Such a copy takes some three seconds to build, so a few are tried, and
//! on demand all of them, or one:
//!
//! ```text
//! POOL_MISTAKES=all cargo test -p pool-tests --test mistakes -- --nocapture
//! POOL_MISTAKES=StrandedJob cargo test -p pool-tests --test mistakes -- --nocapture
//! ```

mod copy;
mod list;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use copy::Copy;
use list::Mistake;
use pool_tests::clean::clean;

/// How many lives may pass before a mistake is found.
const PATIENCE: u64 = 3000;

/// One mistake of so many is tried without demand.
const FEW: usize = 10;

fn mistakes() -> Vec<Mistake> {
    list::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mistakes/list"))
}

fn chosen() -> Vec<Mistake> {
    let _clean = clean();
    let all = mistakes().into_iter();
    let chosen: Vec<Mistake> = match std::env::var("POOL_MISTAKES") {
        Err(_) => all.step_by(FEW).collect(),
        Ok(demand) if demand == "all" => all.collect(),
        Ok(demand) => all.filter(|mistake| mistake.name == demand).collect(),
    };
    assert!(!chosen.is_empty(), "POOL_MISTAKES is neither `all` nor the name of a mistake");
    chosen
}

/// Makes the mistake and has it found; gives after how many lives it was.
fn find(mistake: &Mistake) -> Result<u64, String> {
    let Mistake { name, breaks, what, changes } = mistake;
    let began = Instant::now();
    let copy = Copy::new();
    let made = changes.iter().try_for_each(|change| copy.change(change));
    let verdict = made
        .and_then(|()| copy.build())
        .and_then(|built| built.try_lives(PATIENCE, Some(breaks)))
        .map_err(|error| format!("{name} was not found as {breaks}. {what}{error}"))?;
    println!("{name} is found as {breaks}: {verdict}; {:.1} s", began.elapsed().as_secs_f64());
    Ok(verdict.split(' ').next().and_then(|lives| lives.parse().ok()).expect("a number of lives"))
}

#[test]
fn mistakes_are_found() {
    let (chosen, began) = (chosen(), Instant::now());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (mut most, mut missed) = (0, Vec::new());
    for batch in chosen.chunks(cores) {
        let _clean = clean();
        let found: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = batch.iter().map(|one| scope.spawn(|| find(one))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for found in found {
            match found {
                Ok(lives) => most = most.max(lives),
                Err(error) => missed.push(error),
            }
        }
    }
    let (all, found) = (chosen.len(), chosen.len() - missed.len());
    let seconds = began.elapsed().as_secs();
    println!("{found} of {all} mistakes are found within {most} lives; {seconds} s");
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

/// Else what is found would prove nothing.
#[test]
fn nothing_is_found_without_a_mistake() {
    let _clean = clean();
    let copy = Copy::new();
    let verdict = copy.build().and_then(|built| built.try_lives(PATIENCE, None));
    assert_eq!(verdict, Ok(format!("{PATIENCE} lives")));
}

#[test]
fn each_mistake_has_a_name_of_its_own_and_can_be_made() {
    let _clean = clean();
    let scheduler = copy::sources().join("scheduler");
    let mut names = BTreeSet::new();
    for Mistake { name, breaks, what, changes } in mistakes() {
        assert!(!breaks.is_empty() && !what.is_empty() && !changes.is_empty(), "{name}");
        for change in changes {
            let text = fs::read_to_string(scheduler.join(&change.file)).unwrap();
            let made = change.apply(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_ne!(made, text, "{name} changes nothing");
        }
        assert!(names.insert(name.clone()), "two mistakes are called {name}");
    }
}
