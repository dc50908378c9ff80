//! This library beside its peers, in one run:
//!
//! ```sh
//! cargo bench -p pool-benches                      # all rows, some minutes; writes benches/RESULTS.md
//! cargo bench -p pool-benches -- --quick           # small and short, writes nothing
//! cargo bench -p pool-benches -- --list            # the rows
//! cargo bench -p pool-benches -- call map          # the rows whose names contain one of these words
//! cargo bench -p pool-benches -- call --output t.md
//! ```
//!
//! `cargo test --benches` runs every row once with next to no work, so that
//! workers are seen to boot in a program like this one.

fn main() {
    // procspawn's children enter by this door. This library's never get here.
    procspawn::init();
    pool_benches::main();
}
