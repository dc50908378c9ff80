//! What it costs to hand out an item, as the pool grows.

use pool_runtime::Pool;

use super::{Setting, said};
use crate::contest::Row;
use crate::figures::{Unit, count};
use crate::machine::{main_thread_time, own_time};
use crate::options::Effort;
use crate::tasks;

/// The pools, each as the table calls it.
const CROWDS: &[(usize, &str)] = &[
    (1, "1 worker"),
    (2, "2 workers"),
    (4, "4 workers"),
    (16, "16 workers"),
    (64, "64 workers"),
    (256, "256 workers"),
    (1_000, "1,000 workers"),
];

/// What the others are compared with, and what is: the names of two crowds.
pub(crate) const SMALL: &str = "4 workers";
pub(crate) const LARGE: &str = "1,000 workers";

/// One item in this time, in a pool of any size: tasks sleep so much longer as
/// there are more workers.
const PACE_MICROS: u64 = 100;

pub(crate) fn crowd(setting: &Setting) -> Row {
    let items = setting.effort.pick(10_000, 2_000, 50);
    let for_each_worker = setting.effort.pick(40, 4, 1);
    let mut row = Row::new(
        "The cost of an item as the pool grows",
        format!(
            "{} items or {for_each_worker} for each worker, whichever is more, one a message; \
                 tasks sleep, {PACE_MICROS} µs for each worker of the pool, so that in every pool \
                 an item is due each {PACE_MICROS} µs. The processor time of the program, and of \
                 the program and all workers, divided by the items.",
            count(items)
        ),
    );
    row.measures =
        &[("program, per item", Unit::Seconds), ("with workers, per item", Unit::Seconds)];
    row.base = SMALL;
    row.rounds = 3;
    row.warm_up = false;
    for &(workers, name) in CROWDS {
        if setting.effort == Effort::Smoke && workers > 16 {
            continue;
        }
        // Every worker is woken once when the map begins, and rests once when it ends: a few
        // items each would measure that.
        let items = items.max(workers * for_each_worker);
        row.enter(name, move || cost(workers, items));
    }
    row
}

fn cost(workers: usize, items: usize) -> Result<Vec<f64>, String> {
    let pool = Pool::new(workers).map_err(said)?;
    let job = pool.job(tasks::sleep).chunk_size(1);
    let nap = PACE_MICROS * workers as u64;
    // Every worker has run an item, and has what it needs for one. Shorter items some
    // workers would have run by themselves.
    job.map(vec![nap; workers * 2]).map_err(said)?;
    let pids: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
    let workers_time = || pids.iter().filter_map(|&pid| main_thread_time(pid)).sum::<f64>();
    let (theirs, own) = (workers_time(), own_time());
    job.map(vec![nap; items]).map_err(said)?;
    let own = own_time() - own;
    let theirs = workers_time() - theirs;
    let per_item = 1.0 / items as f64;
    Ok(vec![own * per_item, (own + theirs) * per_item])
}
