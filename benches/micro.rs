//! Parts of this library alone, in small:
//!
//! ```sh
//! cargo bench -p pool-benches --bench micro
//! cargo bench -p pool-benches --bench micro -- --quick
//! ```
//!
//! The inner rooms are private, so what is measured is what a user can reach:
//! what a call costs by the kind and the size of what it carries, by the way it
//! is made, and by how it ends. `double(n)` in place is the zero of all that.

use std::collections::BTreeMap;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use pool_benches::tasks;
use pool_runtime::{Pool, pool_task};
use serde::{Deserialize, Serialize};

fn main() {
    pool_benches::parts::run("micro");
}

/// A record as programs have them.
#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    lines: Vec<(u32, String, f64)>,
    shipped: Option<bool>,
    tags: BTreeMap<String, String>,
}

impl Order {
    fn new() -> Order {
        let line = |n: u32| (n, format!("article {n}"), f64::from(n) * 1.25);
        let tags = [("channel", "post"), ("country", "NL")];
        Order {
            id: 4711,
            customer: "A. N. Other".into(),
            lines: (1..=8).map(line).collect(),
            shipped: Some(false),
            tags: tags.map(|(key, value)| (key.into(), value.into())).into(),
        }
    }
}

#[pool_task]
fn nothing() {}

#[pool_task]
fn echo_order(order: Order) -> Order {
    order
}

#[pool_task]
fn echo_text(text: String) -> String {
    text
}

#[pool_task]
fn weigh(weight: u64, text: &str, factors: &[f64]) -> f64 {
    weight as f64 * text.len() as f64 * factors.iter().sum::<f64>()
}

#[pool_task]
fn panics() {
    panic!("as expected");
}

#[pool_task]
fn dies() {
    std::process::abort();
}

fn pool() -> Pool {
    Pool::new(2).expect("a pool starts")
}

/// The zero: the same function as a call in place.
#[divan::bench]
fn in_place(bencher: Bencher<'_, '_>) {
    bencher.bench(|| tasks::double(black_box(21)));
}

/// One call, by what it carries.
mod apply {
    use super::*;

    #[divan::bench]
    fn nothing_at_all(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.bench(|| pool.apply(nothing, ()));
    }

    #[divan::bench]
    fn a_number(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.bench(|| pool.apply(tasks::double, black_box(21)));
    }

    #[divan::bench]
    fn three_arguments(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.bench(|| pool.apply(weigh, (2, "feather", &[1.0, 2.0, 3.0])));
    }

    #[divan::bench]
    fn a_record_echoed(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.with_inputs(Order::new).bench_values(|order| pool.apply(echo_order, order));
    }

    #[divan::bench(args = [64, 1 << 10, 64 << 10, 1 << 20])]
    fn text_echoed(bencher: Bencher<'_, '_>, size: usize) {
        let pool = pool();
        let text = "x".repeat(size);
        bencher
            .counter(BytesCount::new(size))
            .with_inputs(|| text.clone())
            .bench_values(|text| pool.apply(echo_text, text));
    }

    #[divan::bench(args = [64, 1 << 10, 64 << 10, 1 << 20, 16 << 20])]
    fn bytes_borrowed(bencher: Bencher<'_, '_>, size: usize) {
        let pool = pool();
        let bytes = vec![7; size];
        bencher.counter(BytesCount::new(size)).bench(|| pool.apply(tasks::length, &bytes));
    }

    #[divan::bench(args = [64, 1 << 10, 64 << 10, 1 << 20, 16 << 20])]
    fn bytes_echoed(bencher: Bencher<'_, '_>, size: usize) {
        let pool = pool();
        let bytes = vec![7; size];
        bencher
            .counter(BytesCount::new(size))
            .with_inputs(|| bytes.clone())
            .bench_values(|bytes| pool.apply(tasks::echo, bytes));
    }
}

/// One thousand items, by the way they are asked for.
mod thousand {
    use super::*;

    const ITEMS: u64 = 1_000;

    #[divan::bench]
    fn map(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.counter(ItemsCount::new(ITEMS)).bench(|| pool.map(tasks::double, 0..ITEMS));
    }

    #[divan::bench(args = [1, 10, 100])]
    fn map_in_chunks_of(bencher: Bencher<'_, '_>, size: usize) {
        let pool = pool();
        bencher
            .counter(ItemsCount::new(ITEMS))
            .bench(|| pool.job(tasks::double).chunk_size(size).map(0..ITEMS));
    }

    #[divan::bench]
    fn imap(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher
            .counter(ItemsCount::new(ITEMS))
            .bench(|| pool.imap(tasks::double, 0..ITEMS).filter(Result::is_ok).count());
    }

    #[divan::bench]
    fn imap_of_unknown_length(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.counter(ItemsCount::new(ITEMS)).bench(|| {
            pool.imap(tasks::double, 0..).take(ITEMS as usize).filter(Result::is_ok).count()
        });
    }

    #[divan::bench]
    fn imap_unordered(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher
            .counter(ItemsCount::new(ITEMS))
            .bench(|| pool.imap_unordered(tasks::double, 0..ITEMS).count());
    }

    #[divan::bench]
    fn calls_begun_and_then_awaited(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.counter(ItemsCount::new(ITEMS)).bench(|| {
            let begun: Vec<_> = (0..ITEMS)
                .map(|n| pool.apply_async(tasks::double, n).expect("the pool is open"))
                .collect();
            begun.into_iter().filter_map(|call| call.get().ok()).sum::<u64>()
        });
    }
}

/// Calls from several threads on one pool.
#[divan::bench(threads = [1, 2, 4])]
fn apply_from_threads(bencher: Bencher<'_, '_>) {
    let pool = pool();
    bencher.bench(|| pool.apply(tasks::double, black_box(21)));
}

/// What an end that is not a result costs, and a process of one's own.
mod ends {
    use super::*;

    #[divan::bench]
    fn a_panic(bencher: Bencher<'_, '_>) {
        let pool = pool();
        bencher.bench(|| pool.apply(panics, ()).is_err());
    }

    #[divan::bench(sample_size = 1)]
    fn a_death_and_a_new_worker(bencher: Bencher<'_, '_>) {
        // One worker: the next call waits for the one that takes its place.
        let pool = Pool::new(1).expect("a pool starts");
        bencher.bench(|| {
            let died = pool.apply(dies, ()).is_err();
            died && pool.apply(tasks::double, 21).is_ok()
        });
    }

    #[divan::bench(sample_size = 1)]
    fn a_process(bencher: Bencher<'_, '_>) {
        bencher.bench(|| {
            let mut process = tasks::double.spawn(21).expect("a process starts");
            process.join()
        });
    }
}
