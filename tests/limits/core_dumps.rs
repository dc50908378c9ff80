//! Whether workers leave core dumps.

use pool_runtime::pool_task;
use pool_tests::alone::alone;
use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use crate::both_ways;

#[pool_task]
fn core_limit() -> (Option<u64>, Option<u64>) {
    let limit = getrlimit(Resource::Core);
    (limit.current, limit.maximum)
}

#[test]
fn none_are_left_where_none_are_wanted() {
    alone("core_dumps::none_are_left_where_none_are_wanted", || {
        for builder in both_ways(1) {
            let pool = builder.core_dumps(false).build().unwrap();
            assert_eq!(pool.apply(core_limit, ()).unwrap(), (Some(1), Some(1)));
        }
    });
}

#[test]
fn a_program_that_may_leave_none_need_not_forbid_them() {
    alone("core_dumps::a_program_that_may_leave_none_need_not_forbid_them", || {
        // So that workers of root cannot raise the limit either.
        if getuid().is_root() {
            remove_capability_from_bounding_set(CapabilitySet::SYS_RESOURCE).unwrap();
        }
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
        for builder in both_ways(1) {
            let pool = builder.core_dumps(false).build().unwrap();
            assert_eq!(pool.apply(core_limit, ()).unwrap(), (Some(0), Some(0)));
        }
    });
}
