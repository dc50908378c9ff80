//! What each kind of call gives when it, or its pool, is ended: the table at `Job` in the
//! documentation, row by row.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_runtime::{CancelToken, Error, ErrorKind, Job, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::temp::TempDir;
use pool_tests::{runs, wait};

/// Notes that the item has begun; the first is done at once, the others never.
#[pool_task]
fn first_only(dir: &Path, item: u64) -> u64 {
    runs::note(dir, item);
    wait::until("what never comes", || item == 0);
    item
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Map,
    MapAsync,
    Imap,
    ImapUnordered,
    Apply,
    ApplyAsync,
}

const CALLS: [Call; 6] =
    [Call::Map, Call::MapAsync, Call::Imap, Call::ImapUnordered, Call::Apply, Call::ApplyAsync];

impl Call {
    fn is_lazy(self) -> bool {
        matches!(self, Call::Imap | Call::ImapUnordered)
    }
}

/// One thing that the caller is given: a value, or an error's kind and item.
type Given = Result<u64, (ErrorKind, Option<usize>)>;

fn given(result: Result<u64, Error>) -> Given {
    result.map_err(|error| (error.kind(), error.item()))
}

/// Makes the call on items up to `count`, with a window of four, and takes all that it
/// gives; notes that it took something.
fn all_given(
    call: Call,
    job: &Job<'_, first_only>,
    dir: &Path,
    count: u64,
    took: &AtomicBool,
) -> Vec<Given> {
    let job = job.clone().chunk_size(1).window(4);
    let items = || (0..count).map(|item| (dir, item));
    let take = |result| {
        took.store(true, Ordering::SeqCst);
        given(result)
    };
    let sum = |results: Result<Vec<u64>, Error>| vec![given(results.map(|all| all.iter().sum()))];
    match call {
        Call::Map => sum(job.map(items())),
        Call::MapAsync => sum(job.map_async(items()).and_then(|result| result.get())),
        Call::Imap => job.imap(items()).map(take).collect(),
        Call::ImapUnordered => {
            job.imap_unordered(items()).map(|(_, result)| take(result)).collect()
        }
        Call::Apply => vec![given(job.apply((dir, count - 1)))],
        Call::ApplyAsync => vec![given(job.apply_async((dir, count - 1)).and_then(|it| it.get()))],
    }
}

/// What a call gives during which this is done, when two items run that never end, or the one.
fn ended(call: Call, end: impl FnOnce(&Pool, &CancelToken) + Send) -> Vec<Given> {
    let (pool, token, dir) = (Pool::new(2).unwrap(), CancelToken::new(), TempDir::new());
    let took = AtomicBool::new(false);
    let running = if matches!(call, Call::Apply | Call::ApplyAsync) { 1 } else { 3 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait::until("items to run", || runs::noted(dir.path()).len() >= running);
            wait::until("a result", || !call.is_lazy() || took.load(Ordering::SeqCst));
            end(&pool, &token);
        });
        all_given(call, &pool.job(first_only).cancel_token(&token), dir.path(), 10, &took)
    })
}

#[test]
fn what_is_cancelled_or_terminated_gives_one_error_of_no_item_at_its_end() {
    let _clean = clean();
    for call in CALLS {
        for (kind, end) in [
            (ErrorKind::Cancelled, (|_, token| token.cancel()) as fn(&Pool, &CancelToken)),
            (ErrorKind::Terminated, |pool, _| pool.terminate()),
        ] {
            let mut given = ended(call, end);
            assert_eq!(given.pop(), Some(Err((kind, None))), "{call:?}");
            // What had come before.
            let before: &[Given] = if call.is_lazy() { &[Ok(0)] } else { &[] };
            assert_eq!(given, before, "{call:?}, {kind:?}");
        }
    }
}

#[test]
fn what_a_deadline_ends_gives_an_error_of_each_item_and_one_of_the_rest() {
    let _clean = clean();
    let limit = Duration::from_millis(700);
    for call in CALLS {
        for count in [2, 10] {
            let (pool, dir) = (Pool::new(2).unwrap(), TempDir::new());
            let given = all_given(
                call,
                &pool.job(first_only).deadline(limit),
                dir.path(),
                count,
                &AtomicBool::new(false),
            );
            if !call.is_lazy() {
                let [Err((ErrorKind::TimedOut, item))] = given[..] else { panic!("{given:?}") };
                let names_none = matches!(call, Call::Apply | Call::ApplyAsync);
                assert!(item.is_none() || !names_none, "{call:?} names item {item:?}");
                continue;
            }
            // Of what was pulled: one each. How much that was, a busy machine decides.
            let mut items: Vec<usize> = Vec::new();
            let mut of_none = 0;
            for (place, each) in given.iter().enumerate() {
                match *each {
                    Ok(item) => items.push(item as usize),
                    Err((ErrorKind::TimedOut, Some(item))) => items.push(item),
                    Err((ErrorKind::TimedOut, None)) => {
                        of_none += 1;
                        assert_eq!(place, given.len() - 1, "the last: {given:?}");
                    }
                    ref other => panic!("{other:?}"),
                }
            }
            items.sort_unstable();
            assert_eq!(items, (0..items.len()).collect::<Vec<_>>(), "{call:?}: {given:?}");
            // And one for what was not.
            assert_eq!(of_none, usize::from(items.len() < count as usize), "{call:?}: {given:?}");
            assert!(count == 2 || of_none == 1, "not more than the window is pulled");
        }
    }
}

#[test]
fn what_is_closed_meanwhile_goes_on() {
    let _clean = clean();
    for call in CALLS {
        let pool = Pool::new(2).unwrap();
        let dir = TempDir::new();
        let mut lazy = pool.imap(first_only, [(dir.path(), 0)]);
        let mut unordered = pool.imap_unordered(first_only, [(dir.path(), 0)]);
        let given_by = match call {
            Call::Imap => {
                pool.close();
                given(lazy.next().unwrap())
            }
            Call::ImapUnordered => {
                pool.close();
                given(unordered.next().unwrap().1)
            }
            Call::Map => {
                let input = [(dir.path(), 0)].into_iter().inspect(|_| pool.close());
                given(pool.map(first_only, input).map(|all| all[0]))
            }
            Call::MapAsync => {
                let result = pool.map_async(first_only, [(dir.path(), 0)]).unwrap();
                pool.close();
                given(result.get().map(|all| all[0]))
            }
            Call::Apply | Call::ApplyAsync => {
                let result = pool.apply_async(first_only, (dir.path(), 0)).unwrap();
                pool.close();
                given(result.get())
            }
        };
        assert_eq!(given_by, Ok(0), "{call:?}");
    }
}

#[test]
fn what_begins_too_late_gives_one_error_of_no_item() {
    let _clean = clean();
    let dir = TempDir::new();
    for call in CALLS {
        for (kind, end) in [
            (ErrorKind::Closed, (|pool, _| pool.close()) as fn(&Pool, &CancelToken)),
            (ErrorKind::Closed, |pool, _| pool.terminate()),
            (ErrorKind::Cancelled, |_, token| token.cancel()),
        ] {
            let (pool, token) = (Pool::new(1).unwrap(), CancelToken::new());
            end(&pool, &token);
            let job = pool.job(first_only).cancel_token(&token);
            let given = all_given(call, &job, dir.path(), 10, &AtomicBool::new(false));
            assert_eq!(given, [Err((kind, None))], "{call:?}");
        }
    }
    assert!(runs::noted(dir.path()).is_empty());
}
