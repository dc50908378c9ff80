//! The results of a whole map, put in input order as they arrive.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::crossing::undecodable;
use crate::engine::{Arrival, Bodies};
use crate::error::Error;
use crate::ids::{Item, Items};
use crate::task::Task;

/// Results that arrive before their turn wait as bytes, which is how many of them
/// can be decoded in one go.
#[derive(Debug)]
pub(super) struct InOrder<T: Task> {
    results: Vec<T::Output>,
    early: BTreeMap<Item, (Items, Bodies)>,
}

impl<T: Task> InOrder<T> {
    pub(super) fn new() -> Self {
        InOrder { results: Vec::new(), early: BTreeMap::new() }
    }

    /// Fails with the first failure that it meets.
    pub(super) fn add(&mut self, arrival: Arrival) -> Result<(), Error> {
        let (items, bodies) = match arrival {
            Arrival::Failed(_, error) => return Err(error),
            Arrival::Run { items, results } => (items, results),
        };
        if items.start != self.next() {
            self.early.insert(items.start, (items, bodies));
            return Ok(());
        }
        self.decode(items, bodies)?;
        while let Some((items, bodies)) = self.early.remove(&self.next()) {
            self.decode(items, bodies)?;
        }
        Ok(())
    }

    fn next(&self) -> Item {
        self.results.len() as Item
    }

    /// Decodes the results of consecutive items, of which the first is the next.
    fn decode(&mut self, items: Items, bodies: Bodies) -> Result<(), Error> {
        let results = &mut self.results;
        // Caught once for all of them: what comes of one is not told from the others.
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            bodies.iter().try_for_each(|body| T::decode_output(body).map(|it| results.push(it)))
        }));
        // Those before the one that failed are there.
        match decoded {
            Ok(Ok(())) => assert_eq!(self.next(), items.end, "as many as were counted"),
            Ok(Err(error)) => return Err(undecodable(T::def(), Some(self.next()), Some(error))),
            Err(_) => return Err(undecodable(T::def(), Some(self.next()), None)),
        }
        Ok(())
    }

    /// All of them, at the end.
    pub(super) fn into_all(self) -> Vec<T::Output> {
        assert!(self.early.is_empty(), "a job that is done has settled every item");
        self.results
    }
}
