//! How a bench of parts of this library is run: by divan, under the options that
//! all benches here have.

use std::time::Duration;

use divan::Divan;

use crate::options::{Effort, Options};

/// The whole `main` of the bench `name`, which is also its row among the others
/// as far as filters go.
pub fn run(name: &str) {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            std::process::exit(2);
        }
    };
    if !options.selects(name) {
        return;
    }
    if options.list {
        println!("{name}: benchmark");
        return;
    }
    let divan = Divan::default();
    match options.effort {
        Effort::Smoke => divan.test_benches(),
        Effort::Quick => divan.max_time(Duration::from_millis(50)).run_benches(),
        Effort::Full => divan.max_time(Duration::from_secs(1)).run_benches(),
    }
}
