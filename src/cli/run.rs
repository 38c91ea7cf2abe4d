//! `run`: the worker pool, the schedule, and what a supervisor asks.

use std::{io::IsTerminal, process::ExitCode, sync::Arc, time::Instant};

use futures::FutureExt;
use sqlx::PgPool;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    host::{HostDirectory, LeaseClock},
    http,
    lifecycle::Environment,
    queue::{self, DATABASE_PATIENCE, LEASE_VALIDITY, PoolSettings},
    reconcile::{self, Reconciler},
    schedule::{
        self, Task,
        cleanup::Cleanup,
        images::{self, ImageCleanup},
        sealing,
    },
    secrets::Keyring,
    settings::{LogFormat, Settings},
    store::{self, Purpose, jobs::Limits},
};

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT_LOG: &str =
    "info,apalis=warn,apalis_core=warn,apalis_postgres=warn,apalis_cron=warn,sqlx=warn,russh=warn";

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    start_log(settings.log_format);
    let private_key = settings.private_key()?;
    let keys = Arc::new(settings.secrets_keys()?);
    let catalog = Arc::new(settings.catalog()?);
    let db = super::open_for(settings, Purpose::Worker, DATABASE_PATIENCE).await?;

    let (drain, end) = (CancellationToken::new(), CancellationToken::new());
    let http = http::serve(settings.http_addr, db.clone(), drain.clone(), end.clone()).await?;
    let http = tokio::spawn(http);
    stop_on_signals(drain.clone())?;

    let environment = Environment {
        db: super::pool(settings, Purpose::Jobs, DATABASE_PATIENCE)?,
        hosts: Arc::new(HostDirectory::new(private_key)),
        catalog,
        keys: Arc::clone(&keys),
        subnets: settings.pod_subnets,
        installation: store::installation::id(&db).await?.into(),
        lease: LeaseClock::new(Instant::now() + LEASE_VALIDITY),
        limits: Limits {
            per_worker: settings.concurrency,
            per_server: settings.max_jobs_per_server,
            per_owner: settings.max_jobs_per_owner,
        },
        log_budget_mb: settings.log_budget_mb,
        allow_unconfined_pods: settings.allow_unconfined_pods,
    };
    let (hosts, installation) = (Arc::clone(&environment.hosts), Arc::clone(&environment.installation));
    let reconciler = Reconciler::new(db.clone(), hosts, installation, settings.reconcile_grace);
    let image_cleanup =
        ImageCleanup { db: db.clone(), hosts: Arc::clone(&environment.hosts), min_free_gb: settings.min_free_disk_gb };
    let schedule = schedule::run(db.clone(), tasks(settings, &db, &reconciler, &image_cleanup, &keys), drain.clone());
    let pool = PoolSettings {
        concurrency: settings.concurrency,
        job_timeout: settings.job_timeout,
        drain_timeout: settings.drain_timeout,
    };
    let hosts = queue::keep_connected(db.clone(), Arc::clone(&environment.hosts), drain.clone());
    let watch = reconcile::watch(reconciler, drain.clone());
    tokio::join!(queue::run(environment, db, pool, drain), schedule, hosts, watch);
    end.cancel();
    http.await?;
    Ok(ExitCode::SUCCESS)
}

/// The schedule. Where there is no key for secrets, the sealing is left to workers that have one.
fn tasks(
    settings: &Settings,
    db: &PgPool,
    reconciler: &Reconciler,
    image_cleanup: &ImageCleanup,
    keys: &Arc<Keyring>,
) -> Vec<Task> {
    let (of_cleanup, of_sealing) = (db.clone(), db.clone());
    let (keys, reconciler, image_cleanup) = (Arc::clone(keys), reconciler.clone(), image_cleanup.clone());
    let cleanup = Cleanup::by(settings);
    let mut tasks = vec![
        Task {
            name: "log-cleanup",
            interval: settings.log_cleanup_interval,
            work: Box::new(move || {
                let (cleanup, db) = (cleanup.clone(), of_cleanup.clone());
                async move { cleanup.run_and_report(&db).await }.boxed()
            }),
        },
        Task {
            name: "image-cleanup",
            interval: images::INTERVAL,
            work: Box::new(move || {
                let image_cleanup = image_cleanup.clone();
                async move { image_cleanup.run_and_report().await }.boxed()
            }),
        },
        Task {
            name: "reconcile",
            interval: settings.reconcile_interval,
            work: Box::new(move || {
                let reconciler = reconciler.clone();
                async move { reconciler.all_and_report().await }.boxed()
            }),
        },
    ];
    if keys.current().is_some() {
        tasks.push(Task {
            name: "sealing",
            interval: sealing::INTERVAL,
            work: Box::new(move || {
                let (keys, db) = (Arc::clone(&keys), of_sealing.clone());
                async move { sealing::run_and_report(&db, &keys).await }.boxed()
            }),
        });
    }
    tasks
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
