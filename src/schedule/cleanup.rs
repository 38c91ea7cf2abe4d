//! The log cleanup: rows of `pod_logs` that are too old go, and the oldest of a pod that has too much of them, in batches,
//! so that no lock is held for long. How old a row is, the database says, which also stamped it: a worker whose clock is
//! wrong must not delete what is fresh.

use std::time::Duration;

use sqlx::PgPool;

use crate::{
    settings::Settings,
    store::{doorbells, jobs, logs, schedule},
};

/// Rows in one transaction: some milliseconds' work, however large the logs are.
const BATCH_ROWS: i64 = 500;
const MIB: i64 = 1024 * 1024;
/// Pods whose logs are summed up in one statement.
const PORTION_PODS: i64 = 100;
/// Lets other work come in between.
const PAUSE_BETWEEN_BATCHES: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub struct Cleanup {
    /// How old a row may get.
    pub retention_days: u32,
    /// How much of a pod's log is kept, in MiB.
    pub pod_limit_mb: u32,
}

impl Cleanup {
    pub fn by(settings: &Settings) -> Self {
        Self { retention_days: settings.log_retention_days, pod_limit_mb: settings.log_pod_limit_mb }
    }

    /// Deletes what is too old and returns how many rows of `pod_logs` that was.
    ///
    /// # Errors
    /// The database did not answer; what is deleted by then stays deleted.
    pub async fn run(&self, db: &PgPool) -> Result<u64, sqlx::Error> {
        let age = Duration::from_hours(24 * u64::from(self.retention_days));
        let mut deleted = in_batches(|| logs::delete_older(db, age, BATCH_ROWS)).await?;
        deleted += self.hold_pods_to_their_limit(db).await?;
        schedule::forget_ticks(db, age).await?;
        doorbells::forget_dead_workers(db).await?;
        jobs::forget_old_heartbeats(db).await?;
        Ok(deleted)
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

    /// The scheduled run: what comes of it goes to the log.
    pub async fn run_and_report(&self, db: &PgPool) {
        match self.run(db).await {
            Ok(deleted) => {
                metrics::counter!("pinacle_pod_logs_deleted_total").increment(deleted);
                tracing::info!(rows = deleted, "The log cleanup deleted {deleted} rows.");
            }
            Err(error) => tracing::warn!(%error, "The log cleanup failed; the next one goes on."),
        }
    }
}

/// Deletes until nothing is left to, and returns how many rows that were.
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
