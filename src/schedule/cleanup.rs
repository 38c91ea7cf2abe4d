//! The log cleanup: rows of `pod_logs` that are too old go, in batches, so that no lock is held for long. How old a row
//! is, the database says, which also stamped it: a worker whose clock is wrong must not delete what is fresh.

use std::time::Duration;

use sqlx::PgPool;

use crate::store::{doorbells, jobs, logs, schedule};

/// Rows in one transaction: some milliseconds' work, however large the logs are.
const BATCH_ROWS: i64 = 500;
/// Lets other work come in between.
const PAUSE_BETWEEN_BATCHES: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub struct Cleanup {
    /// How old a row may get.
    pub retention_days: u32,
}

impl Cleanup {
    /// Deletes what is too old and returns how many rows of `pod_logs` that was.
    ///
    /// # Errors
    /// The database did not answer; what is deleted by then stays deleted.
    pub async fn run(&self, db: &PgPool) -> Result<u64, sqlx::Error> {
        let age = Duration::from_hours(24 * u64::from(self.retention_days));
        let mut deleted = 0;
        loop {
            let batch = logs::delete_older(db, age, BATCH_ROWS).await?;
            deleted += batch;
            if batch == 0 {
                break;
            }
            tokio::time::sleep(PAUSE_BETWEEN_BATCHES).await;
        }
        schedule::forget_ticks(db, age).await?;
        doorbells::forget_dead_workers(db).await?;
        jobs::forget_old_heartbeats(db).await?;
        Ok(deleted)
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
