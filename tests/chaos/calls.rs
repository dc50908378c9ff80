//! The callers, and every kind of call that they make.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use pool_runtime::{AsyncResult, Error, ErrorKind, Job, Process, ProcessBuilder, Task, TaskInput};
use pool_tests::futures::block_on;
use pool_tests::rng::Rng;

use crate::Scene;
use crate::account::{Column, locked};
use crate::conditions::Conditions;
use crate::deeds::{Answer, Mood, Order, perform, perform_lent};
use crate::orders::{Fate, Nature, Orders};
use crate::terms::Terms;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Map,
    Imap,
    ImapUnordered,
    Apply,
    ApplyAsync,
    MapAsync,
    /// On workers of its own.
    Pmap,
    /// One process for one item.
    Process,
}

pub(crate) const KINDS: &[(usize, Kind)] = &[
    (6, Kind::Map),
    (8, Kind::Imap),
    (8, Kind::ImapUnordered),
    (6, Kind::Apply),
    (8, Kind::ApplyAsync),
    (5, Kind::MapAsync),
    (1, Kind::Pmap),
    (3, Kind::Process),
];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Map => "map",
            Kind::Imap => "imap",
            Kind::ImapUnordered => "imap_unordered",
            Kind::Apply => "apply",
            Kind::ApplyAsync => "apply_async",
            Kind::MapAsync => "map_async",
            Kind::Pmap => "pmap",
            Kind::Process => "spawn",
        }
    }

    fn is_single(self) -> bool {
        matches!(self, Kind::Apply | Kind::ApplyAsync | Kind::Process)
    }

    /// The first failure ends the call, so most calls are to have none.
    fn is_fail_fast(self) -> bool {
        matches!(self, Kind::Map | Kind::MapAsync | Kind::Pmap)
    }

    /// The ways in which such a call may end.
    fn ends(self) -> &'static [(usize, End)] {
        match self {
            Kind::Map | Kind::Apply | Kind::Pmap => &[(1, End::Whole)],
            Kind::Imap | Kind::ImapUnordered => &[(5, End::Whole), (2, End::Dropped)],
            Kind::ApplyAsync | Kind::MapAsync => &[
                (3, End::Whole),
                (2, End::Asked),
                (2, End::Awaited),
                (2, End::Cancelled),
                (1, End::Detached),
            ],
            Kind::Process => {
                &[(3, End::Whole), (2, End::Asked), (2, End::Cancelled), (1, End::Dropped)]
            }
        }
    }
}

/// How a call comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The caller takes all there is.
    Whole,
    /// The caller asks again and again whether it is there.
    Asked,
    /// The caller polls a future.
    Awaited,
    /// The caller takes the work back: cancels it, or kills the process.
    Cancelled,
    /// The caller lets go, which takes the work back.
    Dropped,
    /// The caller lets go, and the work goes on.
    Detached,
}

/// Makes call after call until the round is over; gives the fates of all items, the
/// ids of which begin at `first`.
pub(crate) fn call_on(scene: &Scene<'_>, mut rng: Rng, first: u64) -> Vec<Fate> {
    let desk = scene.watch.desk();
    let mut fates = Vec::new();
    while !scene.is_over() {
        let kind = crate::draw(KINDS, &mut rng);
        let end = crate::draw(kind.ends(), &mut rng);
        let pool = scene.pools.pick(&mut rng);
        let of_pool = (!matches!(kind, Kind::Pmap | Kind::Process)).then_some(&*pool);
        let terms = match of_pool {
            Some(_) => Terms::draw(&mut rng, &locked(&scene.token)),
            None => Terms::default(),
        };
        let nature = nature(kind, end, &terms, &mut rng);
        let next = first + fates.len() as u64;
        desk.begin(&format!("{kind:?}, {end:?}, {nature:?}, {terms:?}, from id {next:x}"));
        let mut process = Process::builder();
        let conditions = match kind {
            Kind::Process => {
                let mut conditions = Conditions::draw(&mut rng, &scene.own);
                process = conditions.set_on_process(process, &scene.own, scene.dir);
                conditions
            }
            _ => of_pool.map_or_else(Conditions::default, |shared| shared.conditions.clone()),
        };
        scene.printed.call_begins(next, conditions.output, kind.is_single());
        let asked = (nature, terms, conditions);
        let orders = Orders::new(scene, kind.name(), of_pool, asked, next, rng.any());
        let call = Call { kind, end, orders: &orders, scene };
        match rng.below(2) {
            0 => call.make(pool.pool.job(perform), (perform, process), rng.any()),
            _ => call.make(pool.pool.job(perform_lent), (perform_lent, process), rng.any()),
        }
        scene.tally.count(Column::Calls, format!("{} {end:?}", kind.name()));
        fates.extend(orders.into_fates());
    }
    desk.leave();
    fates
}

fn nature(kind: Kind, end: End, terms: &Terms, rng: &mut Rng) -> Nature {
    let stays = match end {
        _ if terms.spares_running => None,
        End::Cancelled if rng.below(2) == 0 => Some(1),
        _ if terms.ends_items() => Some(8),
        _ => None,
    };
    let most = if stays.is_some() { 12 } else { 60 };
    let (count, mood) = match rng.below(4) {
        _ if kind.is_single() => (1, Mood::Wild),
        0 if stays.is_none() => (rng.below(3000), Mood::Brisk),
        1 if kind.is_fail_fast() => (rng.below(12), Mood::Wild),
        _ if kind.is_fail_fast() => (rng.below(most), Mood::Tame),
        _ => (rng.below(most), Mood::Wild),
    };
    let lazy = matches!(kind, Kind::Imap | Kind::ImapUnordered);
    let window = (lazy && rng.below(2) == 0).then(|| 1 + rng.below(40));
    Nature { count, mood, window, stays }
}

/// One call.
struct Call<'a> {
    kind: Kind,
    end: End,
    orders: &'a Orders<'a>,
    scene: &'a Scene<'a>,
}

impl Call<'_> {
    fn make<T>(&self, mut job: Job<'_, T>, process: (T, ProcessBuilder), seed: u64)
    where
        T: Task<Output = Answer>,
        Order: TaskInput<T>,
    {
        let mut rng = Rng::new(seed);
        if rng.below(2) == 0 && !self.kind.is_single() {
            job = job.chunk_size(rng.pick(&[1, 2, 5, 60]));
        }
        if let Some(window) = self.orders.nature.window {
            job = job.window(window);
        }
        let orders = self.orders;
        job = orders.terms.set_on(job);
        match self.kind {
            Kind::Map => orders.settle_all(job.map(orders.all())),
            Kind::Apply => orders.settle_only(job.apply(orders.draw())),
            Kind::Imap => {
                let results = job.imap(orders.all());
                self.take(results.enumerate(), &mut rng);
            }
            Kind::ImapUnordered => {
                let results = job.imap_unordered(orders.all());
                self.take(results, &mut rng);
            }
            Kind::ApplyAsync => match job.apply_async(orders.draw()) {
                Err(error) => orders.fail(&error),
                Ok(result) => {
                    if let Some(outcome) = self.wait(result, &mut rng) {
                        orders.settle_only(outcome);
                    }
                }
            },
            Kind::MapAsync => match job.map_async(orders.all()) {
                Err(error) => orders.fail(&error),
                Ok(result) => {
                    if let Some(outcome) = self.wait(result, &mut rng) {
                        orders.settle_all(outcome);
                    }
                }
            },
            Kind::Pmap => {
                let workers = 1 + rng.below(3);
                orders.settle_all(match rng.below(2) {
                    0 => perform.pmap(orders.all(), workers),
                    _ => perform_lent.pmap(orders.all(), workers),
                });
            }
            Kind::Process => self.process(process, &mut rng),
        }
    }

    /// Takes results, each with the index of its item, to the end or a part of them.
    fn take(
        &self,
        mut results: impl Iterator<Item = (usize, Result<Answer, Error>)>,
        rng: &mut Rng,
    ) {
        let some = match self.end {
            End::Dropped => rng.below(self.orders.nature.count + 1),
            _ => usize::MAX,
        };
        let mut failed = false;
        for (item, result) in results.by_ref().take(some) {
            assert!(!failed, "{} goes on after its end", self.kind.name());
            match result {
                Err(error) if error.item().is_none() => {
                    self.orders.fail(&error);
                    failed = true;
                }
                result => self.orders.settle(item, result),
            }
            if rng.below(200) == 0 {
                // A consumer that is slow now and then.
                nap(rng, 5000);
            }
        }
        if self.end == End::Whole && !failed {
            assert!(results.next().is_none(), "{} goes on after its end", self.kind.name());
            self.orders.complete();
        }
    }

    /// What comes of a call that is not waited for at once; `None` if its caller lets go.
    fn wait<R>(&self, mut result: AsyncResult<R>, rng: &mut Rng) -> Option<Result<R, Error>> {
        match self.end {
            End::Asked => loop {
                let outcome = result.get_timeout(Duration::from_micros(rng.below(5000) as u64));
                if !is_not_there(&outcome) {
                    return Some(outcome);
                }
            },
            End::Awaited => Some(block_on(result)),
            End::Cancelled => {
                nap(rng, 5000);
                self.orders.take_back();
                result.cancel();
                assert!(result.ready(), "a call that was cancelled is at its end");
                Some(result.get())
            }
            End::Detached => None,
            End::Whole | End::Dropped => {
                if rng.below(2) == 0 {
                    result.wait();
                    assert!(result.ready(), "a result that was waited for is there");
                }
                Some(result.get())
            }
        }
    }

    fn process<T>(&self, (task, builder): (T, ProcessBuilder), rng: &mut Rng)
    where
        T: Task<Output = Answer>,
        Order: TaskInput<T>,
    {
        let orders = self.orders;
        let mut process = match builder.spawn(task, orders.draw()) {
            Ok(process) => process,
            Err(error) => return orders.fail(&error),
        };
        let pid = process.pid();
        let outcome = match self.end {
            End::Asked => loop {
                let outcome = process.join_timeout(Duration::from_micros(rng.below(5000) as u64));
                if !is_not_there(&outcome) {
                    break outcome;
                }
            },
            End::Cancelled => {
                nap(rng, 5000);
                let account = &self.scene.account;
                if rng.below(2) == 0 {
                    account.will_end(pid, libc::SIGKILL);
                    process.kill().unwrap();
                } else {
                    account.will_end(pid, libc::SIGTERM);
                    process.terminate().unwrap();
                }
                process.join()
            }
            End::Dropped => return nap(rng, 5000),
            _ => process.join(),
        };
        let Some(status) = process.exit_status() else {
            panic!(
                "process {pid}, alive {}, was joined as {outcome:?}, and has no exit status",
                process.is_alive()
            );
        };
        let code = match &outcome {
            Ok(_) => Some(0),
            Err(error) if error.kind() == ErrorKind::Panicked => Some(101),
            Err(_) => None,
        };
        if let Some(code) = code {
            // Or it was ended on its way out.
            let ended = |signal| self.scene.account.was_ended(pid, signal);
            let as_it_should = status.code() == Some(code) || status.signal().is_some_and(ended);
            assert!(as_it_should, "{outcome:?} of a process that ended with {status}");
        }
        orders.settle_only(outcome);
    }
}

fn is_not_there<R>(outcome: &Result<R, Error>) -> bool {
    outcome.as_ref().is_err_and(|error| error.to_string().contains("was not there in time"))
}

fn nap(rng: &mut Rng, most: usize) {
    std::thread::sleep(Duration::from_micros(rng.below(most) as u64));
}
