//! The composition of a running worker: the queue, the schedule, the fleet, the events of its hosts and the HTTP
//! server, made from the settings and stopped together.

mod schedule;
mod signals;

use std::{sync::Arc, time::Instant};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    fleet::{self, HostDirectory},
    maintenance::{self, images::ImageCleanup},
    model::{JobLimits, LeaseClock},
    podspec::Catalog,
    queue::{self, LEASE_VALIDITY, PoolSettings},
    reconcile::{self, Reconciler},
    secrets::Keyring,
    settings::Settings,
    steps::Environment,
    store,
};

/// A worker that is about to run.
pub struct Worker<'a> {
    settings: &'a Settings,
    hosts: Arc<HostDirectory>,
    keys: Arc<Keyring>,
    catalog: Arc<Catalog>,
}

impl<'a> Worker<'a> {
    /// # Errors
    /// A setting can't be used.
    pub fn new(settings: &'a Settings) -> anyhow::Result<Self> {
        Ok(Self {
            settings,
            hosts: Arc::new(HostDirectory::new(settings.private_key()?)),
            keys: Arc::new(settings.secrets_keys()?),
            catalog: Arc::new(settings.catalog()?),
        })
    }

    /// Runs until a signal says to stop. `jobs_db` is for the executions, `db` for everything else.
    ///
    /// # Errors
    /// The address for health and metrics can't be listened on, or the database can't be read.
    pub async fn run(self, db: PgPool, jobs_db: PgPool) -> anyhow::Result<()> {
        let Self { settings, hosts, keys, catalog } = self;
        let (drain, end) = (CancellationToken::new(), CancellationToken::new());
        let api = tokio::spawn(api::serve(settings.http_addr, db.clone(), drain.clone(), end.clone()).await?);
        signals::stop_on_signals(drain.clone())?;

        let installation: Arc<str> = store::installation::id(&db).await?.into();
        let reconciler =
            Reconciler::new(db.clone(), Arc::clone(&hosts), Arc::clone(&installation), settings.reconcile_grace);
        let image_cleanup =
            ImageCleanup { db: db.clone(), hosts: Arc::clone(&hosts), min_free_gb: settings.min_free_disk_gb };
        let tasks = schedule::tasks(settings, &db, reconciler.clone(), image_cleanup, &keys);
        let environment = Environment {
            db: jobs_db,
            hosts: Arc::clone(&hosts),
            catalog,
            keys,
            subnets: settings.pod_subnets,
            installation,
            lease: LeaseClock::new(Instant::now() + LEASE_VALIDITY),
            limits: JobLimits {
                per_worker: settings.concurrency,
                per_server: settings.max_jobs_per_server,
                per_owner: settings.max_jobs_per_owner,
            },
            log_budget_mb: settings.log_budget_mb,
            allow_unconfined_pods: settings.allow_unconfined_pods,
        };
        let pool = PoolSettings {
            concurrency: settings.concurrency,
            job_timeout: settings.job_timeout,
            drain_timeout: settings.drain_timeout,
        };
        tokio::join!(
            queue::run(environment, db.clone(), pool, drain.clone()),
            maintenance::run(db.clone(), tasks, drain.clone()),
            fleet::keep_connected(db, hosts, drain.clone()),
            reconcile::watch(reconciler, drain),
        );
        end.cancel();
        api.await?;
        Ok(())
    }
}
