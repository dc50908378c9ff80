//! A lazy map over endless input, whose consumer is slower than the workers:
//! whether memory stays flat.

use std::time::{Duration, Instant};

use pool_runtime::Pool;

use super::{Setting, WORKERS, expect, said};
use crate::contest::{NOBODY, OURS, Row};
use crate::figures::{Unit, count};
use crate::machine::peak_memory;
use crate::{roles, tasks};

/// How long the consumer takes for an item; and how long it is away, and how
/// often, so that the workers get as far ahead as they can.
const PACE: Duration = Duration::from_micros(1);
const AWAY: Duration = Duration::from_millis(10);
const OFTEN: usize = 100_000;

/// Python's map eats its input at once, so a small part shows how it grows.
const PYTHON_SHARE: usize = 20;

pub(crate) fn memory(setting: &Setting) -> Row {
    let items = setting.effort.pick(20_000_000, 400_000, 2_000);
    let mut row = Row::new(
        "Peak memory with a slow consumer",
        format!(
            "An `imap` over endless input, from which {} results are taken, one each \
                 microsecond, by a consumer that is sometimes away. Peak resident memory (VmHWM) \
                 after half of them and after as many again, in a program of its own. The first \
                 half is the warm-up: how far the two sides get apart is a matter of chance, and \
                 for some millions of results now and then sets a new record, which the pages of \
                 the rings and the allocator keep. What is allocated at a time, some 100 to 200 KiB \
                 at the most, is the same from the first seconds on.",
            count(items)
        ),
    );
    row.rounds = 1;
    row.base = NOBODY;
    row.warm_up = false;
    row.measures = &[
        ("program, early", Unit::Bytes),
        ("program, late", Unit::Bytes),
        ("worker, early", Unit::Bytes),
        ("worker, late", Unit::Bytes),
    ];
    row.enter(OURS, move || roles::numbers_from(roles::command("memory").arg(items.to_string())));
    let fewer = items / PYTHON_SHARE;
    let python = &setting.python[0];
    let command = python.command(&["memory", &fewer.to_string()]);
    row.enter_with(python.name, command, roles::numbers_from)
        .remark(format!("{} results, chunks of 1,000", count(fewer)));
    row
}

/// A role: the program with the slow consumer.
pub(crate) fn consume(arguments: &mut dyn Iterator<Item = String>) -> Result<(), String> {
    let items = arguments.next().and_then(|items| items.parse().ok());
    let items: usize = items.ok_or("the number of items is missing")?;
    let pool = Pool::new(WORKERS).map_err(said)?;
    let begun = Instant::now();
    let mut away = Duration::ZERO;
    let mut seen = Vec::new();
    for (n, result) in pool.imap(tasks::double, 0..).enumerate() {
        expect(result.map_err(said)?, n as u64 * 2)?;
        let taken = n + 1;
        if taken == items / 2 || taken == items {
            seen.push(peaks(&pool)?);
        }
        if taken == items {
            break;
        }
        if taken % OFTEN == 0 {
            std::thread::sleep(AWAY);
            away += AWAY;
        }
        while begun.elapsed() < away + PACE * taken as u32 {
            std::hint::spin_loop();
        }
    }
    let [(program_early, worker_early), (program_late, worker_late)] = seen[..] else {
        return Err("too few items".into());
    };
    println!("{program_early} {program_late} {worker_early} {worker_late}");
    Ok(())
}

/// The peak of this program, and that of the worker with the highest.
fn peaks(pool: &Pool) -> Result<(f64, f64), String> {
    let program = peak_memory(std::process::id());
    let workers = pool.workers().into_iter().filter_map(|worker| peak_memory(worker.pid));
    program.zip(workers.reduce(f64::max)).ok_or_else(|| "the kernel does not tell".into())
}
