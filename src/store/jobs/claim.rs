//! The claim, and the renewal of what was claimed.

use std::time::Duration;

use sqlx::PgPool;

use crate::{
    model::{Fence, JobKind, JobLimits},
    store::{interval, wakeups::Queue},
};

/// A job that is now ours to run.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub job_id: String,
    pub pod_id: String,
    pub kind: JobKind,
    /// The first key of the payload, which no kind takes so far. The payload may be more than a JSON reader takes.
    pub payload_key: Option<String>,
    pub lease: i64,
    pub attempt: i32,
    pub max_attempts: i32,
    /// Since the row was inserted, or became due, whichever is later.
    pub waited: Duration,
    /// Set if the cancel was requested before this execution began.
    pub cancel_reason: Option<String>,
}

impl Claimed {
    pub fn fence(&self) -> Fence {
        Fence { pod_id: self.pod_id.clone(), job_id: self.job_id.clone(), lease: self.lease }
    }
}

/// Who claims.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    pub worker: &'a str,
    /// Which kinds of job; `None` for all.
    pub queue: Option<Queue>,
    /// How long the job may take.
    pub deadline: Duration,
    pub limits: JobLimits,
}

fn sql(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

/// Claims the pod's next job, if one is due and a slot is free for it, and handles the wakeup, in one statement.
pub async fn claim(
    db: &PgPool,
    pod_id: &str,
    wakeup_id: &str,
    claimant: &Claimant<'_>,
) -> Result<Option<Claimed>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT j.id AS "id!", j.kind AS "kind!: JobKind", j.lease AS "lease!", j.attempt AS "attempt!",
                  j.max_attempts AS "max_attempts!", j.cancel_reason,
                  (SELECT min(key) FROM jsonb_object_keys(
                      CASE jsonb_typeof(j.payload) WHEN 'object' THEN j.payload ELSE '{}' END) AS key) AS payload_key,
                  extract(epoch FROM clock_timestamp() - greatest(j.run_at, j.created_at))::float8 AS "waited!"
           FROM pinacle.claim_pod_job($1, $2, $3, $4, $5, $6, $7, $8) j"#,
        pod_id,
        wakeup_id,
        claimant.queue.map(|queue| queue == Queue::Urgent),
        claimant.worker,
        interval(claimant.deadline),
        sql(claimant.limits.per_worker),
        sql(claimant.limits.per_server),
        sql(claimant.limits.per_owner)
    )
    .fetch_optional(db)
    .await;
    let row = match row {
        // Two wakeups of one pod came at the same moment, and the unique index admitted one of them.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(None),
        other => other?,
    };
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

/// Renews the leases of the jobs that `worker` still runs, and returns them. A job whose row another transaction has
/// locked counts as held; its heartbeat goes into another table.
pub async fn renew(db: &PgPool, worker: &str, job_ids: &[String]) -> Result<Vec<Held>, sqlx::Error> {
    sqlx::query_as!(
        Held,
        r#"WITH held AS (
               SELECT id, lease, cancel_reason FROM pinacle.pod_jobs WHERE id = ANY ($2) AND worker = $1 AND status = 'running'
           ), free AS (
               SELECT id FROM pinacle.pod_jobs WHERE id = ANY ($2) AND worker = $1 AND status = 'running'
               FOR NO KEY UPDATE SKIP LOCKED
           ), renewed AS (
               UPDATE pinacle.pod_jobs j SET heartbeat_at = now() FROM free WHERE j.id = free.id
           ), beside AS (
               INSERT INTO pinacle.pod_job_heartbeats (job_id, heartbeat_at)
               SELECT id, now() FROM held WHERE NOT EXISTS (SELECT FROM free WHERE free.id = held.id)
               ON CONFLICT (job_id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
           )
           SELECT id AS job_id, lease AS "lease!", cancel_reason FROM held"#,
        worker,
        job_ids
    )
    .fetch_all(db)
    .await
}
