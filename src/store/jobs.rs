//! The jobs: the truth of the queue. Claiming one bumps the pod's lease; whatever its execution writes from then on
//! carries that lease.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres, Transaction};

use super::{Fence, StoreError, doorbells, interval, logs, pods::PodStatus};
use crate::fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, clap::ValueEnum)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    Create,
    Start,
    Stop,
    Restart,
    Destroy,
}

impl JobKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Destroy => "destroy",
        }
    }
}

impl std::fmt::Display for JobKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    Queued,
    Running,
    Retrying,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobStatus {
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Job {
    pub id: String,
    pub pod_id: String,
    pub kind: JobKind,
    pub status: JobStatus,
    pub attempt: i32,
    pub max_attempts: i32,
    pub step: Option<String>,
    pub steps_done: Option<i32>,
    pub steps_total: Option<i32>,
    pub last_error: Option<String>,
    pub requested_by: Option<String>,
    pub run_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// A job that is now ours to run.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub job_id: String,
    pub pod_id: String,
    pub kind: JobKind,
    /// The first key of the payload: no kind takes any so far. The payload itself may be more than a JSON reader takes.
    pub payload_key: Option<String>,
    pub lease: i64,
    pub attempt: i32,
    pub max_attempts: i32,
    /// Since the row was inserted, or became due, whichever is later.
    pub waited: Duration,
    /// Somebody wished it to stop before this execution began.
    pub cancel_reason: Option<String>,
}

impl Claimed {
    pub fn fence(&self) -> Fence {
        Fence { pod_id: self.pod_id.clone(), job_id: self.job_id.clone(), lease: self.lease }
    }
}

/// Claims the pod's next job, if one is due, and answers the doorbell, in one transaction.
///
/// The next job is the first in the pod's line that is due; a retry keeps its place, and a job that is planned for
/// later lets those behind it pass.
pub async fn claim(
    db: &PgPool,
    pod_id: &str,
    worker: &str,
    doorbell_id: &str,
    deadline: Duration,
) -> Result<Option<Claimed>, sqlx::Error> {
    let mut tx = db.begin().await?;
    doorbells::remove(&mut *tx, doorbell_id).await?;
    let row = sqlx::query!(
        r#"WITH head AS (
               SELECT j.id FROM pod_jobs j
               WHERE j.pod_id = $1 AND j.status IN ('queued', 'retrying') AND j.run_at <= now()
                 AND NOT EXISTS (
                     SELECT FROM pod_jobs b WHERE b.pod_id = j.pod_id AND (b.status = 'running' OR (
                         b.position < j.position AND (b.status = 'retrying' OR (b.status = 'queued' AND b.run_at <= now())))))
               ORDER BY j.position LIMIT 1
               FOR UPDATE OF j SKIP LOCKED
           ), holder AS (
               UPDATE pods p SET lease = p.lease + 1 FROM head WHERE p.id = $1 RETURNING p.lease
           )
           UPDATE pod_jobs j
           SET status = 'running', lease = holder.lease, worker = $2, attempt = j.attempt + 1, heartbeat_at = now(),
               deadline_at = now() + $3, started_at = coalesce(j.started_at, now())
           FROM head, holder
           WHERE j.id = head.id
           RETURNING j.id, j.kind AS "kind: JobKind", j.lease AS "lease!", j.attempt, j.max_attempts,
                     (SELECT min(key) FROM jsonb_object_keys(
                         CASE jsonb_typeof(j.payload) WHEN 'object' THEN j.payload ELSE '{}' END) AS key) AS payload_key,
                     j.cancel_reason, extract(epoch FROM clock_timestamp() - greatest(j.run_at, j.created_at))::float8 AS "waited!""#,
        pod_id,
        worker,
        interval(deadline),
    )
    .fetch_optional(&mut *tx)
    .await;
    let row = match row {
        // Two doorbells of one pod at the same moment: the index let one of them in.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(None),
        other => other?,
    };
    if row.is_some() {
        logs::close_cut_off(&mut tx, pod_id).await?;
        fault::boundary(|| "the claim".to_owned());
    }
    tx.commit().await?;
    Ok(row.map(|row| Claimed {
        job_id: row.id,
        pod_id: pod_id.to_owned(),
        kind: row.kind,
        payload_key: row.payload_key,
        lease: row.lease,
        attempt: row.attempt,
        max_attempts: row.max_attempts,
        waited: Duration::from_secs_f64(row.waited.max(0.0)),
        cancel_reason: row.cancel_reason,
    }))
}

/// A job that this worker still holds.
pub struct Held {
    pub job_id: String,
    pub lease: i64,
    pub cancel_reason: Option<String>,
}

/// Renews the leases of those of `job_ids` that `worker` still runs, and says which they are.
pub async fn renew(db: &PgPool, worker: &str, job_ids: &[String]) -> Result<Vec<Held>, sqlx::Error> {
    sqlx::query_as!(
        Held,
        r#"UPDATE pod_jobs SET heartbeat_at = now() WHERE id = ANY ($2) AND worker = $1 AND status = 'running'
           RETURNING id AS job_id, lease AS "lease!", cancel_reason"#,
        worker,
        job_ids
    )
    .fetch_all(db)
    .await
}

/// Takes back the jobs whose worker has been silent for `silence`, or that have overrun their deadline by `overrun`. The
/// lease grows at once, so that the worker can no longer write. Returns how many there were.
pub async fn rescue(db: &PgPool, silence: Duration, overrun: Duration) -> Result<u64, sqlx::Error> {
    let rescued = sqlx::query!(
        "WITH dead AS (
             UPDATE pod_jobs
             SET status = 'retrying', run_at = now(), worker = NULL,
                 last_error = 'The worker that ran this job stopped answering; another takes it up.'
             WHERE status = 'running' AND (heartbeat_at < now() - $1::interval OR deadline_at < now() - $2::interval)
             RETURNING pod_id
         )
         UPDATE pods p SET lease = p.lease + 1 FROM dead WHERE p.id = dead.pod_id",
        interval(silence),
        interval(overrun)
    )
    .execute(db)
    .await?;
    Ok(rescued.rows_affected())
}

/// A destroy that was planned for later goes first once it is due.
pub async fn preempt_for_due_destroys(db: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT preempt_for_destroy(d.id) FROM pod_jobs d
         WHERE d.kind = 'destroy' AND d.status = 'queued' AND d.run_at <= now() AND EXISTS (
             SELECT FROM pod_jobs j
             WHERE j.pod_id = d.pod_id AND j.position < d.position AND j.kind <> 'destroy'
               AND (j.status IN ('queued', 'retrying') OR (j.status = 'running' AND j.cancel_requested_at IS NULL)))"
    )
    .fetch_all(db)
    .await?;
    Ok(())
}

/// The job is done, and the pod is as it asked.
pub async fn succeed(db: &PgPool, fence: &Fence, pod: PodStatus) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let statement = sqlx::query!(
        "UPDATE pods
         SET status = $3, last_error = NULL, failed_job_id = NULL,
             last_started_at = CASE WHEN $3 = 'running' THEN now() ELSE last_started_at END,
             last_stopped_at = CASE WHEN $3 = 'stopped' THEN now() ELSE last_stopped_at END
         WHERE id = $1 AND lease = $2",
        fence.pod_id,
        fence.lease,
        pod.as_str()
    );
    fence.write(&mut *tx, "the pod's new state", statement).await?;
    if pod == PodStatus::Terminated {
        forget_pod(&mut tx, &fence.pod_id).await?;
    }
    end(&mut tx, fence, JobStatus::Succeeded, None).await?;
    tx.commit().await?;
    Ok(())
}

/// The pod is gone from its host: nothing of it is held any more, and its secrets are deleted.
async fn forget_pod(tx: &mut Transaction<'_, Postgres>, pod_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE pods SET destroyed_at = coalesce(destroyed_at, now()), container_id = NULL, internal_ip = NULL,
                public_url = NULL, proxy_port = NULL, cpu_cores = NULL, memory_mb = NULL, disk_gb = NULL
         WHERE id = $1",
        pod_id
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("DELETE FROM pod_secrets WHERE pod_id = $1", pod_id).execute(&mut **tx).await?;
    Ok(())
}

/// The job will not be tried again, and the pod is `failed`.
pub async fn fail(db: &PgPool, fence: &Fence, ended: JobStatus, error: &str) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let statement = sqlx::query!(
        "UPDATE pods SET status = 'failed', last_error = $3, failed_job_id = $4 WHERE id = $1 AND lease = $2",
        fence.pod_id,
        fence.lease,
        error,
        fence.job_id
    );
    fence.write(&mut *tx, "the pod's failure", statement).await?;
    end(&mut tx, fence, ended, Some(error)).await?;
    tx.commit().await?;
    Ok(())
}

/// The job ends without a word on the pod: it did not fit the pod's state, or a destroy follows.
pub async fn close(db: &PgPool, fence: &Fence, ended: JobStatus, error: &str) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    end(&mut tx, fence, ended, Some(error)).await?;
    tx.commit().await?;
    Ok(())
}

async fn end(
    tx: &mut Transaction<'_, Postgres>,
    fence: &Fence,
    ended: JobStatus,
    error: Option<&str>,
) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "UPDATE pod_jobs SET status = $3, finished_at = now(), last_error = $4
         WHERE id = $1 AND lease = $2 AND status = 'running'",
        fence.job_id,
        fence.lease,
        ended.as_str(),
        error
    );
    fence.write(&mut **tx, "the end of the job", statement).await
}

/// The job goes back into its pod's line and is tried again after `delay`.
pub async fn retry(db: &PgPool, fence: &Fence, delay: Duration, error: &str) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "UPDATE pod_jobs SET status = 'retrying', run_at = now() + $3, last_error = $4, worker = NULL
         WHERE id = $1 AND lease = $2 AND status = 'running'",
        fence.job_id,
        fence.lease,
        interval(delay),
        error
    );
    fence.write(db, "the retry", statement).await
}

/// The worker stops: the job goes back as it was, and no attempt is burnt.
pub async fn hand_back(db: &PgPool, fence: &Fence) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "UPDATE pod_jobs
         SET status = 'retrying', run_at = now(), attempt = attempt - 1, worker = NULL,
             last_error = 'Interrupted: the worker was stopped; another takes it up.'
         WHERE id = $1 AND lease = $2 AND status = 'running'",
        fence.job_id,
        fence.lease
    );
    fence.write(db, "the hand-over", statement).await
}

/// The app's insert, with a double click collapsed.
pub async fn enqueue(db: &PgPool, pod_id: &str, kind: JobKind, requested_by: &str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT enqueue_pod_job($1, $2, requested_by => $3) AS "id!""#,
        pod_id,
        kind.as_str(),
        requested_by
    )
    .fetch_one(db)
    .await
}

pub async fn requeue(db: &PgPool, pod_id: &str, requested_by: &str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT requeue_pod($1, $2) AS "id!""#, pod_id, requested_by).fetch_one(db).await
}

pub async fn requeue_all_failed(db: &PgPool) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT requeue_failed_pods() AS "requeued!""#).fetch_one(db).await
}

/// False where the job had already finished.
pub async fn cancel(db: &PgPool, job_id: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT cancel_pod_job($1) AS "cancelled!""#, job_id).fetch_one(db).await
}

pub async fn get(db: &PgPool, job_id: &str) -> Result<Option<Job>, sqlx::Error> {
    sqlx::query_as!(
        Job,
        r#"SELECT id, pod_id, kind AS "kind: JobKind", status AS "status: JobStatus", attempt, max_attempts, step,
                  steps_done, steps_total, last_error, requested_by, run_at, created_at, started_at, finished_at
           FROM pod_jobs WHERE id = $1"#,
        job_id
    )
    .fetch_optional(db)
    .await
}

/// The newest jobs first; of one pod where `pod_id` is given.
pub async fn list(db: &PgPool, pod_id: Option<&str>, limit: i64) -> Result<Vec<Job>, sqlx::Error> {
    sqlx::query_as!(
        Job,
        r#"SELECT id, pod_id, kind AS "kind: JobKind", status AS "status: JobStatus", attempt, max_attempts, step,
                  steps_done, steps_total, last_error, requested_by, run_at, created_at, started_at, finished_at
           FROM pod_jobs WHERE $1::text IS NULL OR pod_id = $1
           ORDER BY created_at DESC, position DESC LIMIT $2"#,
        pod_id,
        limit
    )
    .fetch_all(db)
    .await
}

/// True where a destroy that will be carried out stands in the pod's line.
pub async fn destroy_follows(db: &PgPool, pod_id: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM pod_jobs WHERE pod_id = $1 AND kind = 'destroy' AND payload = '{}'
                          AND run_at <= now() AND status IN ('queued', 'retrying')) AS "follows!""#,
        pod_id
    )
    .fetch_one(db)
    .await
}
