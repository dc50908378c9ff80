//! What is measured, one file for one kind of work.

pub(crate) mod bytes;
mod call;
pub(crate) mod crowd;
mod map;
pub(crate) mod memory;
pub(crate) mod numbers;
mod processor;
pub(crate) mod start;

use std::fmt::Display;

use pool_runtime::Pool;

use crate::contest::{Entrant, Row};
use crate::options::Effort;
use crate::peers::python::{POOLS, PythonPool};

/// What makes a row: it prepares everybody's pools.
type Make = fn(&Setting) -> Row;

/// Every row's name, and what makes it.
pub(crate) const ALL: &[(&str, Make)] = &[
    ("start-first", start::first),
    ("start-later", start::later),
    ("call", call::call),
    ("map", map::map),
    ("map-one", map::map_one),
    ("bytes-in", bytes::bytes_in),
    ("bytes-echo", bytes::bytes_echo),
    ("numbers", numbers::numbers),
    ("primes", processor::primes),
    ("uneven", processor::uneven),
    ("memory", memory::memory),
    ("crowd", crowd::crowd),
];

/// Workers in every pool, unless the row says otherwise.
pub(crate) const WORKERS: usize = 2;

/// What the rows have in common.
pub(crate) struct Setting {
    pub(crate) effort: Effort,
    pub(crate) python: [PythonPool; 2],
}

impl Setting {
    pub(crate) fn new(effort: Effort) -> Setting {
        Setting { effort, python: POOLS.map(PythonPool::start) }
    }

    /// Enters Python's pools into a row that `peers.py` knows as `name`.
    fn enter_python(&self, row: &mut Row, name: &str, numbers: &[usize]) {
        for pool in &self.python {
            let numbers: Vec<usize> = std::iter::once(WORKERS).chain(numbers.to_vec()).collect();
            let (run, remark) = pool.begin(name, &numbers);
            row.enter_if(pool.name, run).remark(remark);
        }
    }
}

/// This library's pool.
fn our_pool() -> Result<Pool, String> {
    Pool::new(WORKERS).map_err(said)
}

/// The peer of threads.
fn rayon_pool(threads: usize) -> Result<rayon::ThreadPool, String> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(said)
}

fn said(error: impl Display) -> String {
    error.to_string()
}

/// What a round gives: the result was as expected, or the round does not count.
fn expect<T: PartialEq>(result: T, expected: T) -> Result<(), String> {
    match result == expected {
        true => Ok(()),
        false => Err("a wrong result".into()),
    }
}

impl Row {
    /// Enters somebody who needs something first, and may not get it.
    fn enter_with<S: 'static>(
        &mut self,
        name: &'static str,
        setup: Result<S, String>,
        mut run: impl FnMut(&mut S) -> Result<Vec<f64>, String> + 'static,
    ) -> &mut Entrant {
        self.enter_if(name, setup.map(|mut it| Box::new(move || run(&mut it)) as _))
    }

    /// The same, where the one measure is the time of a piece of work: of what
    /// `run` returns in seconds.
    fn enter_timed_with<S: 'static>(
        &mut self,
        name: &'static str,
        setup: Result<S, String>,
        mut run: impl FnMut(&mut S) -> Result<std::time::Duration, String> + 'static,
    ) -> &mut Entrant {
        self.enter_with(name, setup, move |it| Ok(vec![run(it)?.as_secs_f64()]))
    }
}
