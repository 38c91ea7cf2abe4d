//! `reconcile`: compares the database with the hosts, now.

use std::{process::ExitCode, sync::Arc};

use clap::Args;

use crate::{
    cli::{
        exit::FAILED,
        view::{
            output,
            terminal::{BOLD, DIM, GREEN, RED, RESET},
        },
    },
    fleet::HostDirectory,
    reconcile::{Finding, MAX_REMOVALS, Reconciler, Report},
    settings::Settings,
    store::installation,
};

#[derive(Debug, Args)]
pub struct Reconcile {
    /// Print what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// The most pods unknown to the database whose things are removed from one server in one run.
    #[arg(long, value_name = "N", default_value_t = MAX_REMOVALS)]
    max_removals: usize,
}

/// Exits with 1 if a server could not be inspected, or if something could not be repaired there.
pub async fn run(settings: &Settings, command: &Reconcile) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    let (installation, hosts) = (installation::id(&db).await?.into(), HostDirectory::new(settings.private_key()?));
    let mut reconciler = Reconciler::new(db, Arc::new(hosts), installation, settings.reconcile_grace);
    reconciler.max_removals = command.max_removals;
    reconciler.dry_run = command.dry_run;
    let cancel = crate::cli::interrupt::cancelled_by_interrupt();
    let reports = reconciler.all(&cancel).await?;
    if settings.json {
        output::json(&reports)?;
    } else {
        for report in &reports {
            print(report)?;
        }
        if reports.is_empty() {
            output::line("There are no servers, or all of them are offline.")?;
        }
    }
    Ok(if reports.iter().any(|report| report.stopped.is_some()) { FAILED.into() } else { ExitCode::SUCCESS })
}

fn print(report: &Report) -> Result<(), output::OutputError> {
    let mut text = format!("{BOLD}Server {}{RESET}", report.server);
    for Finding { subject, what, done } in &report.findings {
        text.extend(["\n  ", DIM, "•", RESET, " ", subject, ": ", what, "\n    → ", done]);
    }
    match &report.stopped {
        Some(reason) => text.extend(["\n  ", RED, "✘", RESET, " ", reason]),
        None if report.findings.is_empty() => text.extend(["\n  ", GREEN, "✔", RESET, " matches the database"]),
        None => {}
    }
    output::line(text)
}
