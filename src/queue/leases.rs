//! Renews the leases of the jobs that this process runs, and stops those that are cancelled or that another worker has.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{PgPool, postgres::PgListener};
use tokio_util::sync::CancellationToken;

use super::running::Running;
use crate::{jobs::StopReason, model::LeaseClock, store::jobs};

/// How often a worker renews the leases of what it runs.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long after its last renewal a worker may still act; then it stops what it runs.
pub const LEASE_VALIDITY: Duration = Duration::from_secs(10);
/// How long a worker waits for its database. Longer than [`LEASE_VALIDITY`], so that a slow or absent database ends a
/// job by its lease, and not by a failed query, which costs an attempt.
pub const DATABASE_PATIENCE: Duration = LEASE_VALIDITY.saturating_mul(2);
/// The channel on which the database announces the cancel of a running job.
const CANCELS: &str = "pod_job_cancels";

/// Renews the leases every [`HEARTBEAT_INTERVAL`] until `end`; a cancel that arrives in between renews them at once.
pub async fn run(db: PgPool, worker: String, running: Arc<Running>, lease: LeaseClock, end: CancellationToken) {
    let mut cancels = None;
    loop {
        renew_leases(&db, &worker, &running, &lease).await;
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT_INTERVAL) => {}
            () = wait_for_cancel(&db, &mut cancels) => {}
            () = end.cancelled() => return,
        }
    }
}

async fn listen(db: &PgPool) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(db).await.ok()?;
    listener.listen(CANCELS).await.ok()?;
    Some(listener)
}

/// Waits for a cancel, or for the loss of the listener. A listener that cannot connect is tried again after the next
/// renewal.
async fn wait_for_cancel(db: &PgPool, cancels: &mut Option<PgListener>) {
    if cancels.is_none() {
        *cancels = listen(db).await;
    }
    let Some(listener) = cancels else { return std::future::pending().await };
    if !listener.try_recv().await.is_ok_and(|notification| notification.is_some()) {
        *cancels = None;
    }
}

async fn renew_leases(db: &PgPool, worker: &str, running: &Running, lease: &LeaseClock) {
    let asked_at = Instant::now();
    let renewed = tokio::time::timeout(HEARTBEAT_INTERVAL, jobs::renew(db, worker, &running.job_ids())).await;
    match renewed {
        Ok(Ok(held)) => {
            lease.extend(asked_at + LEASE_VALIDITY);
            running.compare(&held, asked_at);
        }
        Ok(Err(error)) => give_up_if_late(running, lease, &error.to_string()),
        Err(_) => give_up_if_late(running, lease, "no response from the database"),
    }
}

fn give_up_if_late(running: &Running, lease: &LeaseClock, error: &str) {
    if lease.is_valid() {
        tracing::warn!(error, "The heartbeat failed; it is tried again.");
    } else {
        tracing::error!(error, "No heartbeat for {} s: this worker stops what it runs.", LEASE_VALIDITY.as_secs());
        running.stop_all(&StopReason::LeaseLost);
    }
}
