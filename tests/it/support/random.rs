//! Random input that can be drawn again.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What a run begins with where `PINACLE_TEST_SEED` says nothing else; always the same, so that a failure comes again.
const SEED: u64 = 20_251_124;

/// For how long a failure is tried again with less, in milliseconds: some inputs take a minute each.
const MAX_SHRINK_MS: u32 = 10 * 60 * 1000;

/// Draws the same inputs for the same seed. The seed is printed: a failed test shows it.
pub fn runner(cases: u32) -> TestRunner {
    super::timing::begin();
    let given = std::env::var("PINACLE_TEST_SEED").ok().map(|seed| seed.parse().expect("PINACLE_TEST_SEED: a number"));
    let seed: u64 = given.unwrap_or(SEED);
    eprintln!("{cases} inputs; to draw the same ones again: PINACLE_TEST_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_time: MAX_SHRINK_MS, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}
