//! Start, one call, stop.

use pool_runtime::Pool;

use super::{Setting, WORKERS, expect, rayon_pool, said};
use crate::contest::{OURS, Row};
use crate::figures::{quantile, timed};
use crate::peers::procspawn;
use crate::{roles, tasks};

/// In a program that has started no pool before.
pub(crate) fn first(setting: &Setting) -> Row {
    let programs = setting.effort.pick(10, 4, 1);
    let mut row = Row::new(
        "Start, one call, stop: the first of a program",
        format!(
            "{WORKERS} workers, from the start of the pool until all are gone. The median of \
                 {programs} programs in each round, each of them fresh, measured inside it."
        ),
    );
    row.warm_up = false;
    row.enter(OURS, move || median_of(programs, || one(roles::command("start"))));
    row.enter("procspawn", move || median_of(programs, || one(roles::command("start-procspawn"))));
    for pool in &setting.python {
        row.enter_with(pool.name, pool.command(&["start", pool.name]).map(|_| pool.clone()), {
            move |pool| median_of(programs, || one(pool.command(&["start", pool.name])?))
        });
    }
    row
}

/// In a program that has done it before.
pub(crate) fn later(setting: &Setting) -> Row {
    let times = setting.effort.pick(20, 10, 1);
    let mut row = Row::new(
        "Start, one call, stop: later ones",
        format!(
            "The same in a program that has done it before. The median of {times} in each \
                 round."
        ),
    );
    row.enter(OURS, move || median_of(times, || seconds(ours)));
    row.enter("pool-runtime, dropped", move || median_of(times, || seconds(ours_dropped)))
        .remark("instead of closed and joined");
    row.enter("procspawn", move || median_of(times, || seconds(with_procspawn)));
    setting.enter_python(&mut row, "start", &[times]);
    row.enter("rayon", move || median_of(times, || seconds(with_rayon))).remark("threads");
    row
}

/// A role: this library's first pool in a program.
pub(crate) fn first_of_ours() -> Result<(), String> {
    println!("{}", seconds(ours)?);
    Ok(())
}

/// A role: procspawn's first pool in a program.
pub(crate) fn first_of_procspawn() -> Result<(), String> {
    println!("{}", seconds(with_procspawn)?);
    Ok(())
}

fn ours() -> Result<(), String> {
    let pool = Pool::new(WORKERS).map_err(said)?;
    expect(pool.apply(tasks::double, 21).map_err(said)?, 42)?;
    pool.close();
    pool.join().map_err(said)
}

fn ours_dropped() -> Result<(), String> {
    let pool = Pool::new(WORKERS).map_err(said)?;
    expect(pool.apply(tasks::double, 21).map_err(said)?, 42)
}

fn with_procspawn() -> Result<(), String> {
    let pool = procspawn::pool(WORKERS)?;
    expect(procspawn::join(pool.spawn(21, *tasks::double))?, 42)?;
    pool.shutdown();
    Ok(())
}

fn with_rayon() -> Result<(), String> {
    let pool = rayon_pool(WORKERS)?;
    expect(pool.install(|| tasks::double(21)), 42)
}

fn seconds(work: fn() -> Result<(), String>) -> Result<f64, String> {
    let (time, result) = timed(work);
    result.map(|()| time.as_secs_f64())
}

fn median_of(
    times: usize,
    mut sample: impl FnMut() -> Result<f64, String>,
) -> Result<Vec<f64>, String> {
    let samples: Vec<f64> = (0..times).map(|_| sample()).collect::<Result<_, _>>()?;
    Ok(vec![quantile(&samples, 0.5)])
}

/// The one number that a program prints.
fn one(mut program: std::process::Command) -> Result<f64, String> {
    let numbers = roles::numbers_from(&mut program)?;
    numbers.first().copied().ok_or_else(|| "it printed nothing".into())
}
