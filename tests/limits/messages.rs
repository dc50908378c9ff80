//! Messages to a worker whose memory is limited are not part of what is limited.

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;

const LIMIT: u64 = 32 << 20;

#[pool_task]
fn ends_of_lent(bytes: &[u8]) -> (usize, u8, u8) {
    (bytes.len(), bytes[0], bytes[bytes.len() - 1])
}

#[pool_task]
fn length_of_owned(bytes: Vec<u8>) -> usize {
    bytes.len()
}

#[test]
fn what_is_lent_may_be_larger_than_the_limit() {
    let _clean = clean();
    let pool = Pool::builder().workers(2).memory_limit(LIMIT).build().unwrap();
    let mut large = vec![0_u8; 3 * LIMIT as usize];
    (large[0], large[999]) = (7, 8);
    *large.last_mut().unwrap() = 9;
    let whole = (large.len(), 7, 9);
    for _ in 0..3 {
        let ends = pool.map(ends_of_lent, [&large[..], &large[..1000], &large[..]]).unwrap();
        assert_eq!(ends, [whole, (1000, 7, 8), whole]);
    }
}

#[test]
fn what_is_owned_costs_its_own_item_if_it_is_larger() {
    let _clean = clean();
    let pool = Pool::builder().workers(2).memory_limit(LIMIT).build().unwrap();
    let lengths = [10, 12 << 20, 20, 2 * LIMIT as usize, 30, 12 << 20];
    let results: Vec<_> =
        pool.imap(length_of_owned, lengths.iter().map(|&length| vec![0; length])).collect();
    for (item, (result, length)) in results.into_iter().zip(lengths).enumerate() {
        match item {
            3 => {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::MemoryLimit, "{error}");
                assert_eq!(error.item(), Some(3));
            }
            _ => assert_eq!(result.unwrap(), length),
        }
    }
}

#[test]
fn a_chunk_of_many_large_items_arrives() {
    let _clean = clean();
    let pool = Pool::builder().workers(1).memory_limit(LIMIT).build().unwrap();
    // All of them are one message, three times as large as the limit.
    let items = (0..12).map(|_| vec![0_u8; 8 << 20]);
    let result = pool.job(length_of_owned).chunk_size(12).map_async(items).unwrap();
    assert_eq!(result.get().unwrap(), [8 << 20; 12]);
}
