//! The brief run, with every `cargo nextest run`: the same inputs each time.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestError, TestRunner};
use std::time::{Duration, Instant};

/// Longest input, in bytes: more decisions than any target takes.
pub const MAX_INPUT: usize = 192;
/// For so many seconds inputs are drawn instead, from another seed each time.
const SECONDS: &str = "WAYBILL_FUZZ_SECONDS";

/// Draws `cases` inputs from a fixed seed; a failing one is made smaller and shown.
///
/// # Panics
/// An input breaks a property.
pub fn run(cases: u32, target: fn(&[u8])) {
    let Some(seconds) = std::env::var(SECONDS).ok().and_then(|s| s.parse().ok()) else {
        return draw(cases, RngSeed::Fixed(1), target);
    };
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut inputs = 0_u64;
    while Instant::now() < until {
        draw(cases, RngSeed::Random, target);
        inputs += u64::from(cases);
    }
    #[expect(
        clippy::print_stderr,
        reason = "whoever asks for seconds wants to know what they bought"
    )]
    {
        eprintln!("{inputs} inputs");
    }
}

fn draw(cases: u32, rng_seed: RngSeed, target: fn(&[u8])) {
    let config = Config {
        cases,
        rng_seed,
        rng_algorithm: RngAlgorithm::ChaCha,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let inputs = prop::collection::vec(any::<u8>(), 0..MAX_INPUT);
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        target(&input);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, input)) => {
            panic!("the input {} breaks a property: {why}", hex::encode(input))
        }
        Err(error @ TestError::Abort(_)) => panic!("{error}"),
    }
}
