//! Whole lives of pools, each drawn from one number.
//!
//! A [`world::World`] plays the engine, the worker processes and the callers
//! around one scheduler: processes that cannot start, die in the middle of
//! anything, never report in or never leave, stop and go on, take longer than they
//! may, refuse to end, or retire; recalls and fences that cross results,
//! deaths and other recalls; callers that are slow, endless or gone, jobs whose
//! deadline comes, items that are tried again; words that come late, twice or from
//! the dead; closing and terminating at any moment. It keeps its own account of the
//! pool (`books`, `dues`, `ledger`), and every step of the scheduler is held against
//! it (`judge`, `check`). That it finds what is wrong is itself tested, on copies of the
//! scheduler with a mistake in each (`tests/mistakes`).
//!
//! A seed that fails prints itself. To see its events and commands:
//!
//! ```text
//! POOL_SIM_SEED=4711 cargo test -p pool-runtime replay -- --nocapture
//! ```

mod answer;
mod books;
mod broken;
mod caller;
mod check;
mod child;
mod dues;
mod engine;
mod glimpse;
mod habits;
mod judge;
mod judging;
mod lack;
mod ledger;
mod orders;
mod orders_of_exhaustion;
mod orders_of_joining;
mod orders_of_retirement;
mod orders_of_termination;
mod orders_of_time;
mod outside;
mod plan;
mod posts;
mod record;
pub(super) mod rng;
mod said;
mod tally;
mod terms;
mod time;
mod trouble;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use broken::{Broken, Rule, broken};
use tally::Tally;
use world::World;

/// How many lives the standard run tries, if `POOL_SIM_LIVES` does not say
/// otherwise: about fifteen seconds of one core in a debug build.
const LIVES: u64 = 20_000;

type Outcome = Result<(), Broken>;

/// Lives one life. A panic of the scheduler is a broken promise like any other;
/// there is no world to look at if it panics when it is made.
fn live(seed: u64, traced: bool) -> (Option<World>, Outcome) {
    let mut world = None;
    let life = || world.insert(World::new(seed, traced)).run();
    let outcome = catch_unwind(AssertUnwindSafe(life)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or(panic.downcast_ref::<&str>().copied());
        broken(Rule::Assertion, message.unwrap_or("a panic without words"))
    });
    (world, outcome)
}

fn number_given(variable: &str) -> Option<u64> {
    let given = std::env::var(variable).ok()?;
    Some(given.parse().unwrap_or_else(|_| panic!("{variable}={given} is not a number")))
}

/// How to see what a seed does.
fn complaint(seed: u64, broken: &Broken) -> String {
    let Broken { rule, detail } = broken;
    format!(
        "seed {seed} broke {rule:?}: {detail}\n\
         replay it: POOL_SIM_SEED={seed} cargo test -p pool-runtime replay -- --nocapture"
    )
}

#[test]
fn twenty_thousand_lives_keep_every_promise() {
    let mut tally = Tally::new();
    for seed in 0..number_given("POOL_SIM_LIVES").unwrap_or(LIVES) {
        let (world, outcome) = live(seed, false);
        if let Err(broken) = outcome {
            panic!("{}", complaint(seed, &broken));
        }
        tally.add(&world.expect("a life that was lived").tally);
    }
    println!("{} lives, {} events, {} commands", tally.lives, tally.events, tally.commands);
    for &happening in tally::ALL {
        println!("{:>9}  {happening:?}", tally.of(happening));
    }
    for &happening in tally::ALL {
        assert!(tally.of(happening) > 0, "{happening:?} was never tried");
    }
}

/// Without a seed given, whether a life is the same whenever it is lived.
#[test]
fn replay() {
    let Some(seed) = number_given("POOL_SIM_SEED") else {
        for seed in [4711, 4712, 4713] {
            let trace = || live(seed, true).0.map(World::into_trace);
            let first = trace();
            assert!(first.as_ref().is_some_and(|trace| trace.len() > 20), "seed {seed} is dull");
            assert_eq!(first, trace(), "seed {seed} has two lives");
        }
        return;
    };
    let (world, outcome) = live(seed, true);
    if let Some(world) = world {
        println!("{:#?}", world.plan);
        for line in world.into_trace() {
            println!("{line}");
        }
    }
    if let Err(broken) = outcome {
        panic!("{}", complaint(seed, &broken));
    }
}
