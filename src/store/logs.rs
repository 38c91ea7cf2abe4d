//! The record of every command, which the web app shows as a terminal.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, PgPool};

use super::{StoreError, interval};
use crate::{
    fault,
    model::{Fence, Update},
};

/// A command that begins.
pub struct NewLog<'a> {
    pub command: &'a str,
    pub container_command: Option<&'a str>,
    pub label: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LogRow {
    pub id: String,
    pub timestamp: DateTime<Utc>,
    pub command: String,
    pub container_command: Option<String>,
    pub stdout: Option<String>,
    pub stderr: Option<String>,
    pub exit_code: Option<i32>,
    pub duration: Option<i32>,
    pub label: Option<String>,
    pub job_id: Option<String>,
}

/// Writes the row of a command before it runs. It reads the clock, not the transaction's time, so that rows of one
/// transaction keep their order.
pub async fn begin(db: impl PgExecutor<'_>, fence: &Fence, log: &NewLog<'_>) -> Result<String, StoreError> {
    const WHAT: &str = "a command's row";
    fault::boundary(|| WHAT.to_owned());
    sqlx::query_scalar!(
        "INSERT INTO pinacle.pod_logs (pod_id, timestamp, command, container_command, label, job_id)
         SELECT $1, clock_timestamp(), $3, $4, $5, $6 FROM pinacle.pods WHERE id = $1 AND lease = $2
         RETURNING id",
        fence.pod_id,
        fence.lease,
        log.command,
        log.container_command,
        log.label,
        fence.job_id
    )
    .fetch_optional(db)
    .await?
    .ok_or_else(|| fence.lost(WHAT))
}

/// Adds output to the row of a running command. Only new output is sent, so the cost is linear in the output.
pub async fn write(
    db: &PgPool,
    fence: &Fence,
    id: &str,
    stdout: Option<&Update>,
    stderr: Option<&Update>,
) -> Result<(), StoreError> {
    let ((stdout_new, stdout_whole), (stderr_new, stderr_whole)) = (split(stdout), split(stderr));
    let statement = sqlx::query!(
        "UPDATE pinacle.pod_logs
         SET stdout = coalesce($4, stdout || $3), stderr = coalesce($6, stderr || $5)
         WHERE id = $1 AND EXISTS (SELECT FROM pinacle.pods WHERE id = pod_id AND lease = $2)",
        id,
        fence.lease,
        stdout_new,
        stdout_whole,
        stderr_new,
        stderr_whole
    );
    fence.write(db, "a command's output", statement).await
}

fn split(update: Option<&Update>) -> (&str, Option<&str>) {
    match update {
        None => ("", None),
        Some(Update::Append(text)) => (text, None),
        Some(Update::Replace(text)) => ("", Some(text)),
    }
}

/// Writes how the command ended. `duration_ms` is in milliseconds.
pub async fn finish(db: &PgPool, fence: &Fence, id: &str, exit_code: i32, duration_ms: i32) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "UPDATE pinacle.pod_logs SET exit_code = $3, duration = $4
         WHERE id = $1 AND EXISTS (SELECT FROM pinacle.pods WHERE id = pod_id AND lease = $2)",
        id,
        fence.lease,
        exit_code,
        duration_ms
    );
    fence.write(db, "a command's end", statement).await
}

/// How much of what a job's commands printed is stored, in bytes. The pod's log from before the job is not looked at.
pub async fn printed(db: &PgPool, pod_id: &str, job_id: &str) -> Result<usize, sqlx::Error> {
    let bytes = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(octet_length(stdout) + octet_length(stderr)), 0)::bigint AS "bytes!"
           FROM pinacle.pod_logs
           WHERE pod_id = $1 AND job_id = $2
             AND timestamp >= (SELECT started_at FROM pinacle.pod_jobs WHERE id = $2)"#,
        pod_id,
        job_id
    )
    .fetch_one(db)
    .await?;
    Ok(usize::try_from(bytes).unwrap_or_default())
}

/// Where in a pod's log a reader is: behind the row of this time and id.
#[derive(Debug, Clone, Default)]
pub struct Cursor(Option<(DateTime<Utc>, String)>);

impl Cursor {
    pub fn behind(row: &LogRow) -> Self {
        Self(Some((row.timestamp, row.id.clone())))
    }
}

/// Up to `limit` rows of a pod behind the cursor, the oldest first; with infrastructure commands if `all`.
pub async fn page(
    db: &PgPool,
    pod_id: &str,
    all: bool,
    cursor: &Cursor,
    limit: i64,
) -> Result<Vec<LogRow>, sqlx::Error> {
    let (after, after_id) = cursor.0.as_ref().map(|(at, id)| (*at, id.as_str())).unzip();
    sqlx::query_as!(
        LogRow,
        "SELECT id, timestamp, command, container_command, stdout, stderr, exit_code, duration, label, job_id
         FROM pinacle.pod_logs
         WHERE pod_id = $1 AND ($2 OR container_command IS NOT NULL)
           AND (timestamp, id) > (coalesce($3, '-infinity'::timestamptz), coalesce($4, ''))
         ORDER BY timestamp, id LIMIT $5",
        pod_id,
        all,
        after,
        after_id,
        limit
    )
    .fetch_all(db)
    .await
}

/// Deletes up to `batch` rows that are older than `age`. Rows that another cleanup holds are left to it.
pub async fn delete_older(db: &PgPool, age: Duration, batch: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM pinacle.pod_logs WHERE id IN (
             SELECT id FROM pinacle.pod_logs WHERE created_at < now() - $1::interval ORDER BY created_at LIMIT $2
             FOR UPDATE SKIP LOCKED)",
        interval(age),
        batch
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

/// A pod that has a log.
pub struct LoggedPod {
    pub pod_id: String,
    /// Whether the log has more bytes than were asked about.
    pub is_larger: bool,
}

/// Up to `portion` pods that have a log, in the order of their ids, behind `after`.
pub async fn pods(db: &PgPool, after: &str, bytes: i64, portion: i64) -> Result<Vec<LoggedPod>, sqlx::Error> {
    sqlx::query_as!(
        LoggedPod,
        r#"SELECT pod_id, coalesce(sum(octet_length(command) + octet_length(stdout) + octet_length(stderr)), 0) > $2 AS "is_larger!"
           FROM pinacle.pod_logs WHERE pod_id > $1 GROUP BY pod_id ORDER BY pod_id LIMIT $3"#,
        after,
        bytes,
        portion
    )
    .fetch_all(db)
    .await
}

/// Deletes up to `batch` rows of a pod's log beyond its newest `bytes`, except those of running commands.
pub async fn delete_beyond(db: &PgPool, pod_id: &str, bytes: i64, batch: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM pinacle.pod_logs WHERE id IN (
             SELECT l.id
             FROM (SELECT id, sum(octet_length(command) + octet_length(stdout) + octet_length(stderr))
                              OVER (ORDER BY timestamp DESC, id DESC) AS bytes
                   FROM pinacle.pod_logs WHERE pod_id = $1) newer
             JOIN pinacle.pod_logs l USING (id)
             WHERE newer.bytes > $2 AND l.exit_code IS NOT NULL LIMIT $3
             FOR UPDATE OF l SKIP LOCKED)",
        pod_id,
        bytes,
        batch
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
