//! The queue: what a committed row in `pod_jobs` promises.

mod backlog;
pub mod cancel;
mod capacity;
mod claim;
mod destroy;
mod enqueue;
mod events;
mod fence;
mod line;
mod progress;
mod requeue;
mod rescue;
mod slots;
mod wakeups;

use std::time::Duration;

use pinacle_worker::{
    model::{Fence, JobLimits},
    store::{
        StoreError,
        jobs::{self, Claimant, Claimed},
        steps::{self, Changes, StepEnd},
    },
};
use serde_json::json;
use sqlx::PgPool;

use crate::support::TestDb;

const DEADLINE: Duration = Duration::from_mins(30);
const HOUR: Duration = Duration::from_hours(1);
/// As long as a worker that was told so by `silence` has not been heard of.
const SILENCE: Duration = Duration::from_secs(15);

/// A pod with nothing in its config.
async fn pod(db: &TestDb, slug: &str) -> String {
    db.pod(slug, &json!({})).await
}

/// Inserts a job that is planned for later, `after` from now.
async fn planned(db: &TestDb, pod: &str, kind: &str, after: &str) -> String {
    sqlx::query_scalar("INSERT INTO pod_jobs (pod_id, kind, run_at) VALUES ($1, $2, now() + $3::interval) RETURNING id")
        .bind(pod)
        .bind(kind)
        .bind(after)
        .fetch_one(&db.pool)
        .await
        .unwrap()
}

/// More slots than any test takes that is not about them.
const ROOMY: JobLimits = JobLimits { per_worker: 100, per_server: 100, per_owner: 100 };

/// Claims jobs of every kind.
fn claimant(worker: &str) -> Claimant<'_> {
    Claimant { worker, queue: None, deadline: DEADLINE, limits: ROOMY }
}

/// Claims the pod's next job, as a worker does when it is woken for it.
pub async fn claim(db: &TestDb, pod: &str, worker: &str) -> Option<Claimed> {
    jobs::claim(&db.pool, pod, "no wakeup", &claimant(worker)).await.unwrap()
}

/// Writes that the step has begun.
async fn begin_step(db: &PgPool, fence: &Fence, position: i32, name: &'static str) -> Result<(), StoreError> {
    let mut changes = Changes::new(1, 2);
    changes.begin(position, name);
    steps::write(&mut *db.acquire().await?, fence, &changes).await
}

/// Writes that the step has begun, where it is not on record, and that it has ended.
async fn end_step(db: &PgPool, fence: &Fence, position: i32, name: &'static str) -> Result<(), StoreError> {
    let mut changes = Changes::new(1, 2);
    changes.begin(position, name);
    changes.end(StepEnd::Succeeded);
    steps::write(&mut *db.acquire().await?, fence, &changes).await
}

/// The workers that run something have not been heard of for longer than [`SILENCE`].
async fn silence_all(db: &TestDb) {
    db.execute("UPDATE pod_jobs SET heartbeat_at = now() - interval '20 seconds' WHERE status = 'running'").await;
}

async fn status(db: &TestDb, job: &str) -> String {
    db.text(&format!("SELECT status FROM pod_jobs WHERE id = '{job}'")).await
}

async fn last_error(db: &TestDb, job: &str) -> String {
    db.text(&format!("SELECT last_error FROM pod_jobs WHERE id = '{job}'")).await
}

/// True once a transaction waits for another's pod line.
pub const SOMEBODY_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted)";
