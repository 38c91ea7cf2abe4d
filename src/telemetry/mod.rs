//! Sets up the worker's log and names its metrics ([`metrics`]). A command that an execution runs is logged within the
//! spans `job`, `step` and `command`, which carry their ids.

pub mod metrics;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` is not set.
const DEFAULT_LOG: &str =
    "info,apalis=warn,apalis_core=warn,apalis_postgres=warn,apalis_cron=warn,sqlx=warn,russh=warn";

/// The form of the log on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts the log of this process, once.
pub fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
