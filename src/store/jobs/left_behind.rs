//! The sweep's work on jobs: those of dead workers, destroys that became due, held jobs. Each job is handled on its
//! own, so that a locked or broken row delays no other.

use std::time::Duration;

use sqlx::PgPool;

use crate::store::{Portion, interval};

/// The most jobs of dead workers that one sweep takes back.
const RESCUE_PORTION: i64 = 500;
/// Planned destroys that one sweep looks at.
const PLANNED_PORTION: i64 = 200;
/// How many values of `held_by` one sweep goes through, and how many jobs of each it wakes.
const HELD_KEYS: i32 = 50;
const HELD_JOBS: i32 = 4;
/// How long one pre-emption may wait for the rows of its pod.
const LOCK_PATIENCE: &str = "100ms";
/// The age at which a heartbeat that was written beside a job's row is of no use.
const HEARTBEAT_AGE: Duration = Duration::from_hours(1);

/// Takes back the jobs whose worker has been silent for `silence`, or that have overrun their deadline by `overrun`.
/// The lease grows at once, so that the worker can no longer write. Returns how many there were.
///
/// # Errors
/// The database did not list the jobs. A job that can't be taken back now is left to the next sweep.
pub async fn rescue(db: &PgPool, silence: Duration, overrun: Duration) -> Result<u64, sqlx::Error> {
    let dead = sqlx::query_scalar!(
        "SELECT j.id FROM pinacle.pod_jobs j
         WHERE j.status = 'running' AND (j.heartbeat_at < now() - $1::interval AND NOT EXISTS (
                   SELECT FROM pinacle.pod_job_heartbeats h WHERE h.job_id = j.id AND h.heartbeat_at >= now() - $1::interval)
               OR j.deadline_at < now() - $2::interval)
         ORDER BY j.heartbeat_at LIMIT $3",
        interval(silence),
        interval(overrun),
        RESCUE_PORTION
    )
    .fetch_all(db)
    .await?;
    let mut rescued = 0;
    for job_id in dead {
        match rescue_one(db, &job_id, silence, overrun).await {
            Ok(taken_back) => rescued += taken_back,
            Err(error) => tracing::warn!(job.id = %job_id, %error, "Job {job_id} can't be taken back now."),
        }
    }
    Ok(rescued)
}

async fn rescue_one(db: &PgPool, job_id: &str, silence: Duration, overrun: Duration) -> Result<u64, sqlx::Error> {
    let rescued = sqlx::query!(
        "WITH dead AS (
             SELECT j.id, j.pod_id FROM pinacle.pod_jobs j JOIN pinacle.pods p ON p.id = j.pod_id
             WHERE j.id = $1 AND j.status = 'running'
               AND (j.heartbeat_at < now() - $2::interval AND NOT EXISTS (
                        SELECT FROM pinacle.pod_job_heartbeats h WHERE h.job_id = j.id AND h.heartbeat_at >= now() - $2::interval)
                    OR j.deadline_at < now() - $3::interval)
             FOR NO KEY UPDATE OF j, p SKIP LOCKED
         ), job AS (
             UPDATE pinacle.pod_jobs j
             SET status = 'retrying', run_at = now(), worker = NULL,
                 last_error = 'The worker that ran this job stopped answering; another takes it up.'
             FROM dead WHERE j.id = dead.id
             RETURNING j.pod_id
         )
         UPDATE pinacle.pods p SET lease = p.lease + (p.lease < 4611686018427387904)::int FROM job WHERE p.id = job.pod_id",
        job_id,
        interval(silence),
        interval(overrun)
    )
    .execute(db)
    .await?;
    Ok(rescued.rows_affected())
}

/// Pre-empts for the destroys that were planned for later and are due now, one portion of them.
///
/// # Errors
/// The database did not list the destroys. One whose pod's rows are locked is left to a later sweep.
pub async fn preempt_for_due_destroys(db: &PgPool, portion: &mut Portion) -> Result<(), sqlx::Error> {
    let (after, after_id) = portion.begin();
    let planned = sqlx::query!(
        r#"SELECT d.id, d.run_at, EXISTS (
               SELECT FROM pinacle.pod_jobs j
               WHERE j.pod_id = d.pod_id AND j.position < d.position AND j.kind <> 'destroy'
                 AND j.status IN ('queued', 'running', 'retrying')
                 AND (j.status <> 'running' OR j.cancel_requested_at IS NULL)) AS "waits!"
           FROM pinacle.pod_jobs d
           WHERE d.kind = 'destroy' AND d.status = 'queued' AND d.run_at > d.created_at AND d.run_at <= now()
             AND (d.run_at, d.id) > (coalesce($1, '-infinity'::timestamptz), coalesce($2, ''))
           ORDER BY d.run_at, d.id LIMIT $3"#,
        after,
        after_id,
        PLANNED_PORTION
    )
    .fetch_all(db)
    .await?;
    portion.advance(planned.last().map(|last| (last.run_at, last.id.clone())), planned.len(), PLANNED_PORTION);
    for destroy in planned.iter().filter(|destroy| destroy.waits) {
        let preempted = sqlx::query!(
            "SELECT set_config('lock_timeout', $2, true), pinacle.preempt_for_destroy($1)",
            destroy.id,
            LOCK_PATIENCE
        )
        .fetch_one(db)
        .await;
        if let Err(error) = preempted {
            tracing::warn!(job.id = %destroy.id, %error, "Destroy {} can't go first for now.", destroy.id);
        }
    }
    Ok(())
}

/// Wakes some held jobs of the next portion of `held_by` values: room may come from elsewhere than a finished job, such
/// as a new server. `after` is where the last portion ended.
pub async fn wake_held(db: &PgPool, after: &mut Option<String>) -> Result<(), sqlx::Error> {
    *after =
        sqlx::query_scalar!("SELECT pinacle.wake_held_portion($1, $2, $3)", after.as_deref(), HELD_KEYS, HELD_JOBS)
            .fetch_one(db)
            .await?;
    Ok(())
}

/// Forgets the heartbeats that were written beside the rows of jobs long ago.
pub async fn forget_old_heartbeats(db: &PgPool) -> Result<u64, sqlx::Error> {
    let old = sqlx::query!(
        "DELETE FROM pinacle.pod_job_heartbeats WHERE heartbeat_at < now() - $1::interval",
        interval(HEARTBEAT_AGE)
    );
    Ok(old.execute(db).await?.rows_affected())
}
