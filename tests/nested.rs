//! Values that are nested deep, or long without taking bytes, between real processes: they
//! come through, or are errors of their items, and cost no worker.

use std::hint::black_box;

use pool_runtime::{Error, ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use serde::{Deserialize, Serialize};

/// With the destructors that the compiler makes.
#[derive(Debug, Serialize, Deserialize)]
struct Node {
    id: u64,
    next: Option<Box<Node>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Wide {
    names: [String; 8],
    numbers: [u64; 32],
    place: Option<(u32, String, [u64; 16])>,
    next: Option<Box<Wide>>,
}

#[derive(Serialize, Deserialize)]
enum Tree {
    Leaf,
    Branch(Vec<Tree>),
    Named { name: String, inner: Box<Tree> },
}

fn node(levels: usize) -> Node {
    (0..levels).fold(Node { id: 0, next: None }, |node, id| Node {
        id: id as u64,
        next: Some(Box::new(node)),
    })
}

fn wide(levels: usize) -> Wide {
    (0..levels)
        .fold(Wide::default(), |node, _| Wide { next: Some(Box::new(node)), ..Wide::default() })
}

fn tree(levels: usize) -> Tree {
    (0..levels).fold(Tree::Leaf, |inner, level| match level % 2 {
        0 => Tree::Branch(vec![inner]),
        _ => Tree::Named { name: String::new(), inner: Box::new(inner) },
    })
}

#[pool_task]
fn make_node(levels: usize) -> Node {
    node(levels)
}

#[pool_task]
fn make_wide(levels: usize) -> Wide {
    wide(levels)
}

#[pool_task]
fn make_tree(levels: usize) -> Tree {
    tree(levels)
}

#[pool_task]
fn take_node(node: &Node) -> u64 {
    node.id
}

#[pool_task]
fn take_wide(node: Wide, more: u8) -> bool {
    more == 1 && node.next.is_some()
}

#[pool_task]
fn take_tree(tree: Option<&Tree>) -> bool {
    matches!(tree, Some(Tree::Branch(_) | Tree::Named { .. }))
}

#[pool_task]
fn make_units(count: usize) -> Vec<()> {
    vec![(); count]
}

#[pool_task]
fn count_units(units: Vec<()>) -> usize {
    units.len()
}

fn on_a_thread<R: Send + 'static>(size: usize, run: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::Builder::new().stack_size(size).spawn(run).unwrap().join().unwrap()
}

/// A result or a refusal, in words that tell what to do about it.
#[track_caller]
fn told<T>(result: Result<T, Error>) -> Option<T> {
    let error = match result {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let text = error.to_string();
    assert!(matches!(error.kind(), ErrorKind::Encode | ErrorKind::Decode), "{text}");
    assert!(text.contains("it is nested too deep for the stack: after "), "{text}");
    let in_worker = text.starts_with("task ");
    let advice = match in_worker {
        true => "see `stack_size` for a larger one",
        false => "on a thread with a larger one, see `thread::Builder::stack_size`",
    };
    assert!(text.ends_with(advice), "{text}");
    None
}

const DEPTHS: [usize; 6] = [0, 10, 100, 1000, 10_000, 1_000_000];

/// Everything there and back at every depth; no worker is lost. What is too deep is leaked,
/// on both sides: to drop it would overflow these stacks.
fn go_through(pool: &Pool) {
    let before: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
    for depth in DEPTHS {
        let mut came = Vec::new();
        came.push(told(pool.apply(make_node, depth)).map(|node| {
            assert_eq!(node.next.is_some(), depth > 0);
        }));
        came.push(told(pool.apply(take_node, node(depth))).map(|id| {
            assert_eq!(id, depth.saturating_sub(1) as u64);
        }));
        came.push(told(pool.apply(make_tree, depth)).map(drop));
        came.push(told(pool.apply(take_tree, Some(tree(depth)))).map(|is_one| {
            assert_eq!(is_one, depth > 0);
        }));
        // Some GiB else.
        if depth < 100_000 {
            came.push(told(pool.apply(make_wide, depth)).map(drop));
            came.push(told(pool.apply(take_wide, (wide(depth), 1))).map(|more| {
                assert_eq!(more, depth > 0);
            }));
        }
        assert!(depth > 10 || came.iter().all(Option::is_some), "{depth}: {came:?}");
        assert!(depth < 1_000_000 || came.iter().all(Option::is_none), "{depth}: {came:?}");
    }
    let after: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
    assert_eq!(before, after, "no worker is lost");
}

#[test]
fn depth_is_an_error_of_the_item_and_costs_no_process() {
    let _clean = clean();
    let of_threads: [usize; 3] = [256 << 10, 2 << 20, 16 << 20];
    let cases = [(None, &of_threads[..]), (Some(1 << 20), &of_threads[1..2])];
    for (stack, sizes) in cases {
        let mut builder = Pool::builder().workers(1);
        if let Some(bytes) = stack {
            builder = builder.stack_size(bytes);
        }
        let pool = builder.build().unwrap();
        for &size in sizes {
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(size);
                thread.spawn_scoped(scope, || go_through(&pool)).unwrap().join().unwrap();
            });
        }
    }
}

#[test]
fn the_stack_decides_and_not_a_count() {
    let _clean = clean();
    const LEVELS: usize = 100_000;
    let pool = Pool::builder().workers(1).stack_size(512 << 20).build().unwrap();
    on_a_thread(512 << 20, move || {
        let deep = pool.apply(make_node, LEVELS).unwrap();
        assert_eq!(pool.apply(take_node, deep).unwrap(), LEVELS as u64 - 1);
        let items = (0..3).map(|_| tree(LEVELS));
        assert_eq!(pool.map(take_tree, items.map(Some)).unwrap(), [true; 3]);
        assert_eq!(pool.imap(make_tree, [LEVELS; 3]).filter(Result::is_ok).count(), 3);
    });
}

/// Runs it with so many bytes left of the calling thread's stack, or some fewer.
fn near_the_end<R>(left: usize, run: impl FnOnce() -> R) -> R {
    #[inline(never)]
    fn deeper<R>(end: usize, run: impl FnOnce() -> R) -> R {
        let frame = black_box([0_u8; 512]);
        let here = black_box(&frame).as_ptr().addr();
        let result = if here <= end { run() } else { deeper(end, run) };
        black_box(frame);
        result
    }
    // A guard page below keeps the stack's mapping apart from others.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let here = std::ptr::from_ref(&maps).addr();
    let of = |line: &str| {
        let (low, high) = line.split(' ').next()?.split_once('-')?;
        let parse = |address| usize::from_str_radix(address, 16).ok();
        Some(parse(low)?..parse(high)?)
    };
    let stack = maps.lines().filter_map(of).find(|range| range.contains(&here)).unwrap();
    deeper(stack.start + left, run)
}

/// Where a plain value comes through, a nested one ends nobody.
#[test]
fn a_call_with_little_stack_left_has_a_result_or_an_error() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    on_a_thread(2 << 20, move || {
        let before: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
        for kibibytes in [14, 16, 18, 20, 22, 24, 26, 28, 32, 40, 64, 100, 200] {
            for levels in [1, 5, 50, 400, 10_000] {
                let node = node(levels);
                let (plain, sent, made) = near_the_end(kibibytes << 10, || {
                    let plain = pool.apply(count_units, vec![(); 3]);
                    // To drop one takes stack as well, which is the caller's affair.
                    let made = pool.apply(make_node, levels).map(std::mem::forget);
                    (plain, pool.apply(take_node, node), made)
                });
                assert_eq!(plain.unwrap(), 3);
                let ends = [told(sent).is_some(), told(made).is_some()];
                assert!(levels > 1 || ends == [true; 2], "{levels} with {kibibytes} KiB: {ends:?}");
                assert!(levels < 10_000 || ends == [false; 2], "{levels} with {kibibytes} KiB");
            }
        }
        let after: Vec<u32> = pool.workers().iter().map(|worker| worker.pid).collect();
        assert_eq!(before, after, "no worker is lost");
    });
}

#[test]
fn the_items_around_a_deep_one_are_not_its_concern() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    on_a_thread(2 << 20, move || {
        let depths = [3, 1_000_000, 4, 1_000_000, 5];
        let ids: Vec<Option<u64>> =
            pool.imap(take_node, depths.into_iter().map(node)).map(|result| told(result)).collect();
        assert_eq!(ids, [Some(2), None, Some(3), None, Some(4)]);
        let nodes: Vec<Option<u64>> =
            pool.imap(make_node, depths).map(|result| told(result).map(|node| node.id)).collect();
        assert_eq!(nodes, ids);
    });
}

#[test]
fn a_sandboxed_worker_knows_its_stack() {
    let _clean = clean();
    let sandbox = pool_runtime::Sandbox::read_only();
    for stack in [1 << 20, 512 << 20] {
        let pool = Pool::builder().workers(1).stack_size(stack).sandbox(sandbox.clone());
        let pool = pool.build().unwrap();
        on_a_thread(512 << 20, move || {
            let fits = 60_000;
            let node = told(pool.apply(make_node, fits));
            assert_eq!(node.is_some(), stack > 1 << 20);
            let taken = told(pool.apply(take_node, self::node(fits)));
            assert_eq!(taken.is_some(), stack > 1 << 20);
        });
    }
}

#[test]
fn lists_of_what_takes_no_bytes_keep_their_length() {
    let _clean = clean();
    let pool = Pool::new(1).unwrap();
    for count in [0, 1, (1 << 24) + 1] {
        assert_eq!(pool.apply(make_units, count).unwrap().len(), count);
        assert_eq!(pool.apply(count_units, vec![(); count]).unwrap(), count);
    }
    let says = "more than 4294967296 elements that take no bytes: send how many there are instead";
    let error = pool.apply(make_units, usize::MAX).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().ends_with(says), "{error}");
    let error = pool.apply(count_units, vec![(); usize::MAX]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().ends_with(says), "{error}");
}
