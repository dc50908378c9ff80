//! The pools that all callers share, and the janitor, who ends them and makes others.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use pool_runtime::{Pool, PoolBuilder};
use pool_tests::rng::Rng;
use pool_tests::wait;

use crate::Scene;
use crate::account::{Column, locked};
use crate::conditions::Conditions;
use crate::judge::Known;

/// A pool, what its workers live under, and whether it was ended by the test.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pool: Pool,
    pub(crate) conditions: Conditions,
    ended: AtomicBool,
}

impl Shared {
    /// Whether the test has closed or terminated it, or is about to.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// The pools of a round.
#[derive(Debug, Default)]
pub(crate) struct Pools(RwLock<Vec<Arc<Shared>>>);

/// How many there are at a time.
const COUNT: usize = 2;

/// The most workers of one.
pub(crate) const WORKERS: usize = 4;

impl Pools {
    /// One of them. The callers keep it until they have let go of what it gave them,
    /// whatever becomes of it meanwhile.
    pub(crate) fn pick(&self, rng: &mut Rng) -> Arc<Shared> {
        let pools = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&pools[rng.below(pools.len())])
    }

    /// Makes all of them.
    pub(crate) fn open(&self, scene: &Scene<'_>, rng: &mut Rng) {
        let made = (0..COUNT).map(|_| build(scene, rng)).collect();
        *self.0.write().unwrap() = made;
    }

    /// Puts another in the place of one; gives that one.
    fn replace(&self, place: usize, with: Arc<Shared>) -> Arc<Shared> {
        let mut pools = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut pools[place], with)
    }

    /// Ends all of them, as the calm after a round is to find nothing.
    pub(crate) fn end(&self, rng: &mut Rng) {
        for shared in self.0.write().unwrap().drain(..) {
            let shared = Arc::into_inner(shared).expect("no caller is left");
            match rng.below(3) {
                0 => drop(shared),
                1 => {
                    shared.pool.close();
                    shared.pool.join().unwrap();
                }
                _ => {
                    shared.pool.terminate();
                    shared.pool.join().unwrap();
                }
            }
        }
    }
}

/// Pools are made in several ways, of workers that stay for longer or shorter.
fn builder(rng: &mut Rng) -> PoolBuilder {
    let builder = Pool::builder().workers(1 + rng.below(WORKERS));
    let builder = match rng.below(4) {
        // Every worker is executed.
        0 => builder.worker_program(std::env::current_exe().unwrap()),
        1 => builder.env("POOL_CHAOS_OTHER", "1").current_dir(PathBuf::from("/")),
        _ => builder,
    };
    let builder = match rng.below(8) {
        0 | 1 => builder.max_tasks_per_child(1 + rng.below(40) as u64),
        2 => builder.max_age(Duration::from_millis(1 + rng.below(300) as u64)),
        3 => builder.max_rss((20 + rng.below(30) as u64) << 20),
        _ => builder,
    };
    match rng.below(6) {
        0 => builder.kill_grace(Duration::ZERO),
        _ => builder,
    }
}

/// A pool, sooner or later: a worker may be killed while it starts, or there may be
/// no descriptors.
fn build(scene: &Scene<'_>, rng: &mut Rng) -> Arc<Shared> {
    loop {
        let since = Instant::now();
        let conditions = Conditions::draw(rng, &scene.own);
        match conditions.set_on(builder(rng), &scene.own, scene.dir).build() {
            Ok(pool) => {
                return Arc::new(Shared { pool, conditions, ended: AtomicBool::new(false) });
            }
            Err(error) => {
                let known = Known::of_pool(scene, &conditions, since);
                let cause = known.explain(&error).unwrap_or_else(|why| panic!("a pool: {why}"));
                scene.tally.count(Column::Failures, format!("pools by {cause:?}"));
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// What happens to pools while callers use them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chore {
    /// The workers are killed, and the work fails.
    Terminate,
    /// Nothing new is taken; what was taken is done before the workers go.
    CloseAndJoin,
    /// The last caller that has it drops it.
    LetGo,
    /// The zygote is ended.
    Shutdown,
    /// Somebody looks at the workers.
    Look,
    /// The pool may start workers again, whether it had given up or not.
    Reset,
    /// Every call that has the token of the moment is taken back.
    CancelToken,
}

pub(crate) const CHORES: &[(usize, Chore)] = &[
    (2, Chore::Terminate),
    (2, Chore::CloseAndJoin),
    (1, Chore::LetGo),
    (1, Chore::Shutdown),
    (4, Chore::Look),
    (1, Chore::Reset),
    (2, Chore::CancelToken),
];

/// The longest time between two chores.
const PAUSE: Duration = Duration::from_millis(300);

/// Does chore after chore until the round is over.
pub(crate) fn tidy_up(scene: &Scene<'_>, mut rng: Rng) {
    let desk = scene.watch.desk();
    while !scene.is_over() {
        desk.begin("janitor: rests");
        std::thread::sleep(PAUSE.mul_f64(rng.below(1000) as f64 / 1000.0));
        let (place, chore) = (rng.below(COUNT), crate::draw(CHORES, &mut rng));
        desk.begin(&format!("janitor: {chore:?} of pool {place}"));
        let other = |rng: &mut Rng| scene.pools.replace(place, build(scene, rng));
        match chore {
            Chore::Terminate => {
                let shared = scene.pools.0.read().unwrap()[place].clone();
                shared.end();
                shared.pool.terminate();
                if rng.below(2) == 0 {
                    shared.pool.join().unwrap();
                    assert!(shared.pool.workers().is_empty(), "a pool that was joined has workers");
                }
                other(&mut rng);
            }
            Chore::CloseAndJoin => {
                // Before, so that callers meet a closed pool; or they let it finish.
                let early = rng.below(2) == 0;
                let shared = scene.pools.0.read().unwrap()[place].clone();
                let shared = if early { other(&mut rng) } else { shared };
                shared.end();
                shared.pool.close();
                shared.pool.join().unwrap();
                // Lazy maps that are not at their end have had others started since, maybe.
                wait::until("callers to come to their end", || shared.pool.workers().is_empty());
                shared.pool.join().unwrap();
                if !early {
                    other(&mut rng);
                }
            }
            Chore::LetGo => drop(other(&mut rng)),
            Chore::Shutdown => pool_runtime::shutdown(),
            Chore::CancelToken => {
                let token = std::mem::take(&mut *locked(&scene.token));
                token.cancel();
            }
            Chore::Reset => scene.pools.pick(&mut rng).pool.reset(),
            Chore::Look => {
                let shared = scene.pools.pick(&mut rng);
                assert!(shared.pool.workers().len() <= WORKERS);
            }
        }
        scene.tally.count(Column::Faults, format!("{chore:?}"));
    }
    desk.leave();
}
