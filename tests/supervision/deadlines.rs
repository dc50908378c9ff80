//! Jobs that take too long.

use std::error::Error as _;
use std::time::{Duration, Instant};

use pool_runtime::{Error, ErrorKind, Pool};
use pool_tests::clean::clean;
use pool_tests::runs;
use pool_tests::temp::TempDir;

use super::{Act, act, items, whoami_at};

const DEADLINE: Duration = Duration::from_millis(300);

#[test]
fn what_is_finished_is_delivered_and_the_rest_has_timed_out() {
    let _clean = clean();
    for chunk in [1, 5] {
        let dir = TempDir::new();
        let at = dir.path().to_str().unwrap();
        let pool = Pool::new(2).unwrap();
        let mut acts = [Act::Return; 60];
        (acts[10], acts[20]) = (Act::Hang, Act::Hang);
        let job = pool.job(act).deadline(DEADLINE).chunk_size(chunk).window(60);
        let results: Vec<_> = job.imap(items(at, &acts)).collect();
        assert_eq!(results.len(), 60, "one for each item");
        let runs = runs::noted(dir.path());
        for (item, result) in results.into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(value, item as u64),
                Err(error) => {
                    assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(item)));
                    assert!(
                        error.to_string().contains("deadline of its job, 300ms (see `deadline`)"),
                        "{error}"
                    );
                    let run = runs.get(&(item as u64)).map_or(0, Vec::len);
                    assert!(run <= 1 && (run == 0 || acts[item] == Act::Hang), "{item}: {run}");
                }
            }
        }
        // The workers that hung have been replaced, and serve.
        assert_eq!(pool.apply(act, (at, 100, Act::Return)).unwrap(), 100);
    }
}

#[test]
fn a_map_is_one_error_and_in_time() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    let started = Instant::now();
    let job = pool.job(act).deadline(DEADLINE);
    let acts = [Act::Return, Act::Hang, Act::Return];
    for error in [
        job.map(items(at, &acts)).unwrap_err(),
        job.map_async(items(at, &acts)).unwrap().get().unwrap_err(),
        job.apply((at, 1, Act::Hang)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
    assert!(started.elapsed() >= 3 * DEADLINE);
}

#[test]
fn endless_input_ends_with_one_error_more() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    let job = pool.job(act).deadline(4 * DEADLINE);
    let mut pulled = 0;
    let endless = std::iter::from_fn(|| {
        pulled += 1;
        Some((at, pulled - 1, Act::Sleep(1)))
    });
    let mut results: Vec<_> = job.imap(endless).collect();
    let last = results.pop().unwrap().unwrap_err();
    assert_eq!((last.kind(), last.item()), (ErrorKind::TimedOut, None), "{last}");
    assert_eq!(results.len() as u64, pulled, "an outcome for each item that was pulled");
    let done = results.iter().filter(|result| result.is_ok()).count();
    assert!(done > 10, "{done} of {pulled}");
    for (item, result) in results.iter().enumerate() {
        if let Err(error) = result {
            assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(item)));
        }
    }
    // Nobody is asked for anything more.
    assert_eq!(job.imap_unordered(items(at, &[Act::Return; 3])).count(), 3);
}

#[test]
fn a_deadline_that_is_met_changes_nothing() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    let job = pool.job(act).deadline(Duration::from_secs(60)).timeout(Duration::from_secs(30));
    let acts = vec![Act::Return; 500];
    assert_eq!(job.map(items(at, &acts)).unwrap(), (0..500).collect::<Vec<u64>>());
    assert_eq!(job.imap(items(at, &acts)).filter(Result::is_ok).count(), 500);
}

#[test]
fn what_is_to_be_tried_again_is_not_after_the_deadline() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let long = Duration::from_secs(60);
    let job = pool.job(act).deadline(Duration::from_secs(2)).retries(5).backoff(long, long);
    let results: Vec<_> = job.imap(items(at, &[Act::Return, Act::Die])).collect();
    assert_eq!(*results[0].as_ref().unwrap(), 0);
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(1)), "{error}");
    assert_eq!(runs::noted(dir.path())[&1].len(), 1);
    assert_tried(error, 1, ErrorKind::Died);
}

/// Asserts what a passed deadline says of the tries that had failed before.
fn assert_tried(error: &Error, tries: u32, last: ErrorKind) {
    assert_eq!((error.kind(), error.tries()), (ErrorKind::TimedOut, Some(tries)), "{error}");
    let source = error.source().expect("the last try had an error");
    let source: &Error = source.downcast_ref().expect("it is of this library");
    assert_eq!((source.kind(), source.item()), (last, error.item()), "{source}");
}

#[test]
fn an_item_that_had_failed_before_the_deadline_says_how_often_and_how() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(1).unwrap();
    let job = pool.job(act).deadline(Duration::from_secs(4)).retries(9);
    // It is at its third try when the deadline passes, which is none that has failed.
    let error = job.apply((at, 1, Act::DieTimesAndHang(2))).unwrap_err();
    assert_tried(&error, 2, ErrorKind::Died);
    assert!(
        error
            .to_string()
            .ends_with("deadline of its job, 4s (see `deadline`) (2 tries had failed)"),
        "{error}"
    );
    assert_eq!(runs::noted(dir.path())[&1].len(), 3);
    // By the caller's own rule, and as the one error of a map.
    let long = Duration::from_secs(60);
    let waits = job.clone().timeout(Duration::from_millis(500)).backoff(long, long);
    let waits = waits.retry_if(|error| error.kind() == ErrorKind::TimedOut);
    let error = waits.map(items(at, &[Act::Return, Act::Return, Act::Hang])).unwrap_err();
    assert_tried(&error, 1, ErrorKind::TimedOut);
    assert!(error.to_string().ends_with("(one try had failed)"), "{error}");
    // Who had not failed has nothing to say of tries.
    let error = job.apply((at, 3, Act::Hang)).unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::TimedOut, None), "{error}");
    assert!(error.source().is_none());
}

/// Items that take so long to be had, with the moments at which one was asked for.
fn slow_input<'a>(
    at: &'a str,
    takes: &'a [Duration],
    asked: &'a mut Vec<Instant>,
) -> impl Iterator<Item = (&'a str, u64, Act)> {
    (0..).zip(takes).map_while(move |(item, &takes)| {
        asked.push(Instant::now());
        std::thread::sleep(takes);
        Some((at, item, Act::Return))
    })
}

fn is_late(result: &Result<u64, Error>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut)
}

#[test]
fn a_deadline_is_heard_though_the_first_item_is_long_in_coming() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    let takes = [4 * DEADLINE, Duration::ZERO];
    for _ in 0..3 {
        let mut asked = Vec::new();
        let job = pool.job(act).deadline(DEADLINE);
        let results: Vec<_> = job.imap(slow_input(at, &takes, &mut asked)).collect();
        assert!(results.len() == 2 && results.iter().all(is_late), "{results:?}");
        assert_eq!(results[1].as_ref().unwrap_err().item(), None, "the rest of the input");
        assert_eq!(asked.len(), 1, "nothing more is pulled");
    }
    assert!(runs::noted(dir.path()).is_empty(), "nothing runs that is late before it begins");
}

#[test]
fn nothing_is_pulled_after_the_deadline() {
    let _clean = clean();
    let dir = TempDir::new();
    let at = dir.path().to_str().unwrap();
    let pool = Pool::new(2).unwrap();
    // Quick at first, so that items are pulled many at a time.
    let mut takes = vec![Duration::ZERO; 3000];
    takes.extend([DEADLINE / 10; 40]);
    let job = pool.job(act).deadline(DEADLINE);
    type Run<'a> = &'a dyn Fn(&mut Vec<Instant>) -> Result<Vec<u64>, Error>;
    let kinds: [Run<'_>; 4] = [
        &|asked| job.map(slow_input(at, &takes, asked)),
        &|asked| job.map_async(slow_input(at, &takes, asked)).unwrap().get(),
        &|asked| job.imap(slow_input(at, &takes, asked)).filter(|it| !is_late(it)).collect(),
        &|asked| job.clone().chunk_size(500).map(slow_input(at, &takes, asked)),
    ];
    for (kind, run) in kinds.iter().enumerate() {
        let mut asked = Vec::new();
        let result = run(&mut asked);
        assert!(kind == 2 || is_late(&result.map(|_| 0)), "{kind}");
        // The call began before that.
        let latest = asked[0] + DEADLINE;
        let late = asked.iter().filter(|&&moment| moment > latest).count();
        // One may be asked for in that very moment.
        assert!(late <= 1, "kind {kind} of call, {late} of {} items", asked.len());
    }
}

#[test]
fn a_map_async_is_late_whose_input_had_not_ended_though_all_that_it_gave_is_done() {
    let _clean = clean();
    let pool = Pool::new(2).unwrap();
    let mut asked = 0;
    // So many are queued while the next is waited for, and before the deadline.
    let (many, deadline) = (4096, 5 * DEADLINE);
    let input = (0..many + 3).inspect(|&item| {
        asked += 1;
        if item >= many {
            std::thread::sleep(2 * deadline);
        }
    });
    let error = pool.job(whoami_at).deadline(deadline).map_async(input).unwrap().get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(asked, many + 1);
    assert_eq!(pool.map(whoami_at, 0..10).unwrap().len(), 10);
}
