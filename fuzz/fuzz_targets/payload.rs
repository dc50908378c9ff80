//! Any bytes as values of several types: an error or a value, and if it is a value,
//! its bytes are those. `-malloc_limit_mb` sees to it that nothing is allocated that
//! the bytes cannot fill, but for a bounded number of elements that take none.

#![no_main]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};

#[allow(dead_code)]
#[path = "../../pool-runtime/src/sys/cast.rs"]
mod cast;
#[allow(dead_code)]
#[path = "../../pool-runtime/src/sys/headroom/mod.rs"]
mod headroom;
#[allow(dead_code)]
#[path = "../../pool-runtime/src/wire/payload/mod.rs"]
mod payload;
mod sys {
    pub(crate) use super::{cast, headroom};
}

use payload::{Slice, decode, encode};

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(f64),
    Named { name: String, corners: Vec<(f32, f32)> },
    Both(Box<Shape>, Option<Box<Shape>>),
}

/// Takes memory and no bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Cached {
    #[serde(skip)]
    #[allow(dead_code)]
    cache: Option<String>,
}

/// Decodes, and if that succeeds encodes again.
fn exact<'a, T: Serialize + Deserialize<'a> + Debug>(bytes: &'a [u8]) {
    if let Ok(value) = decode::<T>(bytes) {
        let mut again = Vec::new();
        encode(&value, &mut again).expect("what was decoded can be encoded");
        assert_eq!(again, bytes, "{value:?}");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    match kind % 16 {
        0 => exact::<Vec<u8>>(bytes),
        1 => exact::<String>(bytes),
        2 => exact::<&str>(bytes),
        3 => exact::<Vec<f64>>(bytes),
        4 => exact::<Vec<Vec<u16>>>(bytes),
        5 => exact::<Vec<bool>>(bytes),
        6 => exact::<Vec<Option<char>>>(bytes),
        7 => exact::<(u8, [u32; 4], i128, Option<String>)>(bytes),
        8 => exact::<Shape>(bytes),
        9 => exact::<Result<Vec<Shape>, String>>(bytes),
        10 => exact::<Vec<[u64; 32]>>(bytes),
        // What comes twice, or in another order, is not encoded as it was.
        11 => drop(decode::<HashMap<String, Vec<i32>>>(bytes)),
        12 => drop(decode::<BTreeMap<u16, HashSet<u8>>>(bytes)),
        13 => drop(decode::<Slice<'_, f64>>(bytes)),
        14 => drop(decode::<Option<Slice<'_, String>>>(bytes)),
        _ => {
            exact::<(Vec<()>, Vec<Vec<()>>)>(bytes);
            exact::<(Vec<Cached>, Vec<Vec<[Cached; 2]>>)>(bytes);
            drop(decode::<Vec<HashMap<(), Cached>>>(bytes));
        }
    }
});
