//! What the database says of a host's pods, and what a reconciliation writes where the host differs: each write names
//! the lease that was seen, and changes nothing if an execution has begun since.

use std::time::Duration;

use sqlx::{Executor, PgPool, Postgres, Transaction};

use super::interval;
use crate::model::{JobKind, PodStatus};

/// Who asks for the jobs of a reconciliation, in `pod_jobs.requested_by`.
pub const REQUESTED_BY: &str = "reconcile";

/// A pod, as the database has it.
#[derive(Debug, Clone, PartialEq)]
pub struct PodRecord {
    pub id: String,
    pub slug: String,
    pub status: PodStatus,
    pub server_id: Option<String>,
    pub proxy_port: Option<i32>,
    pub container_started_at: Option<String>,
    pub up: bool,
    pub cpu_cores: Option<f32>,
    pub memory_mb: Option<i32>,
    pub lease: i64,
    /// A job of the pod runs or is due.
    pub busy: bool,
}

/// The live pods of a server, and any other pods among `ids`.
pub async fn pod_records(db: &PgPool, server_id: &str, ids: &[String]) -> Result<Vec<PodRecord>, sqlx::Error> {
    sqlx::query_as!(
        PodRecord,
        r#"SELECT id, slug, status AS "status: PodStatus", server_id, proxy_port, container_started_at, up,
                  cpu_cores, memory_mb, lease, pinacle.pod_is_busy(id) AS "busy!"
           FROM pinacle.pods WHERE (server_id = $1 AND destroyed_at IS NULL) OR id = ANY ($2)"#,
        server_id,
        ids
    )
    .fetch_all(db)
    .await
}

/// No reconciliation of a server takes longer; a holder of the lock after that is frozen or cut off.
const END_IDLE_LOCK: &str = "SET LOCAL idle_in_transaction_session_timeout = '30min'";

/// Takes the lock of a server's reconciliation until the transaction ends. `None` if another holds it.
pub async fn lock<'a>(db: &'a PgPool, server_id: &str) -> Result<Option<Transaction<'a, Postgres>>, sqlx::Error> {
    let mut tx = db.begin().await?;
    tx.execute(END_IDLE_LOCK).await?;
    let locked = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended('pinacle.reconcile.' || $1, 0)) AS "locked!""#,
        server_id
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(locked.then_some(tx))
}

/// Asks for a job, unless one runs or is due or the pod has changed since it was seen. True if it asked.
pub async fn ask(db: &PgPool, pod_id: &str, seen: PodStatus, lease: i64, kind: JobKind) -> Result<bool, sqlx::Error> {
    let mut tx = db.begin().await?;
    sqlx::query!("SELECT pinacle.lock_pod_line($1)", pod_id).execute(&mut *tx).await?;
    let asked = sqlx::query!(
        "INSERT INTO pinacle.pod_jobs (pod_id, kind, requested_by)
         SELECT id, $4, $5 FROM pinacle.pods WHERE id = $1 AND status = $2 AND lease = $3 AND NOT pinacle.pod_is_busy(id)",
        pod_id,
        seen.as_str(),
        lease,
        kind.as_str(),
        REQUESTED_BY
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(asked.rows_affected() > 0)
}

/// How many jobs a reconciliation has asked for of this pod within `span`.
pub async fn asked_within(db: &PgPool, pod_id: &str, span: Duration) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "asked!" FROM pinacle.pod_jobs
           WHERE pod_id = $1 AND requested_by = $2 AND created_at > now() - $3::interval"#,
        pod_id,
        REQUESTED_BY,
        interval(span)
    )
    .fetch_one(db)
    .await
}

/// Writes down whether the pod's container runs, unless an execution has begun since it was seen.
pub async fn see(db: &PgPool, pod_id: &str, lease: i64, up: bool) -> Result<(), sqlx::Error> {
    let seen = sqlx::query!(
        "UPDATE pinacle.pods SET up = $3
         WHERE id = $1 AND lease = $2 AND up <> $3 AND destroyed_at IS NULL AND NOT pinacle.pod_is_busy(id)",
        pod_id,
        lease,
        up
    );
    seen.execute(db).await.map(drop)
}

/// Marks the pod as `failed`. False where it is no longer as it was seen.
pub async fn fail(db: &PgPool, pod_id: &str, seen: PodStatus, lease: i64, reason: &str) -> Result<bool, sqlx::Error> {
    let failed = sqlx::query!(
        "UPDATE pinacle.pods SET status = 'failed', last_error = $4, failed_job_id = NULL
         WHERE id = $1 AND status = $2 AND lease = $3 AND NOT pinacle.pod_is_busy(id)",
        pod_id,
        seen.as_str(),
        lease,
        reason
    )
    .execute(db)
    .await?;
    Ok(failed.rows_affected() > 0)
}

/// Sets the pod's reservation to what its container has. False if the pod has changed since it was seen.
pub async fn reserve(
    db: &PgPool,
    pod_id: &str,
    lease: i64,
    cpu_cores: f32,
    memory_mb: i32,
) -> Result<bool, sqlx::Error> {
    let reserved = sqlx::query!(
        "UPDATE pinacle.pods SET cpu_cores = $3, memory_mb = $4
         WHERE id = $1 AND lease = $2 AND destroyed_at IS NULL AND NOT pinacle.pod_is_busy(id)",
        pod_id,
        lease,
        cpu_cores,
        memory_mb
    );
    Ok(reserved.execute(db).await?.rows_affected() > 0)
}

/// How far ahead of the database a host's lease is believed: even a database that lost days is not further behind.
pub const MAX_LEAD: i64 = 1_000_000;

/// Raises the pod's lease to one that its host has seen: if the database was put back to an earlier state, the host
/// would refuse all that follows. A host is not believed about another host's pod, or about a lease too far ahead.
pub async fn raise_lease(db: &PgPool, server_id: &str, pod_id: &str, lease: i64) -> Result<(), sqlx::Error> {
    let raised = sqlx::query!(
        "UPDATE pinacle.pods SET lease = $3
         WHERE id = $2 AND lease < $3 AND lease >= $3 - $4::bigint
           AND (server_id IS NULL OR server_id = $1 OR destroyed_at IS NOT NULL)",
        server_id,
        pod_id,
        lease,
        MAX_LEAD
    );
    raised.execute(db).await.map(drop)
}
