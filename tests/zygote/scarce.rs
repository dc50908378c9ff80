//! Where something is lacking, the zygote gives way to the workers.

use std::fs::File;

use pool_runtime::{ErrorKind, Pool, PoolBuilder, shutdown};
use pool_tests::alone::alone;
use pool_tests::fault::limit;
use rustix::process::{Resource, getrlimit};

use crate::helpers::{executed, square, zygotes_of};

/// Lets go of `room` descriptors, the rest below the limit being taken.
fn with_descriptors<R>(room: usize, call: impl FnOnce() -> R) -> R {
    let before = getrlimit(Resource::Nofile).current.unwrap();
    limit(Resource::Nofile, 128);
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len().checked_sub(room).expect("room for the test"));
    let result = call();
    drop(taken);
    limit(Resource::Nofile, before);
    result
}

/// How many descriptors a pool needs. With less there is an error that says so.
fn needs(builder: impl Fn() -> PoolBuilder) -> usize {
    let enough = |room: &usize| {
        shutdown();
        with_descriptors(*room, || match builder().build() {
            Ok(pool) => {
                assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
                assert!(error.to_string().contains("ulimit -n"), "{error}");
                false
            }
        })
    };
    let least = (0..100).find(enough).expect("a hundred are enough");
    assert!((least..least + 12).all(|room| enough(&room)), "more is never too little");
    least
}

#[test]
fn a_pool_needs_no_more_descriptors_than_without_it() {
    alone("scarce::a_pool_needs_no_more_descriptors_than_without_it", || {
        let own = needs(|| Pool::builder().workers(3));
        assert_eq!(own, needs(|| executed(3)));
    });
}

#[test]
fn an_idle_one_makes_room_for_a_worker() {
    alone("scarce::an_idle_one_makes_room_for_a_worker", || {
        drop(Pool::new(1).unwrap());
        assert_eq!(zygotes_of(std::process::id()).len(), 1);
        let without = needs(|| executed(1));
        // Its own are among those that are taken here.
        drop(Pool::new(1).unwrap());
        assert_eq!(zygotes_of(std::process::id()).len(), 1);
        let room = without - 2;
        let pool = with_descriptors(room, || Pool::new(1).unwrap());
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
        assert_eq!(zygotes_of(std::process::id()), []);
    });
}
