//! Who is measured beside this library.

pub(crate) mod futex;
pub(crate) mod procspawn;
pub(crate) mod python;
pub(crate) mod socket;

use std::process::Child;

/// A process that ends with its owner.
#[derive(Debug)]
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
