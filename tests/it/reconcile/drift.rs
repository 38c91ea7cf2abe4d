//! What happens to a container is noticed while it happens.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker, host::sh};

#[tokio::test]
async fn a_container_that_dies_is_noticed_within_two_seconds_and_started() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let process =
        json!([{ "name": "web", "startCommand": "exec sleep 10000", "healthCheck": "pgrep -f 'sleep 10000'" }]);
    let pod = db.pod("dies", &json!({ "processes": process })).await;
    db.done(&pod, "create").await;
    let mut slowest = Duration::ZERO;
    // Docker starts it again by itself after the first; the processes that a job starts are what is missing then.
    for death in
        ["kill -9 $(docker inspect --format '{{.State.Pid}}'", "docker kill $(docker inspect --format '{{.Id}}'"]
    {
        sh(&format!("{death} pinacle-pod-{pod})"));
        let died = Instant::now();
        let asked = "SELECT count(*) > 0 FROM pod_jobs WHERE requested_by = 'reconcile' AND kind = 'start'
            AND created_at > now() - interval '20 seconds' AND status <> 'succeeded'";
        db.until(asked).await;
        slowest = slowest.max(died.elapsed());
        db.until("SELECT count(*) = 0 FROM pod_jobs WHERE status NOT IN ('succeeded', 'cancelled')").await;
        assert_eq!(db.pod_status(&pod).await, "running");
        sh(&format!("docker exec pinacle-pod-{pod} pgrep -f 'sleep 10000'"));
    }
    eprintln!("the slowest death was noticed after {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// What our own jobs do to a container is no drift.
#[tokio::test]
async fn a_stop_and_a_restart_are_no_drift() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let worker = Worker::start(&db).await;
    let pod = db.pod("calm", &json!({})).await;
    for kind in ["create", "restart", "stop", "start", "destroy"] {
        db.done(&pod, kind).await;
    }
    worker.stop().await;
    assert_eq!(db.text("SELECT count(*) FROM pod_jobs WHERE requested_by = 'reconcile'").await, "0");
    host.assert_as_before();
}

/// The container ends as often as it is started.
#[tokio::test]
async fn a_pod_that_dies_again_and_again_is_given_up() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("relapses", &json!({})).await;
    db.done(&pod, "create").await;
    db.execute(&format!(
        "INSERT INTO pod_jobs (pod_id, kind, status, requested_by)
         SELECT '{pod}', 'start', 'succeeded', 'reconcile' FROM generate_series(1, 5)"
    ))
    .await;
    sh(&format!("docker kill pinacle-pod-{pod}"));
    db.until(&format!("SELECT status = 'failed' FROM pods WHERE id = '{pod}'")).await;
    let error = db.text("SELECT last_error FROM pods").await;
    assert!(error.contains("its container ended (exit code 137)") && error.contains("a start did not help"), "{error}");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
