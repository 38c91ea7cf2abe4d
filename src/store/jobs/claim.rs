//! The claim, and the renewal of what was claimed.

use std::time::Duration;

use sqlx::PgPool;

use super::JobKind;
use crate::{
    fault,
    store::{Fence, doorbells, interval, logs},
};

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
        r#"WITH next AS (
               SELECT j.id FROM pod_jobs j
               WHERE j.pod_id = $1 AND j.status IN ('queued', 'running', 'retrying')
                 AND (j.status IN ('running', 'retrying') OR j.run_at <= now())
               ORDER BY (j.status = 'running') DESC, j.position LIMIT 1
           ), head AS (
               SELECT j.id FROM pod_jobs j JOIN next ON next.id = j.id
               WHERE j.status IN ('queued', 'retrying') AND j.run_at <= now()
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
