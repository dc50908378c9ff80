//! Where a task may be written, and under which attributes.

use pool_runtime::{Error, Task, pool_task};
use serde::{Deserialize, Serialize};

use super::{Outcome, doubler};

mod elsewhere {
    pub(crate) mod deep {
        use pool_runtime::pool_task;

        const FACTOR: u64 = 3;

        #[pool_task]
        pub(crate) fn tripled(n: u64) -> u64 {
            n * FACTOR * super::one()
        }

        #[pool_task]
        pub(in crate::places::elsewhere) fn hidden(n: u64) -> u64 {
            n
        }

        #[pool_task]
        pub(super) fn above(n: u64) -> u64 {
            n
        }
    }

    fn one() -> u64 {
        1
    }

    pub(crate) fn hidden() -> Result<Vec<u64>, pool_runtime::Error> {
        deep::above.pmap(deep::hidden.pmap([1], 1)?, 1)
    }
}

#[test]
fn a_task_lives_in_any_module_under_any_visibility() -> Outcome {
    assert_eq!(elsewhere::deep::tripled.pmap([2], 1)?, [6]);
    assert_eq!(elsewhere::hidden()?, [1]);
    Ok(())
}

#[test]
fn a_task_lives_in_a_function() -> Outcome {
    #[derive(Serialize, Deserialize)]
    struct Local(u8);

    #[pool_task]
    fn local(Local(n): Local, text: &str) -> usize {
        usize::from(n) + text.len()
    }

    assert_eq!(local(Local(1), "a"), 2);
    assert_eq!(local.pmap([(Local(1), "a")], 1)?, [2]);
    Ok(())
}

#[test]
fn tasks_of_one_name_in_two_functions_stay_apart() -> Outcome {
    fn one() -> Result<Vec<u8>, Error> {
        #[pool_task]
        fn same(n: u8) -> u8 {
            n + 1
        }
        same.pmap([0], 1)
    }
    fn two() -> Result<Vec<u8>, Error> {
        #[pool_task]
        fn same(n: u8) -> u8 {
            n + 2
        }
        same.pmap([0], 1)
    }
    assert_eq!((one()?, two()?), (vec![1], vec![2]));
    Ok(())
}

#[cfg(unix)]
#[pool_task]
fn by_platform(n: u8) -> u8 {
    n
}

#[pool_task]
#[cfg(not(unix))]
fn by_platform(_: Missing) -> Missing {}

#[pool_task]
#[cfg_attr(all(), cfg(any()))]
fn never_there(_: Missing) -> Missing {}

#[test]
fn a_task_may_depend_on_cfg() -> Outcome {
    assert_eq!(by_platform.pmap([1], 1)?, [1]);
    Ok(())
}

#[pool_task]
#[inline]
#[must_use]
#[track_caller]
#[cfg_attr(all(), allow(clippy::needless_pass_by_value), doc = "Documented under a condition.")]
#[expect(non_snake_case, dead_code, reason = "the paper names it so")]
fn Attributed(#[allow(unused_variables)] text: String) -> u8 {
    1
}

#[pool_task]
#[deprecated = "for a test"]
fn old(n: u8) -> u8 {
    if n == 0 { 0 } else { old(n - 1) }
}

#[test]
fn attributes_go_where_they_belong() -> Outcome {
    assert_eq!(Attributed(String::new()), 1);
    assert_eq!(Attributed.pmap([String::new()], 1)?, [1]);
    #[allow(deprecated)]
    let done = old.pmap([2], 1)?;
    assert_eq!(done, [0]);
    Ok(())
}

macro_rules! tasks {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty $body:block)*) => {$(
        #[pool_task]
        fn $name($($argument: $type),*) -> $output $body
    )*};
}

tasks! {
    squared(n: u64) -> u64 { n * n }
    first_word(text: &str, n: Option<&u8>) -> String {
        format!("{} {n:?}", text.split(' ').next().unwrap_or_default())
    }
    measure(measure: &[u8]) -> usize { measure.len() }
}

macro_rules! hygienic {
    ($name:ident, $literal:literal) => {
        #[pool_task(name = $literal, crate = ::pool_runtime)]
        fn $name(n: u64) -> u64 {
            let m = n + 1;
            m
        }
    };
}

hygienic!(one_more, "one more, by a macro");

#[test]
fn a_macro_writes_tasks() -> Outcome {
    assert_eq!(squared.pmap([3], 1)?, [9]);
    assert_eq!(first_word.pmap([("a b", Some(1))], 1)?, ["a Some(1)"]);
    assert_eq!(measure.pmap(["ab".as_bytes()], 1)?, [2]);
    assert_eq!(one_more.pmap([3], 1)?, [4]);
    assert_eq!(one_more::def().name, "one more, by a macro");
    Ok(())
}

#[pool_task(name = "shop::price")]
fn named(n: u64) -> u64 {
    n
}

#[test]
fn a_name_is_the_users_or_the_path() -> Outcome {
    assert_eq!(named::def().name, "shop::price");
    assert_eq!(named::def().key, "shop::price");
    assert_eq!(named.pmap([1], 1)?, [1]);

    assert_eq!(doubler::def().name, concat!(env!("CARGO_CRATE_NAME"), "::doubler"));
    let key = doubler::def().key;
    assert!(key.starts_with(doubler::def().name), "{key}");
    assert!(key.ends_with(doubler::def().place), "{key}");
    assert!(super::names::odd_names::r#type::r#type::def().name.ends_with("::type"));
    Ok(())
}

#[pool_task]
fn placed() -> u32 {
    line!()
}

#[test]
fn the_place_is_the_attribute_in_the_users_file() {
    assert_eq!(placed::def().place, format!("{}:{}:1", file!(), placed() - 2));
}

/// Where a program has its own names for what it depends on.
mod rt {
    pub(crate) use ::pool_runtime;
    pub(crate) use pool_runtime as renamed;
}

#[rt::pool_runtime::pool_task(crate = rt::pool_runtime)]
fn re_exported(n: u64) -> u64 {
    n
}

#[rt::renamed::pool_task(crate = crate::places::rt::renamed, name = "renamed")]
fn renamed(text: &str, n: &[u64]) -> usize {
    text.len() + n.len()
}

#[test]
fn the_runtime_may_be_elsewhere() -> Outcome {
    assert_eq!(re_exported.pmap([1], 1)?, [1]);
    assert_eq!(renamed.pmap([("a", [1, 2])], 1)?, [3]);
    Ok(())
}
