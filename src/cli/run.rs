//! `run`: the worker pool, the schedule, and what a supervisor asks.

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    host::HostDirectory,
    http,
    lifecycle::Tools,
    queue::{self, PoolSettings},
    schedule::{self, cleanup::Cleanup},
    settings::{LogFormat, Settings},
    store,
};

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT_LOG: &str =
    "info,apalis=warn,apalis_core=warn,apalis_postgres=warn,apalis_cron=warn,sqlx=warn,russh=warn";

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    start_log(settings.log_format);
    let private_key = settings.private_key()?;
    let catalog = Arc::new(settings.catalog()?);
    let db = super::connect_for(settings, settings.concurrency)?;
    anyhow::ensure!(
        store::schema_is_current(&db)
            .await
            .map_err(|error| anyhow::anyhow!("the database does not answer: {error}"))?,
        "the schema is not current. Run `pinacle-worker migrate` first"
    );

    let (drain, end) = (CancellationToken::new(), CancellationToken::new());
    let http = http::serve(settings.http_addr, db.clone(), drain.clone(), end.clone()).await?;
    let http = tokio::spawn(http);
    stop_on_signals(drain.clone())?;

    let tools = Tools {
        db: db.clone(),
        hosts: Arc::new(HostDirectory::new(private_key)),
        catalog,
        subnets: settings.pod_subnets,
        lease: queue::lease_clock(),
    };
    let cleanup = Cleanup { interval: settings.log_cleanup_interval, retention_days: settings.log_retention_days };
    let pool = PoolSettings {
        concurrency: settings.concurrency,
        job_timeout: settings.job_timeout,
        drain_timeout: settings.drain_timeout,
    };
    let hosts = queue::keep_in_touch(db.clone(), Arc::clone(&tools.hosts), drain.clone());
    tokio::join!(queue::run(tools, pool, drain.clone()), schedule::run(db, cleanup, drain), hosts);
    end.cancel();
    http.await?;
    Ok(ExitCode::SUCCESS)
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// The first signal drains, the second ends the process at once: its jobs are taken up by another worker.
fn stop_on_signals(drain: CancellationToken) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if drain.is_cancelled() {
                tracing::warn!("Told to stop a second time: ending at once.");
                std::process::exit(1);
            }
            tracing::info!("Told to stop: no new jobs are taken, running ones reach the end of a step.");
            drain.cancel();
        }
    });
    Ok(())
}
