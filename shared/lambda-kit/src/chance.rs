//! Everything that happens by chance: names that nobody else has, and spread waits.
//!
//! A simulation seeds it, and then the same seed draws the same; nothing else may draw.
#![expect(
    clippy::disallowed_methods,
    reason = "here is where the others are told to draw"
)]

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::cell::RefCell;
use uuid::Uuid;

thread_local! {
    static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// From now on this thread draws from `seed`: for simulations, which are repeated.
pub fn seed(seed: u64) {
    SEEDED.with_borrow_mut(|rng| *rng = Some(StdRng::seed_from_u64(seed)));
}

/// A number between 0 and 1.
#[must_use]
pub fn roll() -> f64 {
    seeded(|rng| rng.random()).unwrap_or_else(|| rand::rng().random())
}

/// A name that nobody else has.
#[must_use]
pub fn unique() -> Uuid {
    let drawn = seeded(|rng| uuid::Builder::from_random_bytes(rng.random()).into_uuid());
    drawn.unwrap_or_else(Uuid::new_v4)
}

fn seeded<T>(draw: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
    SEEDED.with_borrow_mut(|rng| rng.as_mut().map(draw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_without_one_nothing_repeats() {
        assert_ne!(unique(), unique());
        seed(7);
        let first = (unique(), unique(), roll());
        seed(7);
        assert_eq!((unique(), unique(), roll()), first);
        assert_ne!(first.0, first.1);
        assert_eq!(first.0.get_version_num(), 4);
    }
}
