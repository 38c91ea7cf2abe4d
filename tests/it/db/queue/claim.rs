//! One running job a pod, across any number of workers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use pinacle_worker::{
    model::JobStatus,
    store::jobs::{self, Claimed},
};
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;

use super::{claim, claimant, pod};
use crate::support::TestDb;

const PODS: usize = 12;
const JOBS_PER_POD: usize = 6;
const CLAIMANTS: u32 = 12;

/// What the claimants saw, of one pod.
#[derive(Default)]
struct Seen {
    held_by: Option<u32>,
    lease: i64,
    jobs: Vec<String>,
}

impl Seen {
    fn begin(&mut self, claimant: u32, claimed: &Claimed) {
        assert_eq!(self.held_by.replace(claimant), None, "two hold pod {}", claimed.pod_id);
        assert!(claimed.lease > self.lease, "the lease of pod {} did not grow", claimed.pod_id);
        self.lease = claimed.lease;
        self.jobs.push(claimed.job_id.clone());
    }

    fn end(&mut self) {
        self.held_by = None;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claimants_never_hold_one_pod_together_and_run_each_job_once() {
    let db = TestDb::new().await;
    let mut lines = HashMap::new();
    for nth in 0..PODS {
        let pod = pod(&db, &format!("pod-{nth}")).await;
        let mut line = Vec::new();
        for _ in 0..JOBS_PER_POD {
            line.push(db.job(&pod, "restart").await);
        }
        lines.insert(pod, line);
    }
    let pool = PgPoolOptions::new().max_connections(CLAIMANTS).connect(&db.app_url()).await.unwrap();
    let seen: HashMap<String, Mutex<Seen>> = lines.keys().map(|pod| (pod.clone(), Mutex::default())).collect();
    let seen = Arc::new(seen);

    let mut claimants = JoinSet::new();
    for claimant in 0..CLAIMANTS {
        let (pool, seen) = (pool.clone(), Arc::clone(&seen));
        // All in the same order, so that they meet.
        let pods: Vec<String> = lines.keys().cloned().collect();
        claimants.spawn(async move {
            let name = format!("worker-{claimant}");
            loop {
                for pod in &pods {
                    let claimed = jobs::claim(&pool, pod, "no wakeup", &super::claimant(&name)).await.unwrap();
                    let Some(claimed) = claimed else { continue };
                    seen[pod].lock().unwrap().begin(claimant, &claimed);
                    let held = jobs::renew(&pool, &name, std::slice::from_ref(&claimed.job_id)).await.unwrap();
                    assert_eq!(held.len(), 1);
                    seen[pod].lock().unwrap().end();
                    jobs::close(&pool, &claimed.fence(), JobStatus::Succeeded, "").await.unwrap();
                }
                let left: i64 =
                    sqlx::query_scalar("SELECT count(*) FROM pod_jobs WHERE status IN ('queued', 'running')")
                        .fetch_one(&pool)
                        .await
                        .unwrap();
                if left == 0 {
                    return;
                }
            }
        });
    }
    while let Some(claimant) = claimants.join_next().await {
        claimant.unwrap();
    }
    for (pod, line) in lines {
        assert_eq!(seen[&pod].lock().unwrap().jobs, line, "each once, in the order of insertion");
    }
}

#[tokio::test]
async fn the_schema_itself_refuses_a_second_running_job() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let (first, second) = (db.job(&pod, "stop").await, db.job(&pod, "start").await);
    assert_eq!(claim(&db, &pod, "a").await.unwrap().job_id, first);
    let error =
        db.try_execute(&format!("UPDATE pod_jobs SET status = 'running' WHERE id = '{second}'")).await.unwrap_err();
    assert!(error.to_string().contains("pod_jobs_one_running_per_pod"), "{error}");
}

#[tokio::test]
async fn a_claim_is_on_record() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "stop").await;
    let bell = db.text("SELECT id FROM apalis.jobs").await;
    let claimed = jobs::claim(&db.pool, &pod, &bell, &claimant("worker-a")).await.unwrap().unwrap();
    assert_eq!((claimed.attempt, claimed.max_attempts, claimed.lease), (1, 5, 1));
    let row = db
        .text(&format!(
            "SELECT (status, worker, attempt, lease, started_at <= now(), heartbeat_at <= now(),
                 deadline_at - started_at) FROM pod_jobs WHERE id = '{job}'"
        ))
        .await;
    assert_eq!(row, "(running,worker-a,1,1,t,t,00:30:00)");
    assert_eq!(db.text("SELECT count(*) FROM apalis.jobs").await, "0", "its wakeup is answered");
}
