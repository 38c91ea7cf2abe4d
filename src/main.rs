use std::process::ExitCode;

/// What a thread may need to parse: a host key may be a certificate in a certificate, as deep as a packet of SSH holds,
/// and russh 0.62 follows it by recursion (docs/advisories.md). It is address space, not memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    match runtime {
        Ok(runtime) => runtime.block_on(pinacle_worker::cli::main()),
        Err(error) => {
            eprintln!("pinacle-worker: the threads it needs cannot be started: {error}. See `ulimit -a`.");
            ExitCode::FAILURE
        }
    }
}
