//! What the workers of the library `host` run, since its host is not ours.

use host as _;

fn main() {}
