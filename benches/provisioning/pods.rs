//! An empty pod's life, from insert to status, beside the same by Docker's API alone.

use std::time::Instant;

use serde_json::{Value, json};
use sqlx::postgres::PgListener;

use crate::{
    docker_api::Reference,
    rounds,
    support::{HANG, PodHost, TestDb, Worker},
    table::{Series, Table, Target},
};

/// The most that a create or a start may take, as a multiple of the reference.
const MAX_RATIO: f64 = 1.3;
/// The most that a stop may take beyond Docker's own, in milliseconds.
const MAX_ADDED_MS: f64 = 300.0;

/// Milliseconds, the worker's and the reference's: a pair for each round.
#[derive(Default)]
struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

/// Enqueues jobs, and follows them by NOTIFY.
pub struct Clock<'a> {
    db: &'a TestDb,
    events: PgListener,
}

impl<'a> Clock<'a> {
    pub async fn of(db: &'a TestDb) -> Self {
        Self { db, events: db.events().await }
    }

    /// Returns the milliseconds from a job's insert until the pod is announced as `status`, and the job's id.
    pub async fn job(&mut self, pod: &str, kind: &str, status: &str) -> (f64, String) {
        let began = Instant::now();
        let job = self.db.job(pod, kind).await;
        let wait = async {
            loop {
                let event: Value = serde_json::from_str(self.events.recv().await.unwrap().payload()).unwrap();
                assert!(event["pod_id"] != pod || event["status"] != "failed", "the {kind} of {pod} failed");
                // An announcement of the pod's status names no job.
                if event["pod_id"] == pod && event["job_id"].is_null() && event["status"] == status {
                    return;
                }
            }
        };
        tokio::time::timeout(HANG, wait).await.unwrap_or_else(|_| panic!("{pod} did not become {status}"));
        let elapsed = ms_since(began);
        assert_eq!(self.db.end_of(&job).await.status, "succeeded", "the {kind} of {pod}");
        (elapsed, job)
    }
}

pub async fn measure(table: &mut Table) {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let mut clock = Clock::of(&db).await;
    // The first of each finds cold caches and no connection, so it is not measured.
    let pod = db.pod("bench-first", &json!({})).await;
    clock.job(&pod, "create", "running").await;
    let reference = Reference::like(&pod).await;
    reference.create().await;
    reference.remove().await;
    clock.job(&pod, "destroy", "terminated").await;

    let [mut create, mut start, mut stop, mut destroy] = [(); 4].map(|()| Pairs::default());
    for round in 0..rounds() {
        let pod = db.pod(&format!("bench-{round}"), &json!({})).await;
        create.push(clock.job(&pod, "create", "running").await.0, timed(reference.create()).await);
        stop.push(clock.job(&pod, "stop", "stopped").await.0, timed(reference.stop()).await);
        start.push(clock.job(&pod, "start", "running").await.0, timed(reference.start()).await);
        destroy.push(clock.job(&pod, "destroy", "terminated").await.0, timed(reference.remove()).await);
    }
    host.assert_as_before();

    create.print(
        table,
        "create of an empty pod, insert to running",
        "network, volume, container, start by API, until a page",
        &[Target::RatioAtMost(MAX_RATIO)],
    );
    start.print(
        table,
        "start of a stopped pod, insert to running",
        "start by API, until a page",
        &[Target::RatioAtMost(MAX_RATIO)],
    );
    stop.print(table, "stop, insert to stopped", "docker stop", &[Target::DifferenceAtMost(MAX_ADDED_MS)]);
    destroy.print(
        table,
        "destroy of an empty pod, insert to terminated",
        "rm of container, network, volume by API",
        &[],
    );
}

impl Pairs {
    fn push(&mut self, ours: f64, theirs: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    fn print(self, table: &mut Table, ours: &str, theirs: &str, targets: &[Target]) {
        let ours = Series { what: ours, figures: self.ours };
        table.compared("ms", &ours, &Series { what: theirs, figures: self.theirs }, targets);
    }
}

async fn timed(action: impl Future<Output = ()>) -> f64 {
    let began = Instant::now();
    action.await;
    ms_since(began)
}

pub fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
