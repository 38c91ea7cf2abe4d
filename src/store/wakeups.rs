//! Wakeups: rows of apalis's table that tell a worker to look at a pod. The sweep replaces lost ones, so nothing here
//! has to be exact.

use std::time::Duration;

use sqlx::PgPool;

use super::{Portion, interval};

/// Which jobs a wakeup is for. Each queue has its own workers and slots, so that a stop or a destroy never waits behind
/// the other kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Creates, starts and restarts.
    Ordinary,
    /// Stops and destroys.
    Urgent,
}

impl Queue {
    /// The name in apalis's table, as the triggers on `pod_jobs` write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "pods",
            Self::Urgent => "pods.urgent",
        }
    }
}

/// Due jobs that one sweep examines.
const DUE_PORTION: i64 = 500;
/// Fetched wakeups that one sweep requeues.
const STALE_PORTION: i64 = 500;
/// The age from which the worker that fetched a wakeup counts as dead.
const STALE_AFTER: Duration = Duration::from_secs(15);

/// Writes a wakeup for each pod with a job in the next portion of due jobs and no waiting wakeup. Returns how many.
pub async fn notify_lost(db: &PgPool, portion: &mut Portion) -> Result<u64, sqlx::Error> {
    let (after, after_id) = portion.begin();
    let swept = sqlx::query!(
        r#"WITH portion AS (
               SELECT pod_id, run_at, id FROM pinacle.pod_jobs
               WHERE status IN ('queued', 'retrying') AND held_by IS NULL AND run_at < now() - interval '2 seconds'
                 AND (run_at, id) > (coalesce($1, '-infinity'::timestamptz), coalesce($2, ''))
               ORDER BY run_at, id LIMIT $3
           ), heads AS (
               SELECT head.priority, wakeup, queue FROM (SELECT DISTINCT pod_id FROM portion) due,
                   LATERAL (SELECT convert_to(to_jsonb(due.pod_id)::text, 'UTF8') AS wakeup) w,
                   LATERAL (
                       SELECT j.status, j.priority, j.kind, j.held_by FROM pinacle.pod_jobs j
                       WHERE j.pod_id = due.pod_id AND j.status IN ('queued', 'running', 'retrying')
                         AND (j.status IN ('running', 'retrying') OR j.run_at <= now())
                       ORDER BY (j.status = 'running') DESC, j.position LIMIT 1) head,
                   LATERAL (
                       SELECT CASE WHEN head.kind IN ('stop', 'destroy') THEN 'pods.urgent' ELSE 'pods' END AS queue) q
               WHERE head.status <> 'running' AND head.held_by IS NULL
           ), written AS (
               INSERT INTO apalis.jobs (id, job_type, job, priority)
               SELECT apalis.generate_ulid(), queue, wakeup, priority FROM heads
               WHERE NOT pinacle.is_woken(wakeup, queue)
               RETURNING id
           )
           SELECT (SELECT count(*) FROM written) AS "written!", (SELECT count(*) FROM portion) AS "found!", last.run_at AS "run_at?",
                  last.id AS "id?"
           FROM (VALUES (1)) one LEFT JOIN (SELECT run_at, id FROM portion ORDER BY run_at DESC, id DESC LIMIT 1) last ON true"#,
        after,
        after_id,
        DUE_PORTION
    )
    .fetch_one(db)
    .await?;
    let found = usize::try_from(swept.found).unwrap_or_default();
    portion.advance(swept.run_at.zip(swept.id), found, DUE_PORTION);
    Ok(u64::try_from(swept.written).unwrap_or_default())
}

/// Gives back the wakeups that `worker` has fetched and not handled, and notifies the other workers.
pub async fn offer(db: &PgPool, worker: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH offered AS (
             UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL
             WHERE id IN (SELECT id FROM apalis.jobs WHERE lock_by = $1 AND status = 'Queued' FOR UPDATE SKIP LOCKED)
             RETURNING id, job_type, run_at
         )
         SELECT pg_notify('apalis::job::insert', json_build_object('job_type', job_type, 'id', id, 'run_at', run_at)::text)
         FROM offered LIMIT 1",
        worker
    )
    .fetch_optional(db)
    .await?;
    Ok(())
}

/// Gives back a portion of the wakeups that were fetched by a worker that died.
pub async fn requeue_stale(db: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL
         WHERE id IN (
             SELECT id FROM apalis.jobs WHERE status = 'Queued' AND lock_at < now() - $1::interval
             ORDER BY lock_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        interval(STALE_AFTER),
        STALE_PORTION
    )
    .execute(db)
    .await?;
    Ok(())
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
