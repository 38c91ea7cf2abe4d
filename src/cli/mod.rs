//! The command line: one file a command. A person can drive everything from it; programs add `--json`.

mod check;
mod commands;
mod database;
mod exit;
mod help;
mod interrupt;
pub(crate) mod view;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::settings::{self, Settings, SettingsError};
use commands::{cleanup, grant, jobs, logs, migrate, pods, reconcile, run, schema, secrets, servers};
use exit::{FAILED, WRONG_USAGE};
use view::{
    explain,
    output::{self, OutputError},
};

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
    /// Gives the web app's database role the rights that it needs in the schema, and no more.
    Grant {
        /// The role that the web app connects as.
        role: String,
    },
    /// Checks the settings, the database and every server, and says what to do about each failure.
    Check,
    /// Pod hosts: the machines that pods run on.
    #[command(subcommand)]
    Servers(servers::Servers),
    /// Pods: each command puts a job into the queue, which a running worker takes.
    #[command(subcommand)]
    Pods(pods::Pods),
    /// Jobs: their progress, their steps and how they ended.
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// Shows a pod's log as a terminal would.
    Logs(logs::Logs),
    /// Deletes log rows that are too old, now, as the schedule does.
    Cleanup,
    /// Compares what the database says with what the servers hold, now, as the schedule does.
    Reconcile(reconcile::Reconcile),
    /// Secrets of pods: the key that they are sealed for, so that the database cannot read them.
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Prints the JSON Schema of a pod's config.
    Schema,
}

/// Parses the command line, runs the command, prints what went wrong.
pub async fn main() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(Unparsed::Usage(error)) => error.exit(),
        Err(Unparsed::File(error)) => return fail(&error.into(), ""),
    };
    let database = database::place(&cli.settings);
    match dispatch(cli).await {
        Ok(code) => code,
        Err(error) => fail(&error, &database),
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = cli.settings;
    match cli.command {
        Command::Run => run::run(&settings).await,
        Command::Migrate => migrate::run(&settings).await,
        Command::Grant { role } => grant::run(&settings, &role).await,
        Command::Check => check::run(&settings).await,
        Command::Servers(command) => servers::run(&settings, command).await,
        Command::Pods(command) => pods::run(&settings, command).await,
        Command::Jobs(command) => jobs::run(&settings, command).await,
        Command::Logs(command) => logs::run(&settings, command).await,
        Command::Cleanup => cleanup::run(&settings).await,
        Command::Reconcile(command) => reconcile::run(&settings, &command).await,
        Command::Secrets(command) => secrets::run(&settings, command).await,
        Command::Schema => schema::run(),
    }
}

/// Prints the error once; a closed stdout is not an error.
fn fail(error: &anyhow::Error, database: &str) -> ExitCode {
    if error.downcast_ref::<OutputError>().is_some_and(OutputError::is_closed_pipe) {
        return ExitCode::SUCCESS;
    }
    output::note(format!("error: {}", explain::sentence(error, database)));
    ExitCode::from(if error.is::<SettingsError>() { WRONG_USAGE } else { FAILED })
}

#[derive(Debug)]
enum Unparsed {
    Usage(clap::Error),
    File(SettingsError),
}

/// Flags override the environment, and the environment overrides the file that `--config` names.
fn parse(args: Vec<OsString>) -> Result<Cli, Unparsed> {
    let file = config_file(&args).filter(|file| !file.is_empty());
    let values = file.map(|file| settings::read_file(file.as_ref())).transpose().map_err(Unparsed::File)?;
    let command = help::only_what_is_used(with_defaults(Cli::command(), &values.unwrap_or_default()));
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

/// Makes the file's values defaults. A setting that is empty, in the file or in the environment, counts as not set.
fn with_defaults(command: clap::Command, values: &BTreeMap<String, String>) -> clap::Command {
    command.mut_args(|arg| {
        let Some(name) = arg.get_env().map(OsStr::to_owned) else { return arg };
        let is_secret = arg.is_hide_env_values_set();
        let arg = match name.to_str().and_then(|name| values.get(name)).filter(|value| !value.is_empty()) {
            Some(value) => arg.default_value(clap::builder::OsStr::from(value.clone())).hide_default_value(is_secret),
            None => arg,
        };
        if std::env::var_os(name).is_some_and(|value| value.is_empty()) { arg.env(None::<&str>) } else { arg }
    })
}
