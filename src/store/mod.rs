//! All SQL, one file a table. What an execution writes carries its [`Fence`]: where another worker has taken the pod
//! over in the meantime, nothing is written and [`StoreError::Fenced`] says so.

pub mod doorbells;
pub mod extras;
pub mod health;
pub mod installation;
pub mod jobs;
pub mod logs;
pub mod pods;
pub mod reconcile;
pub mod schedule;
pub mod secrets;
pub mod servers;
pub mod steps;

use std::time::Duration;

use apalis_postgres::PostgresStorage;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Executor, PgExecutor, PgPool, Postgres,
    migrate::{MigrateError, Migrator},
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, types::PgInterval},
    query::Query,
};

use crate::fault;

/// Our own migrations; apalis keeps its own beside them, in its schema.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// Connections for all jobs of a worker: each holds one for moments, however many run.
const JOB_CONNECTIONS: u32 = 10;
/// What the worker itself needs beside its jobs: heartbeat, sweep, listeners, delivery, schedule, reconciliation, health
/// checks.
const OWN_CONNECTIONS: u32 = 14;
/// A worker that is frozen or cut off in the middle of a transaction still holds its locks, such as the one on a server
/// that it places a pod on. The database ends such a transaction, or other workers would wait for as long as it lasts.
///
/// What a worker asks are look-ups. A plan that was made while a table was small is kept while it grows: none shall
/// scan a whole table, nor be compiled for being taken for expensive.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET enable_seqscan = off; SET jit = off";

/// Who writes: an execution of a job, under the lease it was given when it claimed the pod.
#[derive(Debug, Clone)]
pub struct Fence {
    pub pod_id: String,
    pub job_id: String,
    pub lease: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "another worker has taken pod {pod_id} over; lease {lease} is no longer the newest ({what} was not written)"
    )]
    Fenced { pod_id: String, lease: i64, what: &'static str },
    #[error("the database refused or did not answer: {0}")]
    Database(#[from] sqlx::Error),
}

impl Fence {
    /// Runs a statement that names this lease, and so changes a row only while it is the newest.
    async fn write(
        &self,
        db: impl PgExecutor<'_>,
        what: &'static str,
        statement: Query<'_, Postgres, PgArguments>,
    ) -> Result<(), StoreError> {
        fault::boundary(|| what.to_owned());
        let written = statement.execute(db).await?;
        if written.rows_affected() == 0 { Err(self.lost(what)) } else { Ok(()) }
    }

    fn lost(&self, what: &'static str) -> StoreError {
        StoreError::Fenced { pod_id: self.pod_id.clone(), lease: self.lease, what }
    }
}

/// How far the portions of a sweep through jobs by the time they are due have come. Behind the last one it begins anew.
#[derive(Debug, Clone, Default)]
pub struct Portion(Option<(DateTime<Utc>, String)>);

impl Portion {
    /// The time and the id of the job that the last portion ended with.
    fn begin(&self) -> (Option<DateTime<Utc>>, Option<&str>) {
        self.0.as_ref().map(|(at, id)| (*at, id.as_str())).unzip()
    }

    /// Goes on behind `last`, unless the portion was not full.
    fn advance(&mut self, last: Option<(DateTime<Utc>, String)>, found: usize, limit: i64) {
        let full = i64::try_from(found).is_ok_and(|found| found >= limit);
        self.0 = last.filter(|_| full);
    }
}

/// For moments that are reckoned by the database's clock, the only one that all workers share.
fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}

/// Opens the pool for what a worker, or a command, asks beside its jobs. The first query connects. A query waits for as
/// long as `patience` for a connection of the pool, or for the database to come back.
///
/// # Errors
/// The URL is none.
pub fn connect(database_url: &SecretString, patience: Duration) -> Result<PgPool, sqlx::Error> {
    pool(database_url, OWN_CONNECTIONS, patience)
}

/// Opens the pool that the jobs of a worker share, likewise. It does not grow with their number.
///
/// # Errors
/// The URL is none.
pub fn connect_for_jobs(database_url: &SecretString, patience: Duration) -> Result<PgPool, sqlx::Error> {
    pool(database_url, JOB_CONNECTIONS, patience)
}

fn pool(database_url: &SecretString, connections: u32, patience: Duration) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = database_url.expose_secret().parse()?;
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(drop) }))
        .connect_lazy_with(options.application_name("pinacle-worker")))
}

/// Creates or upgrades everything, apalis's tables first: our triggers write to them. Several processes at once wait
/// for each other.
///
/// # Errors
/// The database can't be reached, lacks a right, or holds tables of these names that are not ours.
pub async fn migrate(db: &PgPool) -> Result<(), anyhow::Error> {
    PostgresStorage::setup(db).await?;
    MIGRATIONS.run(db).await?;
    Ok(())
}

/// Whether every migration that this binary knows has been applied.
///
/// # Errors
/// The database can't be reached.
pub async fn schema_is_current(db: &PgPool) -> Result<bool, sqlx::Error> {
    let applied: Result<Vec<i64>, _> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(db).await;
    match applied {
        Ok(applied) => Ok(MIGRATIONS.iter().all(|migration| applied.contains(&migration.version))),
        // The table of migrations does not exist: nothing was ever applied.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a person is told when [`migrate`] fails.
pub fn explain_migration_error(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref::<MigrateError>() {
        Some(MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_)) => {
            "The database was migrated by another version of pinacle-worker; run the newest one."
        }
        _ => "Check that DATABASE_URL points at PostgreSQL 15 or later and that its user may create tables there.",
    }
}
