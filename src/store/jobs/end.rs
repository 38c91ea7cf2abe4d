//! How an execution ends: one statement writes what became of the pod, of the job and of its last steps.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use crate::{
    fault,
    model::{Fence, JobStatus, PodStatus, SECRET_NAMES},
    store::{StoreError, interval, steps::Changes, when_unlocked},
};

/// What became of a job and of its pod.
struct End<'a> {
    job: JobStatus,
    pod: PodStatus,
    /// The container runs on.
    runs: bool,
    error: Option<&'a str>,
}

/// Ends the job as succeeded, with the pod in the state that it asked for.
pub async fn succeed(db: &PgPool, fence: &Fence, pod: PodStatus, steps: &Changes) -> Result<(), StoreError> {
    let runs = pod == PodStatus::Running;
    end(db, fence, End { job: JobStatus::Succeeded, pod, runs, error: None }, steps).await
}

/// Ends the job without another attempt, and marks the pod as `failed`.
pub async fn fail(db: &PgPool, fence: &Fence, job: JobStatus, error: &str, steps: &Changes) -> Result<(), StoreError> {
    end(db, fence, End { job, pod: PodStatus::Failed, runs: false, error: Some(error) }, steps).await
}

/// Fails the job and the pod, but the container runs on so that its user can see why.
pub async fn keep(db: &PgPool, fence: &Fence, error: &str, steps: &Changes) -> Result<(), StoreError> {
    let end_of_job = End { job: JobStatus::Failed, pod: PodStatus::Failed, runs: true, error: Some(error) };
    end(db, fence, end_of_job, steps).await
}

/// Writes the end. A destroyed pod gives back all it holds; its secrets are deleted, and those in its config blanked.
async fn end(db: &PgPool, fence: &Fence, end: End<'_>, steps: &Changes) -> Result<(), StoreError> {
    const WHAT: &str = "the end of the job";
    steps.fault_boundaries();
    fault::boundary(|| "the pod's new state".to_owned());
    fault::boundary(|| WHAT.to_owned());
    let columns = steps.columns();
    let statement = sqlx::query_scalar!(
        r#"WITH held AS (
             SELECT id, pod_id, nullif(concat_ws('. ', $4::text, notice), '') AS sentence FROM pinacle.pod_jobs
             WHERE id = $1 AND lease = $2 AND status = 'running' FOR NO KEY UPDATE
         ), pod AS (
             UPDATE pinacle.pods p
             SET status = $3, last_error = held.sentence, failed_job_id = CASE WHEN $3 = 'failed' THEN $1 END,
                 last_started_at = CASE WHEN $17 THEN now() ELSE last_started_at END,
                 last_stopped_at = CASE WHEN $3 = 'stopped' THEN now() ELSE last_stopped_at END,
                 destroyed_at = CASE WHEN $6 THEN coalesce(destroyed_at, now()) ELSE destroyed_at END,
                 container_id = CASE WHEN NOT $6 THEN container_id END,
                 internal_ip = CASE WHEN NOT $6 THEN internal_ip END,
                 public_url = CASE WHEN NOT $6 THEN public_url END,
                 proxy_port = CASE WHEN NOT $6 THEN proxy_port END,
                 up = up AND NOT $6,
                 cpu_cores = CASE WHEN NOT $6 THEN cpu_cores END,
                 memory_mb = CASE WHEN NOT $6 THEN memory_mb END,
                 disk_gb = CASE WHEN NOT $6 THEN disk_gb END
             FROM held WHERE p.id = held.pod_id AND p.lease = $2
             RETURNING p.id, p.last_error
         ), job AS (
             UPDATE pinacle.pod_jobs j
             SET status = $5, finished_at = now(), last_error = pod.last_error, step = coalesce($7, step),
                 steps_done = coalesce($8, steps_done), steps_total = coalesce($9, steps_total)
             FROM pod WHERE j.id = $1
             RETURNING j.id, j.pod_id
         ), secrets AS (
             DELETE FROM pinacle.pod_secrets s USING job WHERE s.pod_id = job.pod_id AND $6
         ), steps AS (
             INSERT INTO pinacle.pod_job_steps (job_id, position, name, status, attempt, started_at, finished_at, error)
             SELECT job.id, s.position, s.name, s.status, $10, now() - s.began_us * interval '1 microsecond',
                    now() - s.ended_us * interval '1 microsecond', s.error
             FROM job, unnest($11::int[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::text[])
                 AS s(position, name, status, began_us, ended_us, error)
             ON CONFLICT (job_id, position) DO UPDATE
             SET name = excluded.name, status = excluded.status, attempt = excluded.attempt,
                 finished_at = excluded.finished_at, error = excluded.error,
                 started_at = CASE WHEN pod_job_steps.status = 'running' THEN pod_job_steps.started_at
                                   ELSE excluded.started_at END
         )
         SELECT count(*) AS "written!" FROM job"#,
        fence.job_id,
        fence.lease,
        end.pod.as_str(),
        end.error,
        end.job.as_str(),
        end.pod == PodStatus::Terminated,
        columns.step,
        columns.done,
        columns.total,
        columns.attempt,
        &columns.positions,
        &columns.names,
        &columns.statuses,
        &columns.began_us,
        &columns.ended_us as &[Option<i64>],
        &columns.errors as &[Option<String>],
        end.runs
    );
    if end.pod != PodStatus::Terminated {
        return if statement.fetch_one(db).await? == 0 { Err(fence.lost(WHAT)) } else { Ok(()) };
    }
    let mut tx = db.begin().await?;
    if statement.fetch_one(&mut *tx).await? == 0 {
        return Err(fence.lost(WHAT));
    }
    blank_config(&mut tx, fence).await?;
    Ok(tx.commit().await?)
}

/// Takes the secrets out of the config of a destroyed pod, whose row is locked already. It is a separate statement
/// since setting the config makes the trigger check all of it, which the end of no other job may cause.
async fn blank_config(tx: &mut PgConnection, fence: &Fence) -> Result<(), sqlx::Error> {
    let names = SECRET_NAMES.map(str::to_owned);
    sqlx::query!(
        "UPDATE pinacle.pods SET config = pinacle.without_secrets(config, $3) WHERE id = $1 AND lease = $2",
        fence.pod_id,
        fence.lease,
        &names[..]
    )
    .execute(tx)
    .await
    .map(drop)
}

/// Adds a notice to the job, unless the job has it already.
pub async fn note(db: &PgPool, fence: &Fence, notice: &str) -> Result<(), StoreError> {
    when_unlocked(|| async {
        let statement = sqlx::query!(
            "UPDATE pinacle.pod_jobs
             SET notice = CASE WHEN strpos(notice, $3) > 0 THEN notice ELSE concat_ws('. ', notice, $3) END
             WHERE id = $1 AND lease = $2 AND status = 'running'",
            fence.job_id,
            fence.lease,
            notice
        );
        fence.write(db, "the notice", statement).await
    })
    .await
}

/// Ends the job and leaves the pod as it is: the job does not fit the pod's state, or a destroy follows.
pub async fn close(db: &PgPool, fence: &Fence, ended: JobStatus, error: &str) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "UPDATE pinacle.pod_jobs SET status = $3, finished_at = now(), last_error = $4
         WHERE id = $1 AND lease = $2 AND status = 'running'",
        fence.job_id,
        fence.lease,
        ended.as_str(),
        error
    );
    fence.write(db, "the end of the job", statement).await
}

/// Puts the job back into its pod's line, to be tried again after `delay`.
pub async fn retry(db: &PgPool, fence: &Fence, delay: Duration, error: &str) -> Result<(), StoreError> {
    back_in_line(db, fence, "the retry", delay, 0, error).await
}

/// Puts the job back because the worker stops; the job loses no attempt.
pub async fn release(db: &PgPool, fence: &Fence) -> Result<(), StoreError> {
    let reason = "Interrupted: the worker was stopped; another takes it up.";
    back_in_line(db, fence, "the hand-over", Duration::ZERO, 1, reason).await
}

/// Puts the job back for `delay` because it waits for others; it loses no attempt.
pub async fn defer(db: &PgPool, fence: &Fence, delay: Duration, reason: &str) -> Result<(), StoreError> {
    back_in_line(db, fence, "the deferral", delay, 1, reason).await
}

/// `unburnt` is how many attempts are given back.
async fn back_in_line(
    db: &PgPool,
    fence: &Fence,
    what: &'static str,
    delay: Duration,
    unburnt: i32,
    reason: &str,
) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "UPDATE pinacle.pod_jobs
         SET status = 'retrying', run_at = now() + $3, attempt = attempt - $4, worker = NULL, last_error = $5
         WHERE id = $1 AND lease = $2 AND status = 'running'",
        fence.job_id,
        fence.lease,
        interval(delay),
        unburnt,
        reason
    );
    fence.write(db, what, statement).await
}
