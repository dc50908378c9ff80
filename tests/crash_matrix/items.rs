//! Faults while a worker has an item.

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::fault::{ERR_MESSAGE, Fault, PANIC_MESSAGE};
use pool_tests::orders::{Answer, Order, Phase};
use pool_tests::pools::{idle, pids};

#[pool_task]
fn square(order: Order) -> Answer {
    order.answer()
}

const TASK: &str = "crash_matrix::items::square";
const WORKERS: usize = 2;
const ITEMS: u64 = 24;
const CHUNKS: [usize; 3] = [1, 5, 24];

/// Every cell of the table.
fn cells() -> impl Iterator<Item = (Phase, Fault)> {
    let everywhere = [Phase::Decode, Phase::Body, Phase::Encode]
        .into_iter()
        .flat_map(|phase| Fault::ANYWHERE.map(|fault| (phase, fault)));
    everywhere.chain([(Phase::Decode, Fault::Err), (Phase::Encode, Fault::Err)])
}

fn pool() -> Pool {
    // A small stack overflows soon.
    let pool = Pool::builder().workers(WORKERS).stack_size(1 << 20);
    pool.env("RUST_LIB_BACKTRACE", "1").build().unwrap()
}

fn orders(bad: &[u64], trouble: (Phase, Fault)) -> impl Iterator<Item = Order> {
    (0..ITEMS)
        .map(move |number| Order { number, trouble: bad.contains(&number).then_some(trouble) })
}

fn kind(phase: Phase, fault: Fault) -> ErrorKind {
    match (fault, phase) {
        (Fault::Panic, _) => ErrorKind::Panicked,
        (Fault::Err, Phase::Decode) => ErrorKind::Decode,
        (Fault::Err, _) => ErrorKind::Encode,
        _ => ErrorKind::Died,
    }
}

/// Every accessor and the message.
fn assert_specified(error: &Error, (phase, fault): (Phase, Fault), item: Option<usize>) {
    let text = error.to_string();
    let cell = format!("{phase:?} × {fault:?}: {text}");
    assert_eq!(error.kind(), kind(phase, fault), "{cell}");
    assert_eq!(error.item(), item, "{cell}");
    assert_eq!(error.task(), Some(TASK), "{cell}");
    assert_eq!(error.signal(), fault.signal(), "{cell}");
    assert_eq!(error.exit_code(), fault.exit_code(), "{cell}");

    let panicked = fault == Fault::Panic;
    assert_eq!(error.panic_message(), panicked.then_some(PANIC_MESSAGE), "{cell}");
    let place = error.panic_location().map(|place| place.split(':').next().unwrap());
    assert_eq!(place, panicked.then_some("tests/src/fault.rs"), "{cell}");
    let frames = error.backtrace().unwrap_or_default();
    assert_eq!(frames.contains("commit"), panicked, "{cell}\n{frames}");

    let pid = error.pid().expect("the worker is known");
    let on = item.map_or_else(String::new, |item| format!(" on item {item}"));
    let says = |part: &str| assert!(text.contains(part), "no {part:?} in {cell}");
    says(TASK);
    says(fault.described());
    match fault {
        Fault::Panic => {
            let during = match phase {
                Phase::Decode => " while its arguments were decoded",
                Phase::Body => "",
                Phase::Encode => " while its result was encoded",
            };
            let place = error.panic_location().unwrap();
            assert_eq!(
                text,
                format!("task {TASK} panicked{during}{on} at {place}: {PANIC_MESSAGE}")
            );
        }
        Fault::Err if phase == Phase::Decode => {
            let what = "could not decode its input";
            assert_eq!(text, format!("task {TASK} {what}{on}: argument `order`: {ERR_MESSAGE}"));
        }
        Fault::Err => {
            let what = "could not encode its result";
            assert_eq!(text, format!("task {TASK} {what}{on}: {ERR_MESSAGE}"));
        }
        _ => {
            let workers = [format!("worker 0 (pid {pid}) "), format!("worker 1 (pid {pid}) ")];
            assert!(workers.iter().any(|worker| text.starts_with(worker)), "{cell}");
            let end = match fault {
                Fault::StackOverflow => {
                    "overflowed its stack of 1 MiB (see `stack_size`) and was killed by SIGSEGV"
                }
                _ => fault.described(),
            };
            says(&format!("(pid {pid}) {end} while running {TASK}{on}"));
            says("(likely cause: ");
        }
    }
}

#[test]
fn a_fault_costs_its_item_and_no_other() {
    let _clean = clean();
    let bad = [7, 16];
    for (cell, chunk) in cells().flat_map(|cell| CHUNKS.map(|chunk| (cell, chunk))) {
        let pool = pool();
        let before = pids(&pool);
        let mut blamed = Vec::new();
        let results = pool.job(square).chunk_size(chunk).imap(orders(&bad, cell));
        let mut seen = 0;
        for (number, result) in (0..).zip(results) {
            seen += 1;
            if bad.contains(&number) {
                let error = result.expect_err("a bad item");
                assert_specified(&error, cell, Some(usize::try_from(number).unwrap()));
                blamed.push(error.pid().unwrap());
            } else {
                let answer =
                    result.unwrap_or_else(|error| panic!("{cell:?}, chunk {chunk}: {error}"));
                assert_eq!(answer.squared, number * number);
            }
        }
        assert_eq!(seen, ITEMS, "{cell:?}, chunk {chunk}");
        assert_pool_is_whole(&pool, cell.1, &before.into_iter().collect::<Vec<_>>(), &blamed);
    }
}

#[test]
fn the_first_fault_is_the_error_of_a_map() {
    let _clean = clean();
    for (cell, chunk) in cells().flat_map(|cell| CHUNKS.map(|chunk| (cell, chunk))) {
        let pool = pool();
        let error = pool.job(square).chunk_size(chunk).map(orders(&[7], cell)).unwrap_err();
        assert_specified(&error, cell, Some(7));
        let answers = pool.map(square, orders(&[], cell)).unwrap();
        assert_eq!(answers.len(), usize::try_from(ITEMS).unwrap());
        idle(&pool, WORKERS);
    }
}

#[test]
fn a_fault_of_a_single_call_names_no_item() {
    let _clean = clean();
    for cell in cells() {
        let pool = pool();
        let error = pool.apply(square, Order { number: 3, trouble: Some(cell) }).unwrap_err();
        assert_specified(&error, cell, None);
        let answer = pool.apply(square, Order { number: 3, trouble: None }).unwrap();
        assert_eq!(answer.squared, 9);
        if cell.1.is_fatal() {
            assert_ne!(Some(answer.pid), error.pid(), "{cell:?}");
        }
    }
}

#[test]
fn every_item_can_be_bad() {
    let _clean = clean();
    let pool = pool();
    for fault in [Fault::Panic, Fault::Exit0, Fault::Kill] {
        let cell = (Phase::Body, fault);
        let all: Vec<u64> = (0..ITEMS).collect();
        let results = pool.job(square).chunk_size(3).imap(orders(&all, cell));
        let errors: Vec<Error> = results.map(|result| result.expect_err("all are bad")).collect();
        for (item, error) in errors.iter().enumerate() {
            assert_specified(error, cell, Some(item));
        }
        assert_eq!(errors.len(), all.len());
    }
    assert_eq!(pool.map(square, orders(&[], (Phase::Body, Fault::Kill))).unwrap().len(), 24);
}

#[test]
fn a_death_among_a_hundred_calls_fails_one() {
    let _clean = clean();
    let pool = pool();
    for fault in [Fault::Exit0, Fault::Kill] {
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let trouble = (number == 50).then_some((Phase::Body, fault));
                pool.apply_async(square, Order { number, trouble }).unwrap()
            })
            .collect();
        for (number, call) in (0..).zip(calls) {
            match call.get() {
                Ok(answer) => assert_eq!(answer.squared, number * number),
                Err(error) => {
                    assert_eq!(number, 50, "{error}");
                    assert_specified(&error, (Phase::Body, fault), None);
                }
            }
        }
        idle(&pool, WORKERS);
    }
}

/// The pool has all its workers, and they work: the ones it had, but for those
/// that a fault has ended.
fn assert_pool_is_whole(pool: &Pool, fault: Fault, before: &[u32], blamed: &[u32]) {
    let after = idle(pool, WORKERS);
    if fault.is_fatal() {
        assert!(
            blamed.iter().all(|pid| !after.contains(pid)),
            "{fault:?}: {blamed:?} in {after:?}"
        );
    } else {
        assert!(blamed.iter().all(|pid| after.contains(pid)), "{fault:?}: {blamed:?} in {after:?}");
        assert!(after.iter().eq(before), "{fault:?}: {before:?}, then {after:?}");
    }
    let orders = orders(&[], (Phase::Body, fault));
    for (number, answer) in (0..).zip(pool.map(square, orders).unwrap()) {
        assert_eq!(answer.squared, number * number);
        assert!(after.contains(&answer.pid), "{fault:?}: {} not in {after:?}", answer.pid);
    }
}
