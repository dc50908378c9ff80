//! One call on a pool whose workers wait for it.

use super::{Setting, WORKERS, expect, our_pool, rayon_pool, said};
use crate::contest::{OURS, Row};
use crate::figures::{Unit, count, latency};
use crate::peers::futex::FutexFloor;
use crate::peers::procspawn;
use crate::peers::socket::SocketFloor;
use crate::tasks;

pub(crate) fn call(setting: &Setting) -> Row {
    let calls = setting.effort.pick(5_000, 1_000, 20);
    let mut row = Row::new(
        "One call on a warm pool",
        format!(
            "A `u64` there and one back, {} calls in each round, one after another. The \
                 floors hand 16 bytes to another process and get 16 back. Each call is timed by \
                 itself, which adds some tens of nanoseconds to everybody.",
            count(calls)
        ),
    );
    row.measures = &[("median", Unit::Seconds), ("99th percentile", Unit::Seconds)];
    row.enter_with(OURS, our_pool(), move |pool| {
        latency(calls, |n| expect(pool.apply(tasks::double, n).map_err(said)?, n * 2))
    });
    row.enter_with("procspawn", procspawn::pool(WORKERS), move |pool| {
        latency(calls, |n| expect(procspawn::join(pool.spawn(n, *tasks::double))?, n * 2))
    });
    setting.enter_python(&mut row, "call", &[calls]);
    row.enter_with("rayon", rayon_pool(WORKERS), move |pool| {
        latency(calls, |n| expect(pool.install(|| tasks::double(n)), n * 2))
    })
    .remark("threads");
    row.enter_with("socketpair", SocketFloor::start().map_err(said), move |floor| {
        latency(calls, |_| floor.ping_pong().map_err(said))
    })
    .remark("floor");
    row.enter_with("futex", FutexFloor::start(0).map_err(said), move |floor| {
        latency(calls, |_| floor.ping_pong().map_err(said))
    })
    .remark("floor, sleeps at once");
    row.enter("futex, spinning", move || {
        let mut floor = FutexFloor::pinned().map_err(said)?;
        latency(calls, |_| floor.ping_pong().map_err(said))
    })
    .remark("floor: two pinned processes that never sleep");
    row
}
