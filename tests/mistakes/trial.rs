//! Tries a copy of the scheduler. This file is put beside the simulator there.

use super::{complaint, live, number_given};

/// Lives until the promise is broken that is to be. A mistake may break others before,
/// depending on the seeds. If none is to be, all must be kept.
#[test]
fn trial() {
    let lives = number_given("LIVES").expect("LIVES is set");
    let breaks = std::env::var("BREAKS").ok();
    let mut first = None;
    for seed in 0..lives {
        let Err(broken) = live(seed, false).1 else { continue };
        assert!(breaks.is_some(), "{}", complaint(seed, &broken));
        let rule = format!("{:?}", broken.rule);
        let is_it = breaks.as_ref() == Some(&rule);
        let first = first.get_or_insert_with(|| format!("first {rule} by seed {seed}"));
        if is_it {
            println!("verdict: {} lives, {first}", seed + 1);
            return;
        }
    }
    assert!(breaks.is_none(), "{breaks:?} is not broken in {lives} lives, {first:?}");
    println!("verdict: {lives} lives");
}
