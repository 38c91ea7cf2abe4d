use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    pinacle_worker::cli::main().await
}
