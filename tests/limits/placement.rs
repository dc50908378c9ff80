//! Where and how workers run.

use std::collections::BTreeMap;

use pool_runtime::{Error, ErrorKind, Pool, PoolBuilder, Process, Resource, pool_task};
use pool_tests::alone::alone;
use pool_tests::clean::clean;
use pool_tests::users::become_nobody;
use rustix::process::{Resource as Kind, getpriority_process, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::both_ways;

fn cores() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

#[pool_task]
fn own_cores() -> (u32, Vec<usize>) {
    // Long enough for every worker to have some.
    std::thread::sleep(std::time::Duration::from_millis(5));
    (std::process::id(), cores())
}

#[test]
fn each_slot_has_its_core() {
    let _clean = clean();
    let all = cores();
    let chosen = [all[all.len() - 1], all[0], all[0]];
    for builder in both_ways(4) {
        let pool = builder.pin(chosen).build().unwrap();
        let slots: BTreeMap<u32, usize> =
            pool.workers().iter().map(|worker| (worker.pid, worker.slot)).collect();
        let told: BTreeMap<u32, Vec<usize>> =
            pool.map(own_cores, [(); 200]).unwrap().into_iter().collect();
        assert!(told.len() > 1, "{told:?}");
        for (pid, cores) in told {
            assert_eq!(cores, [chosen[slots[&pid] % 3]]);
        }
    }
    let mut process = Process::builder().pin(all[0]).spawn(own_cores, ()).unwrap();
    assert_eq!(process.join().unwrap().1, [all[0]]);
    assert_eq!(cores(), all, "the program itself stays as it is");
}

#[pool_task]
fn own_niceness() -> i32 {
    getpriority_process(None).unwrap()
}

#[test]
fn workers_are_as_nice_as_they_are_told() {
    let _clean = clean();
    let own = own_niceness();
    for builder in both_ways(1) {
        let pool = builder.nice(own + 3).build().unwrap();
        assert_eq!(pool.apply(own_niceness, ()).unwrap(), own + 3);
    }
    let mut process = Process::builder().nice(19).spawn(own_niceness, ()).unwrap();
    assert_eq!(process.join().unwrap(), 19);
    assert_eq!(own_niceness(), own);
}

const KINDS: [(Resource, Kind, u64); 11] = [
    (Resource::AddressSpace, Kind::As, 8 << 30),
    (Resource::Core, Kind::Core, 0),
    (Resource::Cpu, Kind::Cpu, 1000),
    (Resource::FileSize, Kind::Fsize, 1 << 20),
    (Resource::LockedMemory, Kind::Memlock, 4096),
    (Resource::MessageQueues, Kind::Msgqueue, 1000),
    (Resource::OpenFiles, Kind::Nofile, 100),
    (Resource::PendingSignals, Kind::Sigpending, 10),
    (Resource::Processes, Kind::Nproc, 5000),
    (Resource::RealtimePriority, Kind::Rtprio, 0),
    (Resource::RealtimeTime, Kind::Rttime, 1_000_000),
];

#[pool_task]
fn own_limits() -> Vec<(Option<u64>, Option<u64>)> {
    let limits = KINDS.iter().map(|&(_, kind, _)| getrlimit(kind));
    limits.map(|limit| (limit.current, limit.maximum)).collect()
}

#[test]
fn every_resource_is_limited_soft_and_hard() {
    let _clean = clean();
    let before = own_limits();
    for mut builder in both_ways(1) {
        for (resource, _, limit) in KINDS {
            // Of two the later one.
            builder = builder.rlimit(resource, 12).rlimit(resource, limit);
        }
        let pool = builder.build().unwrap();
        let told = pool.apply(own_limits, ()).unwrap();
        for ((resource, _, limit), told) in KINDS.into_iter().zip(told) {
            let hard = if resource == Resource::Cpu { limit + 1 } else { limit };
            assert_eq!(told, (Some(limit), Some(hard)), "{resource:?}");
        }
    }
    assert_eq!(own_limits(), before);
}

#[pool_task]
fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

#[test]
fn whoever_uses_up_its_processor_time_is_told_of() {
    let _clean = clean();
    let mut process = Process::builder().rlimit(Resource::Cpu, 1).spawn(spin, ()).unwrap();
    let error = process.join().unwrap_err();
    assert_eq!((error.kind(), error.signal()), (ErrorKind::Died, Some(libc::SIGXCPU)), "{error}");
    assert!(
        error
            .to_string()
            .contains("likely cause: its limit of processor time, RLIMIT_CPU: see `rlimit`"),
        "{error}"
    );
}

fn failed(builder: PoolBuilder) -> Error {
    builder.build().map(|_| ()).expect_err("this cannot be set")
}

#[test]
fn what_makes_no_sense_is_invalid() {
    let _clean = clean();
    let far = 1 << 40;
    let cases = [
        (Pool::builder().pin([]), "workers pinned to no core".to_owned()),
        (Pool::builder().pin([far]), format!("workers pinned to core {far}: the cores that")),
        (Pool::builder().pin([cores()[0], 1024]), "workers pinned to core 1024".to_owned()),
        (Pool::builder().nice(20), "a niceness of 20: it is between -20 and 19".to_owned()),
        (Pool::builder().nice(-21), "a niceness of -21".to_owned()),
    ];
    for (builder, says) in cases {
        let error = failed(builder);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().starts_with(&says), "{error}");
    }
}

#[test]
fn a_core_that_does_not_exist_is_named_beside_those_that_do() {
    let _clean = clean();
    for builder in both_ways(1) {
        let error = failed(builder.pin([1023]));
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(70)), "{error}");
        let text = error.to_string();
        assert!(text.contains("could not pin itself to core 1023: Invalid argument"), "{text}");
        let likely = "likely cause: not one of the cores that it may have, which are [";
        assert!(text.contains(likely), "{text}");
        for core in cores() {
            assert!(text.contains(&core.to_string()), "{core} in {text}");
        }
    }
}

#[test]
fn a_thread_that_was_pinned_may_give_workers_other_cores() {
    alone("placement::a_thread_that_was_pinned_may_give_workers_other_cores", || {
        let all = cores();
        let (first, last) = (all[0], all[all.len() - 1]);
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).unwrap();
        for builder in both_ways(2) {
            let pool = builder.pin([first, last]).build().unwrap();
            let slots: BTreeMap<u32, usize> =
                pool.workers().iter().map(|worker| (worker.pid, worker.slot)).collect();
            for (pid, cores) in pool.map(own_cores, [(); 100]).unwrap() {
                assert_eq!(cores, [[first, last][slots[&pid]]]);
            }
        }
        assert_eq!(cores(), [first]);
    });
}

#[test]
fn a_worker_that_may_not_says_what_and_why() {
    alone("placement::a_worker_that_may_not_says_what_and_why", || {
        let mut files = getrlimit(Kind::Nofile);
        files.current = Some(100);
        files.maximum = Some(100);
        setrlimit(Kind::Nofile, files).unwrap();
        let _ = become_nobody();
        let nice = both_ways(2).map(|builder| {
            let says = "could not set its niceness to -5: ";
            (builder.nice(-5), says, "only the privileged may be less nice")
        });
        let limits = both_ways(2).map(|builder| {
            let says = "could not set RLIMIT_NOFILE to 101: Operation not permitted";
            (builder.rlimit(Resource::OpenFiles, 101), says, "above the program's own hard limit")
        });
        for (builder, says, cause) in nice.into_iter().chain(limits) {
            let error = failed(builder);
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spawn, Some(70)), "{error}");
            let text = error.to_string();
            assert!(text.starts_with("worker ") && text.contains(says), "{text}");
            assert!(text.contains("(pid ") && text.contains(cause), "{text}");
            assert!(error.pid().is_some());
        }
        let error = Process::builder().nice(-5).spawn(own_niceness, ()).map(|_| ()).unwrap_err();
        let says = "process placement::own_niceness";
        assert!(error.to_string().contains("could not set its niceness to -5"), "{says}: {error}");
    });
}
