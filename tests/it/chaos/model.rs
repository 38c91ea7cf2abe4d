//! Random sequences of what can happen, against a small model of the contract: what became of a pod's jobs, in their
//! order, says how the pod ends, and the host holds just that.

use std::time::Duration;

use proptest::prelude::*;
use sqlx::Row;

use super::lane::{Lane, config};
use crate::support::{PodHost, Worker, eventually, host::sh, random::runner, worker::cli};

const PODS: usize = 3;
const KINDS: [&str; 5] = ["create", "start", "stop", "restart", "destroy"];
const UNFINISHED: &str = "SELECT count(*) = 0 FROM pod_jobs WHERE status IN ('queued', 'running', 'retrying')";

#[derive(Debug, Clone)]
enum Event {
    Insert(usize, &'static str),
    /// Of the newest job that is not finished.
    Cancel(usize),
    Requeue(usize),
    KillWorker,
    /// Somebody does this to the pod on its host.
    Break(usize, &'static str),
}

/// An event, and how long after the one before it comes.
fn event() -> impl Strategy<Value = (Event, Duration)> {
    let pod = 0..PODS;
    let harm = prop::sample::select(vec![
        "docker stop NAME",
        "docker kill NAME",
        "docker rm -f NAME",
        "docker network rm NAME",
    ]);
    let event = prop_oneof![
        8 => (pod.clone(), prop::sample::select(KINDS.to_vec())).prop_map(|(pod, kind)| Event::Insert(pod, kind)),
        2 => pod.clone().prop_map(Event::Cancel),
        2 => pod.clone().prop_map(Event::Requeue),
        1 => Just(Event::KillWorker),
        2 => (pod, harm).prop_map(|(pod, harm)| Event::Break(pod, harm)),
    ];
    (event, (0..2500_u64).prop_map(Duration::from_millis))
}

/// A finished job, as the database has it.
#[derive(Debug)]
struct Job {
    kind: String,
    status: String,
    started: bool,
    error: String,
}

/// What became of a destroy that stands behind a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destroy {
    Ran,
    Cancelled,
}

/// What the contract says of a pod, in the fewest words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Model {
    status: &'static str,
    /// It has a place on a host.
    placed: bool,
    ran: bool,
    /// Somebody harmed it on its host: a job may fail for that, and say so.
    harmed: bool,
}

impl Model {
    fn new(harmed: bool) -> Self {
        Self { status: "pending", placed: false, ran: false, harmed }
    }

    fn fits(self, kind: &str) -> bool {
        match kind {
            "destroy" => true,
            "create" => self.status != "terminated",
            _ => self.placed && !matches!(self.status, "pending" | "terminated"),
        }
    }

    /// The pod after a job, or what the contract does not allow.
    fn after(self, job: &Job, destroy: Option<Destroy>) -> Result<Self, String> {
        let kind = job.kind.as_str();
        match job.status.as_str() {
            "cancelled" if !job.started => Ok(self),
            "failed" if !self.fits(kind) && job.error.starts_with("cannot") => Ok(self),
            // The destroy has the rest to do.
            "cancelled" if destroy == Some(Destroy::Ran) => Ok(Self { placed: true, ..self }),
            // It was to do the rest, and was cancelled before it could.
            "cancelled" if destroy == Some(Destroy::Cancelled) => Ok(Self { status: "failed", placed: true, ..self }),
            "cancelled" => Ok(Self { status: "failed", placed: self.ran, ..self }),
            "failed" if self.harmed && !job.error.is_empty() => {
                let ran = self.ran || job.error.contains("What was made is kept");
                Ok(Self { status: "failed", placed: ran, ran, ..self })
            }
            "succeeded" if self.fits(kind) => Ok(match kind {
                "stop" => Self { status: "stopped", ..self },
                "destroy" => Self { status: "terminated", placed: false, ran: false, ..self },
                _ => Self { status: "running", placed: true, ran: true, ..self },
            }),
            _ => Err(format!("{job:?} on a pod that is {self:?}")),
        }
    }
}

async fn happen(lane: &Lane, pods: &[String], worker: &mut Worker, event: &Event) {
    let db = &lane.db;
    match event {
        Event::Insert(pod, kind) => drop(db.job(&pods[*pod], kind).await),
        Event::Cancel(pod) => {
            let newest = format!(
                "SELECT cancel_pod_job(id) FROM pod_jobs WHERE pod_id = '{}' AND finished_at IS NULL
                 ORDER BY position DESC LIMIT 1",
                pods[*pod]
            );
            db.texts(&newest).await;
        }
        // Refused where the pod is not failed.
        Event::Requeue(pod) => drop(db.try_text(&format!("SELECT requeue_pod('{}')", pods[*pod])).await),
        Event::KillWorker => std::mem::replace(worker, lane.worker(&[]).await).kill(),
        Event::Break(pod, harm) => {
            let harm = harm.replace("NAME", &format!("pinacle-pod-{}", pods[*pod]));
            sh(&format!("{harm} >/dev/null 2>&1 || true"));
        }
    }
}

/// Lets a story happen and waits until all has come to rest; then compares.
async fn tell(story: &[(Event, Duration)]) -> Result<(), String> {
    let host = PodHost::in_lane().await;
    let lane = Lane::new(&host).await;
    let db = &lane.db;
    let mut worker = lane.worker(&[]).await;
    let mut pods = Vec::new();
    for number in 0..PODS {
        pods.push(db.pod(&format!("told-{number}"), &config()).await);
    }
    for (event, pause) in story {
        tokio::time::sleep(*pause).await;
        happen(&lane, &pods, &mut worker, event).await;
    }
    // What the last harm asks for is known once somebody has looked.
    eventually("a look at the host that finds nothing to do", async || {
        db.until(UNFINISHED).await;
        let looked = cli(db, &["reconcile"]);
        // The worker's own look may be under way, or have asked for something first.
        let calm = looked.status.success() && !String::from_utf8_lossy(&looked.stdout).contains("asked for");
        (calm && db.text(UNFINISHED).await == "true").then_some(())
    })
    .await;
    for (number, pod) in pods.iter().enumerate() {
        let harmed = story.iter().any(|(event, _)| matches!(event, Event::Break(harmed, _) if *harmed == number));
        compare(&lane, pod, harmed).await?;
    }
    for pod in &pods {
        db.done(pod, "destroy").await;
    }
    drop(worker);
    host.assert_as_before();
    Ok(())
}

async fn compare(lane: &Lane, pod: &str, harmed: bool) -> Result<(), String> {
    let rows = sqlx::query(
        "SELECT kind, status, started_at IS NOT NULL, coalesce(last_error, '') FROM pod_jobs WHERE pod_id = $1 ORDER BY position",
    )
    .bind(pod)
    .fetch_all(&lane.db.pool)
    .await
    .unwrap();
    let jobs: Vec<Job> = rows
        .iter()
        .map(|row| Job { kind: row.get(0), status: row.get(1), started: row.get(2), error: row.get(3) })
        .collect();
    let mut model = Model::new(harmed);
    for (number, job) in jobs.iter().enumerate() {
        let destroys = jobs[number + 1..].iter().filter(|later| later.kind == "destroy");
        let fate = |destroy: &Job| if destroy.started { Destroy::Ran } else { Destroy::Cancelled };
        let destroy = destroys.map(fate).next();
        model = model.after(job, destroy).map_err(|error| format!("{error}; jobs: {jobs:#?}"))?;
    }
    let status = lane.db.pod_status(pod).await;
    if status != model.status {
        return Err(format!("the pod is {status}, and by its jobs {}: {jobs:#?}", model.status));
    }
    let (extra, missing) = lane.amiss(pod).await;
    // What a failed pod keeps is its own affair; what was taken from one that was stopped, its next start makes anew.
    let missing = if harmed && status == "stopped" { Vec::new() } else { missing };
    if status != "failed" && !(extra.is_empty() && missing.is_empty()) {
        return Err(format!("a {status} pod has {extra:?} on the host, and lacks {missing:?}: {jobs:#?}"));
    }
    Ok(())
}

/// Tells this many stories. One that goes wrong is told again, shorter and shorter.
fn tell_stories(count: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = runner(count).run(&prop::collection::vec(event(), 4..16), |story| {
        runtime.block_on(tell(&story)).map_err(TestCaseError::fail)
    });
    assert!(told.is_ok(), "{}", told.unwrap_err());
}

#[test]
fn a_few_random_stories_end_as_the_model_says() {
    tell_stories(2);
}

#[test]
#[ignore = "takes the better part of an hour; make chaos runs it"]
fn many_random_stories_end_as_the_model_says() {
    tell_stories(40);
}
