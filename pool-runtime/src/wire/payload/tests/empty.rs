//! Elements that take no bytes in a message, and may take memory all the same.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;

use super::*;
use crate::wire::payload::empty::{MOST_ELEMENTS, MOST_UNITS};

thread_local! {
    /// How many values have been made out of nothing.
    static MADE: Cell<usize> = const { Cell::new(0) };
}

fn count<T: Default>() -> T {
    MADE.set(MADE.get() + 1);
    T::default()
}

/// Takes memory, and no bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Cached {
    #[serde(skip, default = "count")]
    cache: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Large {
    #[serde(skip, default = "count")]
    cache: [[u64; 32]; 4],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Unit;

/// Whether the bytes are this value, if as many elements may take no bytes.
fn decodes<T: for<'de> Deserialize<'de>>(most: u64, bytes: &[u8]) -> bool {
    let mut decoder = de::Decoder::new(bytes);
    decoder.empty.set_most(most);
    match T::deserialize(&mut decoder) {
        Ok(_) => decoder.end().is_ok(),
        Err(error) => {
            let error = error.to_string();
            let wanted = ["elements that take no bytes", "the bytes end too early"];
            assert!(wanted.iter().any(|part| error.contains(part)), "{error}");
            false
        }
    }
}

fn encodes<T: Serialize + ?Sized>(most: u64, value: &T) -> bool {
    let mut bytes = Vec::new();
    let mut encoder = ser::Encoder::new(&mut bytes);
    encoder.empty.set_most(most);
    let encoded = value.serialize(&mut encoder);
    if let Err(error) = &encoded {
        assert!(error.to_string().contains("elements that take no bytes"), "{error}");
    }
    encoded.is_ok()
}

/// Both ways come to the same: the value is let through where as many elements may take no
/// bytes, and no sooner.
#[track_caller]
fn costs<T>(elements: u64, value: T)
where
    T: Serialize + for<'de> Deserialize<'de> + PartialEq + Debug,
{
    let bytes = bytes_of(&value);
    assert_eq!(decode::<T>(&bytes).unwrap(), value);
    assert!(encodes(elements, &value) && decodes::<T>(elements, &bytes));
    if elements > 0 {
        assert!(!encodes(elements - 1, &value), "encodes with less");
        assert!(!decodes::<T>(elements - 1, &bytes), "decodes with less");
    }
}

#[test]
fn an_element_that_takes_no_bytes_is_charged_on_both_sides() {
    costs(10, vec![Cached::default(); 10]);
    costs(10, vec![Unit; 10]);
    costs(10, vec![PhantomData::<u8>; 10]);
    costs(10, vec![[0_u8; 0]; 10]);
    costs(10, vec![((), ((), Cached::default())); 10]);
    costs(10, vec![[Cached::default(), Cached::default()]; 10]);
    costs(10, vec![Box::new(Cached::default()); 10]);
    // A `()` takes memory in most containers.
    costs(10, LinkedList::from([(); 10]));
    costs(10, VecDeque::from([(); 10]));
    costs(1, HashSet::from([()]));
    costs(1, BTreeSet::from([Cached::default()]));
    assert!(decodes::<BinaryHeap<()>>(10, &10_u64.to_le_bytes()));
    assert!(!decodes::<BinaryHeap<()>>(9, &10_u64.to_le_bytes()));

    // An element of a map is a key and its value.
    costs(1, HashMap::from([((), ())]));
    costs(1, HashMap::from([((), Cached::default())]));
    costs(1, BTreeMap::from([(Cached::default(), ())]));
    costs(0, HashMap::from([((), 1)]));
    costs(0, HashMap::from([(1, Cached::default()), (2, Cached::default())]));
    for length in [2, 10] {
        let bytes = u64::to_le_bytes(length);
        assert!(decodes::<HashMap<(), Cached>>(length, &bytes));
        assert!(!decodes::<HashMap<(), Cached>>(length - 1, &bytes));
    }

    // The bound is on the whole message, not on each list in it.
    costs(30, vec![vec![Cached::default(); 10]; 3]);
    costs(30, (vec![Unit; 10], vec![Unit; 10], Some(vec![Unit; 10])));
    costs(20, HashMap::from([(1, vec![Cached::default(); 10]), (2, vec![Cached::default(); 10])]));

    // What takes bytes costs nothing, and neither does what a type has of it.
    costs(0, vec![Some(Cached::default()); 10]);
    costs(0, vec![(7_u8, Cached::default()); 10]);
    costs(0, vec![String::new(); 10]);
    costs(0, vec![Vec::<Cached>::new(); 10]);
    costs(0, vec![Err::<u8, Unit>(Unit); 10]);
    costs(0, ((), Unit, [(); 9], vec![1_u8; 9], None::<u8>, Cached::default()));
    costs(0, [Cached::default(), Cached::default()]);
    costs(0, Some(Cached::default()));
}

#[test]
fn a_large_element_is_charged_for_its_size() {
    /// Gives its elements as they are, and not by reference.
    #[derive(Debug, PartialEq, Deserialize)]
    struct Own(Vec<Large>);
    impl Serialize for Own {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_newtype_struct("Own", &Elements(&self.0))
        }
    }
    struct Elements<'a>(&'a [Large]);
    impl Serialize for Elements<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.iter().cloned())
        }
    }
    // 1024 bytes.
    costs(4 * 10, Own(vec![Large::default(); 10]));
    assert!(!decodes::<Vec<Large>>(39, &10_u64.to_le_bytes()));
    assert!(!decodes::<LinkedList<Large>>(39, &10_u64.to_le_bytes()));
    assert!(!decodes::<HashMap<(), Large>>(39, &10_u64.to_le_bytes()));
}

/// Where a worker's memory is broken.
#[test]
fn a_corrupt_length_makes_no_more_of_nothing_than_256_mib() {
    fn refused<'de, T: Deserialize<'de>>(bytes: &'de [u8], most: usize) {
        MADE.set(0);
        let error = decode::<T>(bytes).map(drop).unwrap_err().to_string();
        assert!(MADE.get() <= most, "{} made: {error}", MADE.get());
    }
    for length in [MOST_ELEMENTS + 1, 1 << 27, MOST_UNITS, u64::MAX] {
        let bytes = length.to_le_bytes();
        refused::<Vec<Cached>>(&bytes, 0);
        refused::<Vec<Large>>(&bytes, 0);
        refused::<LinkedList<()>>(&bytes, 0);
        refused::<HashMap<(), Cached>>(&bytes, 0);
        refused::<Slice<'_, Cached>>(&bytes, 0);
        refused::<Box<[Cached]>>(&bytes, 0);
        refused::<Option<Vec<[Cached; 2]>>>(&[&[1], &bytes[..]].concat(), 0);
    }
    // Many lists, none of which is long.
    let lists = [&4_u64.to_le_bytes()[..], &(MOST_ELEMENTS / 2).to_le_bytes().repeat(4)].concat();
    refused::<Vec<Vec<Cached>>>(&lists, MOST_ELEMENTS as usize + 1);
    // As many as there may be of smaller ones.
    refused::<Vec<Large>>(&MOST_ELEMENTS.to_le_bytes(), MOST_ELEMENTS as usize / 4 + 1);
}

#[test]
fn as_many_as_may_be_come_back() {
    let most = MOST_ELEMENTS as usize;
    let bytes = bytes_of(&vec![Cached::default(); most]);
    assert_eq!(decode::<Vec<Cached>>(&bytes).unwrap().len(), most);
    let error = encode(&vec![Cached::default(); most + 1], &mut Vec::new()).unwrap_err();
    let wanted = "more than 1048576 elements that take no bytes: send how many there are instead";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_vector_of_units_is_no_more_than_its_length() {
    for count in [0, 1, 100_000, (1 << 24) + 1, MOST_UNITS as usize] {
        let bytes = bytes_of(&vec![(); count]);
        assert_eq!(bytes, (count as u64).to_le_bytes());
        assert_eq!(decode::<Vec<()>>(&bytes).unwrap().len(), count);
        assert_eq!(decode::<Box<[()]>>(&bytes).unwrap().len(), count);
        assert_eq!(decode::<Slice<'_, ()>>(&bytes).unwrap().len(), count);
    }
    round(vec![vec![(); 100_000]; 3]);
    let wanted =
        "more than 4294967296 elements that take no bytes: send how many there are instead";
    for count in [MOST_UNITS as usize + 1, usize::MAX] {
        let error = encode(&vec![(); count], &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(error, wanted);
        let error = decode::<Vec<()>>(&count.to_le_bytes()).unwrap_err().to_string();
        assert_eq!(error, wanted);
    }
    // The bound is on the whole message, and they count among the others.
    let halves = vec![vec![(); MOST_UNITS as usize / 2]; 2];
    let bytes = bytes_of(&halves);
    decode::<Vec<Vec<()>>>(&bytes).unwrap();
    encode(&(&halves, [()].as_slice()), &mut Vec::new()).unwrap_err();
    decode::<(Vec<Vec<()>>, Vec<()>)>(&[&bytes[..], &1_u64.to_le_bytes()].concat()).unwrap_err();
    encode(&(&halves, [Unit].as_slice()), &mut Vec::new()).unwrap_err();
}
