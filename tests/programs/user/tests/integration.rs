use pool_runtime::{Pool, pool_task};
use user::{cube, square};

#[pool_task]
fn own_pid() -> u32 {
    std::process::id()
}

#[test]
fn an_integration_test_maps() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(square.pmap(0..4, &pool).unwrap(), [0, 1, 4, 9]);
    assert_eq!(cube.pmap(0..4, &pool).unwrap(), [0, 1, 8, 27]);
}

#[test]
fn an_integration_test_has_tasks_of_its_own() {
    assert_ne!(own_pid.pmap([()], 1).unwrap(), [std::process::id()]);
}
