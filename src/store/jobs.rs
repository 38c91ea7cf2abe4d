//! The table of jobs, which is the queue. A claim increments the pod's lease, and every later write of the execution
//! carries that lease.

mod claim;
mod end;
mod left_behind;
mod retention;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::model::{JobKind, JobStatus};
pub use claim::{Claimant, Claimed, Held, claim, renew};
pub use end::{close, defer, fail, keep, note, release, retry, succeed};
pub use left_behind::{forget_old_heartbeats, preempt_for_due_destroys, rescue, wake_held};
pub use retention::{Retention, delete_finished};

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

/// Inserts a job as the app does; a double click gives one job.
pub async fn enqueue(db: &PgPool, pod_id: &str, kind: JobKind, requested_by: &str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT pinacle.enqueue_pod_job($1, $2, requested_by => $3) AS "id!""#,
        pod_id,
        kind.as_str(),
        requested_by
    )
    .fetch_one(db)
    .await
}

pub async fn requeue(db: &PgPool, pod_id: &str, requested_by: &str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pinacle.requeue_pod($1, $2) AS "id!""#, pod_id, requested_by).fetch_one(db).await
}

pub async fn requeue_all_failed(db: &PgPool) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pinacle.requeue_failed_pods() AS "requeued!""#).fetch_one(db).await
}

/// False where the job had already finished.
pub async fn cancel(db: &PgPool, job_id: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pinacle.cancel_pod_job($1) AS "cancelled!""#, job_id).fetch_one(db).await
}

pub async fn get(db: &PgPool, job_id: &str) -> Result<Option<Job>, sqlx::Error> {
    sqlx::query_as!(
        Job,
        r#"SELECT id, pod_id, kind AS "kind: JobKind", status AS "status: JobStatus", attempt, max_attempts, step,
                  steps_done, steps_total, last_error, requested_by, run_at, created_at, started_at, finished_at
           FROM pinacle.pod_jobs WHERE id = $1"#,
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
           FROM pinacle.pod_jobs WHERE $1::text IS NULL OR pod_id = $1
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
        r#"SELECT EXISTS (SELECT FROM pinacle.pod_jobs WHERE pod_id = $1 AND kind = 'destroy' AND payload = '{}'
                          AND run_at <= now() AND status IN ('queued', 'running', 'retrying') AND status <> 'running')
                  AS "follows!""#,
        pod_id
    )
    .fetch_one(db)
    .await
}
