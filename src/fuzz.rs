//! How the property tests are run: each part has its own, in a file `fuzz.rs` beside what it attacks.
//!
//! They hold for thousands of made-up inputs: no panic, and what was written reads back. The same inputs every time;
//! `PROPTEST_RNG_SEED=N PROPTEST_CASES=1000000 cargo test --lib fuzz` looks further. A failure prints the smallest
//! input that shows it.

use proptest::test_runner::{Config, RngSeed};

const SEED: u64 = 20_261_125;

/// So many inputs, unless the environment says otherwise.
pub fn cases(count: u32) -> Config {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if !is_set("PROPTEST_CASES") {
        config.cases = count;
    }
    if !is_set("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    // a condition that leaves hardly any input is no test
    config.max_global_rejects = config.cases.saturating_mul(4);
    config
}
