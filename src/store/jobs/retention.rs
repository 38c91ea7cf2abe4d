//! Deletes old finished jobs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::store::interval;

/// How far the deletion of old jobs has come, and how many it has deleted.
#[derive(Debug, Default)]
pub struct Retention {
    behind: Option<(DateTime<Utc>, String)>,
    pub deleted: u64,
}

/// Looks at the next `portion` jobs that are older than `age`, and deletes those that finished that long ago, with
/// their steps, but not a pod's last job or the one it failed by. False once there are no more.
pub async fn delete_finished(
    db: &PgPool,
    age: Duration,
    progress: &mut Retention,
    portion: i64,
) -> Result<bool, sqlx::Error> {
    let (at, id) = progress.behind.as_ref().map(|(at, id)| (*at, id.as_str())).unzip();
    let last = sqlx::query!(
        r#"WITH portion AS (
             SELECT id, created_at FROM pinacle.pod_jobs
             WHERE created_at < now() - $1::interval
               AND (created_at, id) > (coalesce($2, '-infinity'::timestamptz), coalesce($3, ''))
             ORDER BY created_at, id LIMIT $4
         ), deleted AS (
             DELETE FROM pinacle.pod_jobs WHERE id IN (
                 SELECT j.id FROM portion JOIN pinacle.pod_jobs j USING (id) JOIN pinacle.pods p ON p.id = j.pod_id
                 WHERE j.finished_at < now() - $1::interval AND j.id IS DISTINCT FROM p.failed_job_id
                   AND EXISTS (SELECT FROM pinacle.pod_jobs l WHERE l.pod_id = j.pod_id AND l.position > j.position)
                 FOR UPDATE OF j SKIP LOCKED)
             RETURNING id
         )
         SELECT created_at, id, (SELECT count(*) FROM deleted) AS "deleted!"
         FROM portion ORDER BY created_at DESC, id DESC LIMIT 1"#,
        interval(age),
        at,
        id,
        portion
    )
    .fetch_optional(db)
    .await?;
    let Some(last) = last else { return Ok(false) };
    progress.deleted += u64::try_from(last.deleted).unwrap_or_default();
    progress.behind = Some((last.created_at, last.id));
    Ok(true)
}
