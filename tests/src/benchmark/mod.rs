//! What the benchmarks share: rows, requests, measurements, tables and plots.

pub mod chart;
pub mod clients;
pub mod measure;
pub mod report;
pub mod rows;
pub mod tables;

use std::env;

/// Returns whether a benchmark should run: `cargo test --benches` starts it as well and should not wait for it.
#[must_use]
pub fn requested() -> bool {
    env::args().any(|argument| argument == "--bench")
}

/// Returns whether `TENANT_BENCH=quick` is set: fewer rows and measurements, and nothing is written into the repository.
#[must_use]
pub fn quick() -> bool {
    env::var("TENANT_BENCH").is_ok_and(|mode| mode == "quick")
}

/// Returns the first value, or the second one in the quick mode.
#[must_use]
pub fn full_or_quick<T>(full: T, quick: T) -> T {
    if self::quick() { quick } else { full }
}
