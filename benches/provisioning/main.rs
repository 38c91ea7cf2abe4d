//! Benchmarks of the worker beside a reference. Each round measures one after the other on the same machine, so that
//! both see the same noise, and the ratio of the two counts.
//!
//! `cargo bench` runs all; `cargo bench -- queue pods` runs those that are named.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot continue panics, and it prints its figures"
)]

mod commands;
mod docker_api;
mod peers;
mod placement;
mod pods;
mod queue;
mod services;
#[path = "../../tests/it/support/mod.rs"]
#[expect(dead_code, clippy::print_stderr, reason = "shared with the tests, which use more of it")]
mod support;
mod table;

use table::Table;

/// `BENCH_ROUNDS` sets another number, to try a benchmark out.
const ROUNDS: usize = 10;

/// How often each thing is measured.
fn rounds() -> usize {
    std::env::var("BENCH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("BENCH_ROUNDS: a number"))
}

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let asked = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut table = Table::default();
    if asked("commands") {
        commands::measure(&mut table).await;
    }
    if asked("pods") {
        pods::measure(&mut table).await;
    }
    if asked("services") {
        services::measure(&mut table).await;
    }
    if asked("queue") {
        queue::measure(&mut table).await;
    }
    if asked("placement") {
        placement::measure(&mut table).await;
    }
    table.print_targets();
}
