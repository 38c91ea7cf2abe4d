use std::process::ExitCode;

use anyhow::Context;

/// Enough for any host key: it may be certificates nested as deep as a packet of SSH holds, which russh 0.62 parses by
/// recursion (docs/advisories.md). It is address space, not memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let runtime = runtime.context("the worker's threads cannot be started; see `ulimit -a`")?;
    Ok(runtime.block_on(pinacle_worker::cli::main()))
}
