//! The doorbells: rows of apalis's table that mean "look at this pod". One that is lost is rung again by the sweep, so
//! nothing here has to be exact.

use sqlx::{PgExecutor, PgPool};

/// The queue that the trigger on `pod_jobs` rings.
pub const QUEUE: &str = "pods";

/// The doorbell was answered.
pub async fn remove(db: impl PgExecutor<'_>, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM apalis.jobs WHERE id = $1", id).execute(db).await?;
    Ok(())
}

/// Rings for every pod whose next job is due and for which no doorbell waits. Returns how many were rung.
pub async fn ring_again(db: &PgPool) -> Result<u64, sqlx::Error> {
    let rung = sqlx::query!(
        "WITH due AS (
             SELECT DISTINCT ON (pod_id) pod_id, priority FROM pod_jobs j
             WHERE status IN ('queued', 'retrying') AND run_at < now() - interval '2 seconds'
               AND NOT EXISTS (SELECT FROM pod_jobs r WHERE r.pod_id = j.pod_id AND r.status = 'running')
             ORDER BY pod_id, position
         )
         INSERT INTO apalis.jobs (id, job_type, job, priority)
         SELECT apalis.generate_ulid(), 'pods', bell, priority
         FROM due, LATERAL (SELECT convert_to(to_jsonb(pod_id)::text, 'UTF8') AS bell) b
         WHERE NOT EXISTS (
             SELECT FROM apalis.jobs d WHERE d.job_type = 'pods' AND d.status = 'Pending' AND d.job = bell)"
    )
    .execute(db)
    .await?;
    Ok(rung.rows_affected())
}

/// Forgets apalis's workers that have been silent for a day, and what they still held.
pub async fn forget_dead_workers(db: &PgPool) -> Result<u64, sqlx::Error> {
    sqlx::query!(
        "DELETE FROM apalis.jobs j USING apalis.workers w
         WHERE j.lock_by = w.id AND w.last_seen < now() - interval '1 day'"
    )
    .execute(db)
    .await?;
    let forgotten = sqlx::query!("DELETE FROM apalis.workers WHERE last_seen < now() - interval '1 day'");
    Ok(forgotten.execute(db).await?.rows_affected())
}
