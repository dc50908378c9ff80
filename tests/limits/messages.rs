//! Messages to a worker whose memory is limited are not part of what is limited.

use pool_runtime::{ErrorKind, Pool, pool_task};
use pool_tests::clean::clean;
use pool_tests::pools;

const LIMIT: u64 = 32 << 20;

/// Pools of so many workers, which are sent long items, or read them where they lie.
fn both(workers: usize) -> [Pool; 2] {
    let builder = || Pool::builder().workers(workers).memory_limit(LIMIT);
    [pools::that_sends(builder()), builder().build().unwrap()]
}

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
    let mut large = vec![0_u8; 3 * LIMIT as usize];
    (large[0], large[999]) = (7, 8);
    *large.last_mut().unwrap() = 9;
    let whole = (large.len(), 7, 9);
    let pools = both(2);
    for pool in pools.iter().cycle().take(6) {
        let ends = pool.map(ends_of_lent, [&large[..], &large[..1000], &large[..]]).unwrap();
        assert_eq!(ends, [whole, (1000, 7, 8), whole]);
    }
}

#[test]
fn what_is_owned_costs_its_own_item_if_it_is_larger() {
    let _clean = clean();
    let lengths = [10, 12 << 20, 20, 2 * LIMIT as usize, 30, 12 << 20];
    let items = || lengths.iter().map(|&length| vec![0; length]);
    let results = both(2).map(|pool| pool.imap(length_of_owned, items()).collect::<Vec<_>>());
    let results =
        results.into_iter().flat_map(|results| results.into_iter().zip(lengths).enumerate());
    for (item, (result, length)) in results {
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
    for pool in both(1) {
        // All of them are one message, three times as large as the limit.
        let items = (0..12).map(|_| vec![0_u8; 8 << 20]);
        let result = pool.job(length_of_owned).chunk_size(12).map_async(items).unwrap();
        assert_eq!(result.get().unwrap(), [8 << 20; 12]);
    }
}
