//! All SQL, one file per table. A write of an execution carries its [`Fence`]: if another worker has taken the pod
//! over, it writes nothing and returns [`StoreError::Fenced`].

pub mod health;
pub mod images;
pub mod installation;
pub mod jobs;
pub mod logs;
mod migrate;
pub mod orphans;
pub mod places;
pub mod pods;
pub mod reconcile;
pub mod rights;
pub mod schedule;
pub mod secrets;
pub mod servers;
pub mod steps;
pub mod wakeups;

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, Executor, PgConnection, PgExecutor, PgPool, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, types::PgInterval},
    query::Query,
};

use crate::{fault, model::Fence};
pub use migrate::{explain_migration_error, functions_hash, migrate, schema_is_current};

/// A worker that is frozen or cut off in the middle of a transaction still holds its locks, such as the one on a server
/// that it places a pod on. The database ends such a transaction, or other workers would wait for as long as it lasts.
///
/// A worker's queries are look-ups, and PostgreSQL keeps a plan that it made while a table was small. So no plan may
/// scan a whole table, and none is compiled because it looks expensive.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET enable_seqscan = off; SET jit = off";
/// PostgreSQL would prefer a function of the app's in `public` to its own where the arguments match better, and would
/// run it with our rights.
const OWN_SESSION: &str = "SET search_path = pg_catalog, pg_temp";
/// A worker's connections are shared, so no statement waits long for a locked row or runs without end.
const WORKERS_SESSION: &str = "SET lock_timeout = '1s'; SET statement_timeout = '30s'";
/// What the worker writes beside its jobs is written again if a crash of the database loses it, so no commit waits for
/// the disk.
const UNHURRIED_SESSION: &str = "SET synchronous_commit = off";
/// The pause before a write that met a locked row is tried again; its connection serves others meanwhile.
const LOCKED_PAUSE: Duration = Duration::from_secs(2);

/// What a pool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For `migrate`: apalis's migrations use the `search_path` that the database sets.
    Migration,
    /// For a command that makes a few queries, and may wait for locks.
    Command,
    /// What a worker needs beside its jobs: heartbeat, sweep, listeners, delivery, schedule, reconciliation, health
    /// checks.
    Worker,
    /// For all jobs of a worker; each holds a connection only for moments.
    Jobs,
}

impl Purpose {
    fn connections(self) -> u32 {
        match self {
            Self::Migration | Self::Command | Self::Worker => 14,
            Self::Jobs => 10,
        }
    }

    fn session(self) -> String {
        match self {
            Self::Migration => SESSION.to_owned(),
            Self::Command => format!("{SESSION}; {OWN_SESSION}"),
            Self::Worker => format!("{SESSION}; {OWN_SESSION}; {WORKERS_SESSION}; {UNHURRIED_SESSION}"),
            Self::Jobs => format!("{SESSION}; {OWN_SESSION}; {WORKERS_SESSION}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "another worker has taken pod {pod_id} over; lease {lease} is no longer the newest ({what} was not written)"
    )]
    Fenced { pod_id: String, lease: i64, what: &'static str },
    #[error("the database refused or did not respond: {0}")]
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

    /// Locks the rows of the pod and of the job before the transaction locks rows that others need, so that it holds
    /// none of those while it waits.
    async fn lock(&self, tx: &mut PgConnection, what: &'static str) -> Result<(), StoreError> {
        let locked = sqlx::query!(
            "SELECT FROM pinacle.pods p JOIN pinacle.pod_jobs j ON j.pod_id = p.id
             WHERE p.id = $1 AND p.lease = $3 AND j.id = $2 AND j.lease = $3 AND j.status = 'running'
             FOR NO KEY UPDATE",
            self.pod_id,
            self.job_id,
            self.lease
        );
        if locked.execute(tx).await?.rows_affected() == 0 { Err(self.lost(what)) } else { Ok(()) }
    }

    fn lost(&self, what: &'static str) -> StoreError {
        StoreError::Fenced { pod_id: self.pod_id.clone(), lease: self.lease, what }
    }
}

/// How far a sweep through the jobs, in the order of their due times, has come. After the last portion it starts again.
#[derive(Debug, Clone, Default)]
pub struct Portion(Option<(DateTime<Utc>, String)>);

impl Portion {
    /// The time and the id of the job that the last portion ended with.
    fn begin(&self) -> (Option<DateTime<Utc>>, Option<&str>) {
        self.0.as_ref().map(|(at, id)| (*at, id.as_str())).unzip()
    }

    /// Continues after `last` if the portion was full, else from the start.
    fn advance(&mut self, last: Option<(DateTime<Utc>, String)>, found: usize, limit: i64) {
        let full = i64::try_from(found).is_ok_and(|found| found >= limit);
        self.0 = last.filter(|_| full);
    }
}

/// A duration for the database, whose clock is the only one that all workers share.
fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}

/// Opens a pool that connects with its first query. A query waits up to `patience` for a free connection, or for the
/// database to come back.
///
/// # Errors
/// The URL is not a PostgreSQL URL.
pub fn connect(database_url: &SecretString, purpose: Purpose, patience: Duration) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = database_url.expose_secret().parse()?;
    Ok(PgPoolOptions::new()
        .max_connections(purpose.connections())
        .acquire_timeout(patience)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(AssertSqlSafe(purpose.session())).await.map(drop) })
        })
        .connect_lazy_with(options.application_name("pinacle-worker")))
}

/// Repeats a write of an execution while one of its rows is locked, so that only its own pod waits.
///
/// # Errors
/// Those of the write.
pub async fn when_unlocked<T, F>(write: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match write().await {
            Err(StoreError::Database(error)) if is_locked(&error) => tokio::time::sleep(LOCKED_PAUSE).await,
            written => return written,
        }
    }
}

/// Whether a statement met a locked row, and may succeed later.
pub fn is_locked(error: &sqlx::Error) -> bool {
    /// PostgreSQL's `lock_not_available` and `deadlock_detected`.
    const LOCKED: [&str; 2] = ["55P03", "40P01"];
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| LOCKED.contains(&&*code))
}
