//! One large array of numbers, to a worker and back.

use std::rc::Rc;

use super::{Setting, WORKERS, expect, our_pool, said};
use crate::contest::{Amount, OURS, Row};
use crate::figures::{count, timed};
use crate::peers::procspawn;
use crate::peers::socket::SocketFloor;
use crate::tasks;

/// The name of the reference.
pub(crate) const CLONES: &str = "two clones";

pub(crate) fn numbers(setting: &Setting) -> Row {
    let length = setting.effort.pick(1_000_000, 200_000, 1_000);
    let values: Rc<Vec<f64>> = Rc::new((0..length).map(|n| n as f64).collect());
    let bytes = length * size_of::<f64>();
    let mut row = Row::new(
        format!("{} `f64` in and out", count(length)),
        "One call. For reference, a clone of the array and a clone of that.",
    );
    row.amount = Amount::Bytes(bytes);
    let array = Rc::clone(&values);
    row.enter_timed_with(OURS, our_pool(), move |pool| {
        let given = array.to_vec();
        let (time, back) = timed(|| pool.apply(tasks::numbers, given));
        expect(&back.map_err(said)?, &*array)?;
        Ok(time)
    })
    .remark("`Vec<f64>`");
    let array = Rc::clone(&values);
    row.enter_timed_with("pool-runtime, borrowed", our_pool(), move |pool| {
        let (time, back) = timed(|| pool.apply(tasks::numbers_borrowed, &*array));
        expect(&back.map_err(said)?, &*array)?;
        Ok(time)
    })
    .remark("`&[f64]`");
    let array = Rc::clone(&values);
    row.enter_timed_with("procspawn", procspawn::pool(WORKERS), move |pool| {
        let given = array.to_vec();
        let (time, back) = timed(|| procspawn::join(pool.spawn(given, *tasks::numbers)));
        expect(&back?, &*array)?;
        Ok(time)
    });
    setting.enter_python(&mut row, "numbers", &[length]);
    row.enter_timed_with("socketpair", SocketFloor::start().map_err(said), move |floor| {
        let request = vec![1; bytes];
        let (time, sent) = timed(|| floor.exchange(&request, bytes));
        sent.map(|()| time).map_err(said)
    })
    .remark("floor");
    row.enter_timed(CLONES, move || {
        let (time, _) = timed(|| {
            let first = values.to_vec();
            let second = std::hint::black_box(&first).clone();
            (first, second)
        });
        Ok(time)
    })
    .remark("reference");
    row
}
