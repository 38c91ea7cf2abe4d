//! Looks for what was left behind: jobs of dead workers, wakeups that were lost, destroys that have become due. Every
//! worker sweeps, in portions, so that a sweep costs the same however much waits. A part that fails stops no other.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::takeover::rescue;
use crate::{
    every::Every,
    store::{Portion, jobs, wakeups},
};

/// How often a worker looks for what was left behind.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// How far this worker's sweeps have come.
#[derive(Default)]
struct Sweep {
    planned_destroys: Portion,
    due_jobs: Portion,
    held_by: Option<String>,
}

pub async fn run(db: PgPool, end: CancellationToken) {
    let mut sweep = Sweep::default();
    let mut every = Every::new(SWEEP_INTERVAL, end);
    while every.round().await {
        sweep.next(&db).await;
    }
}

impl Sweep {
    async fn next(&mut self, db: &PgPool) {
        report("rescue", rescue(db).await);
        report(
            "pre-emption for planned destroys",
            jobs::preempt_for_due_destroys(db, &mut self.planned_destroys).await,
        );
        report("return of fetched wakeups", wakeups::requeue_stale(db).await);
        report("look at held jobs", jobs::wake_held(db, &mut self.held_by).await);
        report("search for lost wakeups", wakeups::notify_lost(db, &mut self.due_jobs).await.map(drop));
    }
}

fn report(part: &str, result: Result<(), sqlx::Error>) {
    if let Err(error) = result {
        tracing::warn!(part, %error, "The sweep's {part} failed; the next sweep tries again.");
    }
}
