//! Takes over the jobs of workers that died or hang.

use std::time::Duration;

use sqlx::PgPool;

use crate::{store::jobs, telemetry::metrics::JOBS_RESCUED};

/// How long a worker is silent before another takes over its jobs. Five seconds more than
/// [`LEASE_VALIDITY`](super::LEASE_VALIDITY) spare a job that is only late; the fence would make an earlier one safe.
pub const TAKEOVER_SILENCE: Duration = Duration::from_secs(15);
/// How long after its deadline a job is taken over although its worker still renews the lease: a worker that has not
/// ended and undone the job by then is stuck.
pub const DEADLINE_OVERRUN: Duration = Duration::from_mins(10);

/// Takes back the jobs of silent workers, and those that have overrun their deadline.
pub async fn rescue(db: &PgPool) -> Result<(), sqlx::Error> {
    let rescued = jobs::rescue(db, TAKEOVER_SILENCE, DEADLINE_OVERRUN).await?;
    if rescued > 0 {
        metrics::counter!(JOBS_RESCUED).increment(rescued);
        tracing::warn!(jobs = rescued, "Took back {rescued} jobs of a worker that stopped answering.");
    }
    Ok(())
}
