//! Maps over items that are nearly no work: what a map itself costs.

use std::time::Duration;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{Setting, WORKERS, expect, our_pool, rayon_pool, said};
use crate::contest::{Amount, OURS, Row};
use crate::figures::{count, timed};
use crate::peers::procspawn;
use crate::tasks;

/// This library with a limit of time for each item, which no item meets.
const LIMITED: &str = "pool-runtime, limited";
const LIMIT: Duration = Duration::from_secs(10);
const WITH_LIMIT: &str = "a timeout of 10 s for each item";

/// Chunks as this library chooses them; the peers have the best of several.
pub(crate) fn map(setting: &Setting) -> Row {
    let items = setting.effort.pick(1_000_000, 100_000, 1_000);
    let mut row = Row::new(
        format!("A map over {} `u64`, default chunking", count(items)),
        format!(
            "{WORKERS} workers. Peers that have no default, or a bad one, have the best of \
                 several chunk sizes."
        ),
    );
    row.amount = Amount::Items(items);
    row.enter_timed_with(OURS, our_pool(), move |pool| {
        let (time, results) = timed(|| pool.map(tasks::double, 0..items as u64));
        checked(time, &results.map_err(said)?, items)
    });
    row.enter_timed_with(LIMITED, our_pool(), move |pool| {
        let job = pool.job(tasks::double).timeout(LIMIT);
        let (time, results) = timed(|| job.map(0..items as u64));
        checked(time, &results.map_err(said)?, items)
    })
    .remark(WITH_LIMIT);
    let procspawn = procspawn::pool(WORKERS).and_then(|pool| {
        let sizes = [1_000, 10_000, 50_000, 250_000].map(|size| size.min(items / WORKERS));
        let time = |size| Ok((in_chunks(&pool, items, size)?, size));
        let tried: Vec<(Duration, usize)> =
            sizes.map(time).into_iter().collect::<Result<_, String>>()?;
        let (_, size) = tried.into_iter().min().ok_or("no chunk size was tried")?;
        Ok((pool, size))
    });
    let remark = match &procspawn {
        Ok((_, size)) => format!("chunks of {}, by hand", count(*size)),
        Err(_) => String::new(),
    };
    row.enter_timed_with("procspawn", procspawn, move |(pool, size)| in_chunks(pool, items, *size))
        .remark(remark);
    setting.enter_python(&mut row, "map", &[items]);
    enter_rayon(&mut row, items);
    row
}

/// A message for each item.
pub(crate) fn map_one(setting: &Setting) -> Row {
    let items = setting.effort.pick(100_000, 10_000, 200);
    let mut row = Row::new(
        format!("A map over {} `u64` with `chunk_size(1)`", count(items)),
        format!("{WORKERS} workers, a message for each item."),
    );
    row.amount = Amount::Items(items);
    row.enter_timed_with(OURS, our_pool(), move |pool| {
        let job = pool.job(tasks::double).chunk_size(1);
        let (time, results) = timed(|| job.map(0..items as u64));
        checked(time, &results.map_err(said)?, items)
    });
    row.enter_timed_with(LIMITED, our_pool(), move |pool| {
        let job = pool.job(tasks::double).chunk_size(1).timeout(LIMIT);
        let (time, results) = timed(|| job.map(0..items as u64));
        checked(time, &results.map_err(said)?, items)
    })
    .remark(WITH_LIMIT);
    let window = WORKERS * 4;
    row.enter_timed_with("procspawn", procspawn::pool(WORKERS), move |pool| {
        let (time, results) =
            timed(|| procspawn::map(pool, window, 0..items as u64, *tasks::double));
        checked(time, &results?, items)
    })
    .remark(format!("a window of {window}, by hand"));
    setting.enter_python(&mut row, "map-one", &[items]);
    enter_rayon(&mut row, items);
    row
}

fn enter_rayon(row: &mut Row, items: usize) {
    row.enter_timed_with("rayon", rayon_pool(WORKERS), move |pool| {
        let work = || (0..items as u64).into_par_iter().map(*tasks::double).collect::<Vec<_>>();
        let (time, results) = timed(|| pool.install(work));
        checked(time, &results, items)
    })
    .remark("threads");
}

/// procspawn has calls only, so the caller cuts the items into chunks.
fn in_chunks(pool: &::procspawn::Pool, items: usize, size: usize) -> Result<Duration, String> {
    let (time, results) = timed(|| {
        let starts = (0..items).step_by(size);
        let chunks = starts
            .map(|start| (start as u64..(start + size).min(items) as u64).collect::<Vec<_>>());
        let double_all = |chunk: Vec<u64>| chunk.into_iter().map(*tasks::double).collect();
        let chunks: Vec<Vec<u64>> = procspawn::map(pool, WORKERS, chunks, double_all)?;
        Ok::<_, String>(chunks.concat())
    });
    checked(time, &results?, items)
}

fn checked(time: Duration, results: &[u64], items: usize) -> Result<Duration, String> {
    expect((results.len(), results.last()), (items, Some(&(items as u64 * 2 - 2))))?;
    Ok(time)
}
