//! The cleanup deletes old rows of `pod_logs`, the oldest rows of a pod whose log is too large, and jobs that finished
//! long ago. It works in batches, so that no lock is held for long. The database computes the age of a row from its own
//! clock, so that a worker whose clock is wrong deletes nothing fresh.

use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;

use crate::{
    store::{jobs, logs, schedule, wakeups},
    telemetry::metrics::{JOBS_DELETED, LOGS_DELETED},
};

/// Rows that one transaction deletes: a few milliseconds of work.
const BATCH_ROWS: i64 = 500;
const MIB: i64 = 1024 * 1024;
/// Pods whose log sizes one statement computes.
const PORTION_PODS: i64 = 100;
/// Leaves the database time for other work.
const PAUSE_BETWEEN_BATCHES: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub struct Cleanup {
    /// How long a row of `pod_logs` is kept.
    pub log_retention_days: u32,
    /// How much of a pod's log is kept, in MiB.
    pub pod_limit_mb: u32,
    /// How long a finished job is kept.
    pub job_retention_days: u32,
}

/// How many rows were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deleted {
    #[serde(rename = "deleted")]
    pub logs: u64,
    pub jobs: u64,
}

impl Cleanup {
    /// Deletes what is over its age or size limit.
    ///
    /// # Errors
    /// The database did not respond; the batches before that stay deleted.
    pub async fn run(&self, db: &PgPool) -> Result<Deleted, sqlx::Error> {
        let age = days(self.log_retention_days);
        let mut logs = in_batches(|| logs::delete_older(db, age, BATCH_ROWS)).await?;
        logs += self.hold_pods_to_their_limit(db).await?;
        let jobs = self.delete_finished_jobs(db).await?;
        schedule::forget_ticks(db, age).await?;
        wakeups::forget_dead_workers(db).await?;
        jobs::forget_old_heartbeats(db).await?;
        Ok(Deleted { logs, jobs })
    }

    async fn delete_finished_jobs(&self, db: &PgPool) -> Result<u64, sqlx::Error> {
        let (age, mut progress) = (days(self.job_retention_days), jobs::Retention::default());
        while jobs::delete_finished(db, age, &mut progress, BATCH_ROWS).await? {
            tokio::time::sleep(PAUSE_BETWEEN_BATCHES).await;
        }
        Ok(progress.deleted)
    }

    async fn hold_pods_to_their_limit(&self, db: &PgPool) -> Result<u64, sqlx::Error> {
        let limit = i64::from(self.pod_limit_mb) * MIB;
        let (mut deleted, mut last) = (0, String::new());
        loop {
            let pods = logs::pods(db, &last, limit, PORTION_PODS).await?;
            for pod in pods.iter().filter(|pod| pod.is_larger) {
                deleted += in_batches(|| logs::delete_beyond(db, &pod.pod_id, limit, BATCH_ROWS)).await?;
            }
            match pods.into_iter().last() {
                Some(pod) => last = pod.pod_id,
                None => return Ok(deleted),
            }
            tokio::time::sleep(PAUSE_BETWEEN_BATCHES).await;
        }
    }

    /// The scheduled run, which logs its result.
    pub async fn run_and_report(&self, db: &PgPool) {
        match self.run(db).await {
            Ok(Deleted { logs, jobs }) => {
                metrics::counter!(LOGS_DELETED).increment(logs);
                metrics::counter!(JOBS_DELETED).increment(jobs);
                tracing::info!(logs, jobs, "The log cleanup deleted {logs} rows, and {jobs} finished jobs.");
            }
            Err(error) => tracing::warn!(%error, "The log cleanup failed; the next run continues."),
        }
    }
}

fn days(days: u32) -> Duration {
    Duration::from_hours(24 * u64::from(days))
}

/// Calls `delete` until it deletes nothing, and returns how many rows were deleted in all.
async fn in_batches<F>(mut delete: impl FnMut() -> F) -> Result<u64, sqlx::Error>
where
    F: Future<Output = Result<u64, sqlx::Error>>,
{
    let mut deleted = 0;
    loop {
        match delete().await? {
            0 => return Ok(deleted),
            batch => deleted += batch,
        }
        tokio::time::sleep(PAUSE_BETWEEN_BATCHES).await;
    }
}
