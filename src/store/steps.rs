//! The steps of a job: written as each begins and ends, within the fence.

use serde::Serialize;
use sqlx::PgPool;

use super::{Fence, StoreError};

#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    pub position: i32,
    pub name: String,
    pub status: String,
    pub attempt: i32,
    pub started_at: chrono::DateTime<chrono::Utc>,
    pub finished_at: Option<chrono::DateTime<chrono::Utc>>,
    pub error: Option<String>,
}

/// Marks the step as begun, and the job as being at it.
pub async fn begin(
    db: &PgPool,
    fence: &Fence,
    position: i32,
    name: &str,
    attempt: i32,
    total: i32,
) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "WITH job AS (
             UPDATE pod_jobs SET step = $4, steps_done = $3, steps_total = $6
             WHERE id = $1 AND lease = $2 AND status = 'running'
             RETURNING id
         )
         INSERT INTO pod_job_steps (job_id, position, name, status, attempt)
         SELECT id, $3, $4, 'running', $5 FROM job
         ON CONFLICT (job_id, position) DO UPDATE
         SET name = excluded.name, status = 'running', attempt = excluded.attempt, started_at = now(),
             finished_at = NULL, error = NULL",
        fence.job_id,
        fence.lease,
        position,
        name,
        attempt,
        total
    );
    fence.write(db, "the beginning of a step", statement).await
}

/// `status` is `succeeded`, `skipped` or `failed`.
pub async fn end(
    db: &PgPool,
    fence: &Fence,
    position: i32,
    status: &str,
    error: Option<&str>,
) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "WITH job AS (
             UPDATE pod_jobs SET steps_done = CASE WHEN $4 = 'failed' THEN $3 ELSE $3 + 1 END
             WHERE id = $1 AND lease = $2 AND status = 'running'
             RETURNING id
         )
         UPDATE pod_job_steps s SET status = $4, finished_at = now(), error = $5
         FROM job WHERE s.job_id = job.id AND s.position = $3",
        fence.job_id,
        fence.lease,
        position,
        status,
        error
    );
    fence.write(db, "the end of a step", statement).await
}

pub async fn of_job(db: &PgPool, job_id: &str) -> Result<Vec<StepRow>, sqlx::Error> {
    sqlx::query_as!(
        StepRow,
        "SELECT position, name, status, attempt, started_at, finished_at, error
         FROM pod_job_steps WHERE job_id = $1 ORDER BY position",
        job_id
    )
    .fetch_all(db)
    .await
}
