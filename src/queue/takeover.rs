//! Takes over the jobs of workers that died or hang.

use std::time::Duration;

use sqlx::PgPool;

use crate::{store::jobs, telemetry::metrics::JOBS_RESCUED};

/// After how much silence another worker takes a job over. Longer than [`LEASE_VALIDITY`](super::LEASE_VALIDITY) by what a command needs to
/// be ended, though the fence would make an earlier takeover safe, too.
pub const TAKEOVER_SILENCE: Duration = Duration::from_secs(15);
/// How long after its deadline a job is taken over although its worker still renews the lease: that worker had the time
/// to end the job and to undo it, and must be stuck.
pub const DEADLINE_OVERRUN: Duration = Duration::from_mins(10);

/// Takes back what no living worker renews.
pub async fn rescue(db: &PgPool) -> Result<(), sqlx::Error> {
    let rescued = jobs::rescue(db, TAKEOVER_SILENCE, DEADLINE_OVERRUN).await?;
    if rescued > 0 {
        metrics::counter!(JOBS_RESCUED).increment(rescued);
        tracing::warn!(jobs = rescued, "Took back {rescued} jobs of a worker that stopped answering.");
    }
    Ok(())
}
