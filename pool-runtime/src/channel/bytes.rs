//! Bytes with one owner, until another is wanted.
//!
//! Counting owners takes an allocation of its own, and most messages have one: a small
//! request is in the ring at once, and a small result comes alone.

use std::ops::Deref;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) enum Bytes {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Bytes {
    /// The same bytes, for another owner.
    pub(crate) fn share(&mut self) -> Bytes {
        let shared = match self {
            Bytes::Own(bytes) => Arc::new(std::mem::take(bytes)),
            Bytes::Shared(shared) => Arc::clone(shared),
        };
        *self = Bytes::Shared(Arc::clone(&shared));
        Bytes::Shared(shared)
    }

    /// The bytes for this owner alone; copied, if there is another.
    pub(super) fn into_vec(self) -> Vec<u8> {
        match self {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(shared) => {
                Arc::try_unwrap(shared).unwrap_or_else(|shared| shared.to_vec())
            }
        }
    }
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Own(Vec::new())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_copied_only_for_who_wants_it_alone() {
        let mut bytes = Bytes::Own(vec![1, 2, 3]);
        let place = bytes.as_ptr();
        let (one, other) = (bytes.share(), bytes.share());
        assert!([&one, &other].iter().all(|bytes| bytes.as_ptr() == place));
        assert_eq!(one.into_vec(), [1, 2, 3]);
        drop(other);
        let last = bytes.into_vec();
        assert_eq!(last.as_ptr(), place, "the last owner has them as they are");
    }
}
