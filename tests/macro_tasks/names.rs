//! Names and types of the user that generated code might stumble over.

use super::Outcome;

/// Tasks, each alone in a module: in one module, the name of one would be in the
/// way of the others' arguments.
macro_rules! alone {
    ($($(#[$attribute:meta])* fn $name:ident($($arguments:tt)*) -> $output:ty $body:block)*) => {$(
        pub(crate) mod $name {
            #[pool_runtime::pool_task]
            $(#[$attribute])*
            pub(crate) fn $name($($arguments)*) -> $output $body
        }
    )*};
}

/// Names that generated code might use too.
pub(crate) mod odd_names {
    alone! {
        fn a(args: u8) -> u8 {
            args + 1
        }
        fn args(a: u8) -> u8 {
            a + 1
        }
        fn n(n: u64) -> u64 {
            n + 1
        }
        fn self_(item: u8, pool: &str, call: &[u8]) -> usize {
            usize::from(item) + pool.len() + call.len()
        }
        fn f(write: u8, lend: u8) -> u8 {
            write + lend
        }
        fn pool(f: u8, items: u8, workers: u8) -> u8 {
            f + items + workers
        }
        fn item(output: &u8) -> u8 {
            *output
        }
        fn items() -> u8 {
            1
        }
        fn workers(x: Option<&str>) -> usize {
            x.map_or(0, str::len)
        }
        fn call(r#type: u8) -> u8 {
            r#type
        }
        fn r#type(r#type: u8) -> u8 {
            r#type
        }
        fn write() -> u8 {
            1
        }
        fn deref(clone: u8) -> u8 {
            clone
        }
        fn pmap(spawn: u8) -> u8 {
            spawn
        }
        fn name(key: u8, place: u8) -> u8 {
            key + place
        }
        fn sum(numbers: Vec<u64>) -> u64 {
            let mut sum = 0;
            for number in numbers {
                sum += number;
            }
            sum
        }
        fn largest((largest, rest): (u8, Vec<u8>)) -> u8 {
            rest.into_iter().fold(largest, |largest, n| largest.max(n))
        }
    }
}

#[test]
fn no_name_is_in_the_way() -> Outcome {
    use odd_names as odd;
    assert_eq!(odd::a::a.pmap([1], 1)?, [odd::a::a(1)]);
    assert_eq!(odd::args::args.pmap([1], 1)?, [odd::args::args(1)]);
    assert_eq!(odd::n::n.pmap([1], 1)?, [odd::n::n(1)]);
    assert_eq!(
        odd::self_::self_.pmap([(1, "ab", vec![1])], 1)?,
        [odd::self_::self_(1, "ab", &[1])]
    );
    assert_eq!(odd::f::f.pmap([(1, 2)], 1)?, [odd::f::f(1, 2)]);
    assert_eq!(odd::pool::pool.pmap([(1, 2, 3)], 1)?, [odd::pool::pool(1, 2, 3)]);
    assert_eq!(odd::item::item.pmap([1], 1)?, [odd::item::item(&1)]);
    assert_eq!(odd::items::items.pmap([()], 1)?, [odd::items::items()]);
    assert_eq!(odd::workers::workers.pmap([Some("a")], 1)?, [odd::workers::workers(Some("a"))]);
    assert_eq!(odd::call::call.pmap([1], 1)?, [odd::call::call(1)]);
    assert_eq!(odd::r#type::r#type.pmap([1], 1)?, [odd::r#type::r#type(1)]);
    assert_eq!(odd::write::write.pmap([()], 1)?, [odd::write::write()]);
    assert_eq!(odd::deref::deref.pmap([1], 1)?, [odd::deref::deref(1)]);
    assert_eq!(odd::pmap::pmap.pmap([1], 1)?, [odd::pmap::pmap(1)]);
    assert_eq!(odd::name::name.pmap([(1, 2)], 1)?, [odd::name::name(1, 2)]);
    assert_eq!(odd::sum::sum.pmap([vec![1, 2]], 1)?, [3]);
    assert_eq!(odd::largest::largest.pmap([(1, vec![2])], 1)?, [2]);
    Ok(())
}

/// Types that are called like those of generated code.
mod odd_types {
    use pool_runtime::pool_task;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Option(pub(crate) u8);
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Vec;
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Result;

    #[pool_task]
    pub(crate) fn all(option: Option, vec: &Vec, _: std::option::Option<&Vec>) -> Result {
        let _ = (option, vec);
        Result
    }
}

#[test]
fn generated_code_does_not_see_the_users_types() -> Outcome {
    use odd_types::{Option, Result, Vec, all};
    assert_eq!(all.pmap([(Option(1), Vec, Some(Vec))], 1)?, [Result]);
    Ok(())
}
