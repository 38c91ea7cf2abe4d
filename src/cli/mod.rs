//! The command line: one file a command. A person can drive everything from it; programs add `--json`.

mod migrate;
mod run;

use std::{collections::BTreeMap, ffi::OsString, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sqlx::PgPool;

use crate::{
    settings::{self, Settings, SettingsError},
    store,
};

/// Exit codes beside 0.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Provisions development pods from a queue in PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "pinacle-worker", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes jobs and runs them, until SIGTERM or Ctrl-C.
    Run,
    /// Creates or upgrades the database schema.
    Migrate,
}

/// Parses the command line, runs the command, prints what went wrong.
pub async fn main() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(Unparsed::Usage(error)) => error.exit(),
        Err(Unparsed::File(error)) => return fail(&error.into()),
    };
    match dispatch(cli).await {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = cli.settings;
    match cli.command {
        Command::Run => run::run(&settings).await,
        Command::Migrate => migrate::run(&settings).await,
    }
}

#[expect(clippy::print_stderr, reason = "the one place where a command's failure is told")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    let usage = error.is::<SettingsError>();
    ExitCode::from(if usage { WRONG_USAGE } else { FAILED })
}

#[derive(Debug)]
enum Unparsed {
    Usage(clap::Error),
    File(SettingsError),
}

/// Flags win over the environment, the environment over the file that `--config` names.
fn parse(args: Vec<OsString>) -> Result<Cli, Unparsed> {
    let command = match config_file(&args) {
        None => Cli::command(),
        Some(file) => {
            let values = settings::read_file(file.as_ref()).map_err(Unparsed::File)?;
            with_defaults(Cli::command(), &values)
        }
    };
    let matches = command.try_get_matches_from(args).map_err(Unparsed::Usage)?;
    Cli::from_arg_matches(&matches).map_err(Unparsed::Usage)
}

/// The file has to be known before the rest can be parsed.
fn config_file(args: &[OsString]) -> Option<OsString> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().cloned();
        }
        if let Some(file) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Some(file.into());
        }
    }
    std::env::var_os("PINACLE_CONFIG")
}

fn with_defaults(command: clap::Command, values: &BTreeMap<String, String>) -> clap::Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(|name| values.get(name.to_str()?));
        match value {
            Some(value) => arg.default_value(clap::builder::OsStr::from(value.clone())),
            None => arg,
        }
    })
}

/// A pool for a command that asks a few things.
fn connect(settings: &Settings) -> anyhow::Result<PgPool> {
    let url = settings.database_url()?;
    store::connect(url, 0).map_err(|error| anyhow::anyhow!("DATABASE_URL is no PostgreSQL URL: {error}"))
}
