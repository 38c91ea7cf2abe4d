use std::process::ExitCode;

use anyhow::Context;

/// What a thread may need to parse: a host key may be a certificate in a certificate, as deep as a packet of SSH holds,
/// and russh 0.62 follows it by recursion (docs/advisories.md). It is address space, not memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let runtime = runtime.context("the worker's threads cannot be started; see `ulimit -a`")?;
    Ok(runtime.block_on(pinacle_worker::cli::main()))
}
