//! Looks for what was left behind: jobs of dead workers, doorbells that were lost, destroys that have become due.
//! Every worker sweeps; each statement is safe to run twice.

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{DEADLINE_OVERRUN, SWEEP_INTERVAL, TAKEOVER_SILENCE};
use crate::store::{doorbells, jobs};

pub async fn run(db: PgPool, end: CancellationToken) {
    loop {
        if let Err(error) = sweep(&db).await {
            tracing::warn!(%error, "The sweep failed; it is tried again.");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            () = end.cancelled() => return,
        }
    }
}

async fn sweep(db: &PgPool) -> Result<(), sqlx::Error> {
    let rescued = jobs::rescue(db, TAKEOVER_SILENCE, DEADLINE_OVERRUN).await?;
    if rescued > 0 {
        metrics::counter!("pinacle_jobs_rescued_total").increment(rescued);
        tracing::warn!(jobs = rescued, "Took back {rescued} jobs of a worker that stopped answering.");
    }
    jobs::preempt_for_due_destroys(db).await?;
    doorbells::ring_again(db).await?;
    Ok(())
}
