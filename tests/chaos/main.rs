//! Callers of every kind on shared pools, while a tormentor kills and stops workers
//! and the zygote, takes all descriptors and fills pipes, and a janitor ends pools
//! under them: whatever happens, results are right, each item has one outcome and
//! has begun once at most (or as often as it may be tried), each failure is explained
//! by a fault that was injected, and nothing is left.
//!
//! ```text
//!   calls ── orders ── Pool, Process ──> deeds (in workers, which note what begins)
//!              │                            ^
//!              │ outcome                    │ signals, full pipes, no descriptors
//!              v                            │
//!            judge <──── account <───── tormentor        janitor (in `pools`)
//! ```
//!
//! It runs for a minute, in rounds of a few seconds. Longer, and another way:
//!
//! ```sh
//! POOL_CHAOS_SECONDS=600 POOL_CHAOS_SEED=7 \
//!     cargo test --release -p pool-tests --test chaos -- --nocapture
//! ```
//!
//! All that is drawn follows from the seed; the moments do not, so a failure may need
//! a few runs to come again. What fails names the round's own seed.
//!
//! To add a kind of call, or a way in which one ends: `calls`. A setting of calls:
//! `terms`; of pools: `pools`; of workers: `conditions`, and what they tell of it:
//! `report`. A thing that items do: `deeds`, or `offences` if it is not allowed. A fault:
//! `tormentor`, or `pools` if it needs one; and what it may cause: `judge`.

#![allow(unsafe_code)]

mod account;
mod calls;
mod conditions;
mod deeds;
mod judge;
mod leftovers;
mod notes;
mod offences;
mod orders;
mod pools;
mod printed;
mod report;
mod targets;
mod terms;
mod tormentor;
mod watch;

use std::io::Write;
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use pool_runtime::CancelToken;
use pool_tests::clean::clean;
use pool_tests::fault::limit;
use pool_tests::rng::Rng;
use pool_tests::temp::TempDir;
use rustix::process::Resource;

use account::{Account, Column, Tally};
use orders::Fate;
use pools::Pools;
use printed::Printed;
use report::Report;
use watch::Watch;

/// How long faults are injected before everything must have come to rest.
const ROUND: Duration = Duration::from_secs(6);

const CALLERS: u64 = 5;

/// Descriptors that the program may have, so that it does not take long to take them
/// all. More than it needs.
const DESCRIPTORS: u64 = 400;

/// Rounds until all memory that is kept for later is there.
const WARM_UP: u64 = 3;

/// Bytes by which the program may grow after that, of some 10 MiB. It leaks none; the
/// allocator keeps some, here and there.
const GROWTH: usize = 8 << 20;

/// There is a famine in each round of so many.
const FAMINES: u64 = 3;

/// Rounds in which everything comes up that is drawn.
const ENOUGH: u64 = 10;

/// Rounds in which it does on a slow machine too.
const MOST: u64 = 40;

/// What everybody in a round shares.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    account: Account,
    pools: Pools,
    printed: Printed,
    watch: Watch,
    tally: &'a Tally,
    /// What calls of the moment may be taken back by.
    token: Mutex<CancelToken>,
    /// Where workers note which items begin, and how they end themselves.
    dir: &'a str,
    /// What is so of the program, and of workers that are told nothing else.
    own: Report,
    /// There will be no descriptors for long.
    has_famine: bool,
    until: Instant,
}

impl Scene<'_> {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// One of these, each as often as its number says.
fn draw<T: Copy>(table: &[(usize, T)], rng: &mut Rng) -> T {
    let mut left = rng.below(table.iter().map(|(weight, _)| weight).sum());
    for (weight, it) in table {
        match left.checked_sub(*weight) {
            Some(less) => left = less,
            None => return *it,
        }
    }
    unreachable!("less than the sum of the weights")
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().expect(name))
}

/// Says something to whoever runs the test, also where its output is kept from them.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(format!("{text}\n").as_bytes());
}

#[test]
fn whatever_happens_nothing_is_lost_doubled_unexplained_or_left() {
    leftovers::keep_no_memory();
    limit(Resource::Nofile, DESCRIPTORS);
    let seed = number("POOL_CHAOS_SEED", 0x5eed);
    let rounds = number("POOL_CHAOS_SECONDS", 60).div_ceil(ROUND.as_secs()).max(1);
    let (tally, threads) = (Tally::default(), leftovers::threads());
    let (mut warm, mut number) = (0, 0);
    // A slow machine gets to less in a round, and has more of them.
    while number < rounds || (ENOUGH..MOST).contains(&number) && untried(&tally).is_some() {
        let seed = seed + number;
        let replay = format!(
            "round {number} of {rounds}; to replay it: POOL_CHAOS_SEED={seed} \
             POOL_CHAOS_SECONDS={} cargo test -p pool-tests --test chaos",
            ROUND.as_secs()
        );
        let told = Told(&replay);
        round(seed, &tally, &replay);
        leftovers::await_threads(threads);
        assert_eq!(leftovers::channels(), 0, "channels are mapped that nobody has");
        let memory = leftovers::memory();
        if number < WARM_UP {
            warm = warm.max(memory);
        }
        assert!(memory < warm + GROWTH, "{} MiB after {} MiB", memory >> 20, warm >> 20);
        say(&format!("chaos: round {number} of {rounds}, {} MiB", memory >> 20));
        drop(told);
        number += 1;
    }
    say(&format!("chaos: survived {number} rounds from seed {seed}"));
    for column in [Column::Faults, Column::Failures, Column::Items, Column::Calls] {
        say(&format!("  {column:?}: {}", tally.show(column)));
    }
    if rounds >= ENOUGH {
        assert_eq!(untried(&tally), None);
    }
}

/// What never was, of all that has to be: that every fault was injected, and every kind of
/// call gave results all the same.
fn untried(tally: &Tally) -> Option<String> {
    let faults = tormentor::FAULTS.iter().map(|(_, fault)| format!("{fault:?}"));
    let chores = pools::CHORES.iter().map(|(_, chore)| format!("{chore:?}"));
    let faults = faults.chain(chores).map(|fault| (Column::Faults, fault));
    let right = calls::KINDS.iter().map(|(_, kind)| format!("{} right", kind.name()));
    let printed = ["lines printed", "lines relayed", "reported", "tried again"];
    let items = right.chain(printed.map(str::to_owned)).map(|what| (Column::Items, what));
    let causes =
        ["Signal", "Panic", "Exit0", "Exit7", "Abort", "Kill", "Segv", "Limit", "Deadline"];
    let offences = offences::OF_MEMORY.iter().chain(&offences::OF_SANDBOX);
    let offences = offences.map(|offence| format!("{offence:?}"));
    let of_items = causes.map(str::to_owned).into_iter().chain(offences);
    let of_items = of_items.map(|cause| (Column::Failures, format!("items by {cause}")));
    let of_calls = ["Deaths", "Refusal", "Famine", "Descriptors"];
    let of_calls = of_calls.map(|cause| (Column::Failures, format!("calls by {cause}")));
    let mut all = faults.chain(items).chain(of_items).chain(of_calls);
    let never = all.find(|(column, what)| tally.of(*column, what) == 0);
    never.map(|(column, what)| format!("{column:?}: {what}"))
}

/// Says how to replay a round that fails.
struct Told<'a>(&'a str);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::io::stderr().write_all(format!("failed in {}\n", self.0).as_bytes());
        }
    }
}

fn round(seed: u64, tally: &Tally, replay: &str) {
    let clean = clean();
    let dir = TempDir::new();
    let mut rng = Rng::new(seed);
    let scene = Scene {
        account: Account::default(),
        pools: Pools::default(),
        printed: Printed::begin(),
        watch: Watch::begin(replay.to_owned()),
        tally,
        token: Mutex::default(),
        dir: dir.path().to_str().unwrap(),
        own: Report::new(),
        has_famine: seed.is_multiple_of(FAMINES),
        until: Instant::now() + ROUND,
    };
    scene.pools.open(&scene, &mut rng);
    let fates = std::thread::scope(|scope| {
        let scene = &scene;
        let mut rng = || Rng::new(rng.any());
        let (theirs, others) = (rng(), rng());
        let tormentor = scope.spawn(move || tormentor::torment(scene, theirs));
        let janitor = scope.spawn(move || pools::tidy_up(scene, others));
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let rng = rng();
                scope.spawn(move || calls::call_on(scene, rng, caller << FIRST))
            })
            .collect();
        // All of them, before anything is said of one.
        let fates: Vec<_> = callers.into_iter().map(ScopedJoinHandle::join).collect();
        let others = [tormentor.join(), janitor.join()];
        let fates: Vec<Vec<Fate>> = fates.into_iter().map(or_panic).collect();
        others.into_iter().for_each(or_panic);
        fates
    });
    scene.pools.end(&mut rng);
    pool_runtime::shutdown();
    let Scene { printed, watch, .. } = scene;
    let lines = printed.end();
    tally.add(Column::Items, "lines printed", lines.all);
    tally.add(Column::Items, "lines relayed", lines.relayed);
    let again = assert_begun_as_told(&fates, &notes::noted(dir.path()));
    tally.add(Column::Items, "tried again", again);
    drop(watch);
    drop(clean);
}

/// The panic of another thread becomes this one's.
fn or_panic<T>(joined: std::thread::Result<T>) -> T {
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Ids of a caller's items begin at its number, shifted by this.
const FIRST: u32 = 32;

/// Every item has begun as often as its outcome says, and nobody knows of others. Tells
/// how often one was tried again.
fn assert_begun_as_told(fates: &[Vec<Fate>], begun: &[u64]) -> u64 {
    let mut again = 0;
    let mut counts: Vec<Vec<u32>> = fates.iter().map(|fates| vec![0; fates.len()]).collect();
    for &id in begun {
        let (caller, item) = ((id >> FIRST) as usize, id as u32 as usize);
        counts[caller][item] += 1;
    }
    for (caller, (fates, counts)) in fates.iter().zip(&counts).enumerate() {
        for (item, (fate, count)) in fates.iter().zip(counts).enumerate() {
            let id = (caller as u64) << FIRST | item as u64;
            assert!(
                (fate.least..=fate.most).contains(count),
                "item {id:x} has begun {count} times, of {fate:?}"
            );
            again += u64::from(count.saturating_sub(1));
        }
    }
    again
}
