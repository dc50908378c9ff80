//! Large buffers of bytes, to the workers and back.

use std::rc::Rc;
use std::time::Duration;

use super::{Setting, WORKERS, expect, our_pool, said};
use crate::contest::{Amount, OURS, Row};
use crate::figures::timed;
use crate::peers::procspawn;
use crate::peers::socket::SocketFloor;
use crate::tasks;

/// The names of the references, and of what is compared with the second: the
/// bytes of all blocks do not fit into a cache, those of one do.
pub(crate) const MEMCPYS: &str = "two memcpys";
pub(crate) const MEMCPYS_OF_ONE: &str = "two memcpys, one block";
pub(crate) const OURS_OF_ONE: &str = "pool-runtime, one block";

/// Bytes in an item.
const SIZE: usize = 1 << 20;

type Blocks = Rc<Vec<Vec<u8>>>;

fn blocks(setting: &Setting) -> Blocks {
    let count = setting.effort.pick(64u8, 16, 2);
    Rc::new((0..count).map(|n| vec![n; SIZE]).collect())
}

/// To the workers, and a number back.
pub(crate) fn bytes_in(setting: &Setting) -> Row {
    let blocks = blocks(setting);
    let mut row = Row::new(
        format!("{} × 1 MiB, returning the length", blocks.len()),
        format!(
            "{WORKERS} workers. For reference, the same bytes copied twice inside one \
                 process, into buffers that are warm."
        ),
    );
    row.amount = Amount::Bytes(blocks.len() * SIZE);
    let items = Rc::clone(&blocks);
    row.enter_timed_with(OURS, our_pool(), move |pool| {
        let (time, lengths) = timed(|| pool.map(tasks::length, items.iter()));
        lengths_checked(time, lengths.map_err(said)?, items.len())
    })
    .remark("`&[u8]`");
    let items = Rc::clone(&blocks);
    row.enter_timed_with("pool-runtime, owned", our_pool(), move |pool| {
        let items = items.to_vec();
        let count = items.len();
        let (time, lengths) = timed(|| pool.map(tasks::length_owned, items));
        lengths_checked(time, lengths.map_err(said)?, count)
    })
    .remark("`Vec<u8>`");
    let items = Rc::clone(&blocks);
    row.enter_timed_with(OURS_OF_ONE, our_pool(), move |pool| {
        let (time, lengths) = timed(|| pool.map(tasks::length, items.iter().map(|_| &items[0])));
        lengths_checked(time, lengths.map_err(said)?, items.len())
    })
    .remark("`&[u8]`, the same block again and again");
    let items = Rc::clone(&blocks);
    row.enter_timed_with("procspawn", procspawn::pool(WORKERS), move |pool| {
        let items = items.to_vec();
        let count = items.len();
        let (time, lengths) = timed(|| procspawn::map(pool, WORKERS, items, *tasks::length_owned));
        lengths_checked(time, lengths?, count)
    })
    .remark(format!("a window of {WORKERS}, by hand"));
    setting.enter_python(&mut row, "bytes-in", &[blocks.len(), SIZE]);
    enter_socket(&mut row, &blocks, 8);
    enter_memcpys(&mut row, &blocks);
    row
}

/// To the workers and back.
pub(crate) fn bytes_echo(setting: &Setting) -> Row {
    let blocks = blocks(setting);
    let mut row = Row::new(
        format!("{} × 1 MiB echoed", blocks.len()),
        format!("{WORKERS} workers. The rate counts the bytes once."),
    );
    row.amount = Amount::Bytes(blocks.len() * SIZE);
    let items = Rc::clone(&blocks);
    row.enter_timed_with(OURS, our_pool(), move |pool| {
        let given = items.to_vec();
        let (time, echoes) = timed(|| pool.map(tasks::echo, given));
        expect(&echoes.map_err(said)?, &*items)?;
        Ok(time)
    });
    let items = Rc::clone(&blocks);
    row.enter_timed_with("procspawn", procspawn::pool(WORKERS), move |pool| {
        let given = items.to_vec();
        let (time, echoes) = timed(|| procspawn::map(pool, WORKERS, given, *tasks::echo));
        expect(&echoes?, &*items)?;
        Ok(time)
    })
    .remark(format!("a window of {WORKERS}, by hand"));
    setting.enter_python(&mut row, "bytes-echo", &[blocks.len(), SIZE]);
    enter_socket(&mut row, &blocks, SIZE);
    enter_memcpys(&mut row, &blocks);
    row
}

fn enter_socket(row: &mut Row, blocks: &Blocks, answer: usize) {
    let items = Rc::clone(blocks);
    row.enter_timed_with("socketpair", SocketFloor::start().map_err(said), move |floor| {
        let all = || items.iter().try_for_each(|block| floor.exchange(block, answer));
        let (time, sent) = timed(all);
        sent.map(|()| time).map_err(said)
    })
    .remark("floor: one process at the other end");
}

fn enter_memcpys(row: &mut Row, blocks: &Blocks) {
    let items = Rc::clone(blocks);
    row.enter_timed(MEMCPYS, move || Ok(copy_twice(items.iter())))
        .remark("reference: one process, warm memory");
    let items = Rc::clone(blocks);
    row.enter_timed(MEMCPYS_OF_ONE, move || Ok(copy_twice(items.iter().map(|_| &items[0]))))
        .remark("reference: the same block again and again, in the cache");
}

/// What a message costs at least: into shared memory, and out of it.
fn copy_twice<'a>(blocks: impl Iterator<Item = &'a Vec<u8>>) -> Duration {
    let (mut first, mut second) = (vec![1; SIZE], vec![1; SIZE]);
    let (time, ()) = timed(|| {
        for block in blocks {
            first.copy_from_slice(std::hint::black_box(block));
            second.copy_from_slice(std::hint::black_box(&first));
            std::hint::black_box(&second);
        }
    });
    time
}

fn lengths_checked(time: Duration, lengths: Vec<u64>, count: usize) -> Result<Duration, String> {
    expect(lengths, vec![SIZE as u64; count])?;
    Ok(time)
}
