//! A library as a newcomer would write it, with a test of every kind.

use pool_runtime::pool_task;

/// The square of a number.
///
/// ```
/// use user::square;
///
/// assert_eq!(square.pmap(0..4, 2)?, [0, 1, 4, 9]);
/// # Ok::<(), pool_runtime::Error>(())
/// ```
#[pool_task]
pub fn square(n: u64) -> u64 {
    n * n
}

/// The cube of a number.
///
/// ```
/// use pool_runtime::pool_task;
///
/// #[pool_task]
/// fn cube_of_square(n: u64) -> u64 {
///     user::cube(user::square(n))
/// }
///
/// fn main() -> Result<(), pool_runtime::Error> {
///     assert_eq!(cube_of_square.pmap(0..3, 2)?, [0, 1, 64]);
///     Ok(())
/// }
/// ```
#[pool_task]
pub fn cube(n: u64) -> u64 {
    n * n * n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[pool_task]
    fn task_of_the_unit_tests(n: u64) -> (u64, u32) {
        (square(n), std::process::id())
    }

    #[test]
    fn a_unit_test_maps() {
        assert_eq!(square.pmap(0..4, 2).unwrap(), [0, 1, 4, 9]);
    }

    #[test]
    fn a_unit_test_has_tasks_of_its_own() {
        for (result, pid) in task_of_the_unit_tests.pmap([5, 5], 2).unwrap() {
            assert_eq!(result, 25);
            assert_ne!(pid, std::process::id());
        }
    }
}
