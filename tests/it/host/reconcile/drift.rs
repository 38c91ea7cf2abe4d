//! What happens to a container is noticed while it happens.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker, host::sh};

/// Seconds. The hosts are looked at every five minutes: what is noticed much earlier, an event has told.
const BEFORE_THE_NEXT_LOOK: f64 = 60.0;

#[tokio::test]
async fn a_container_that_dies_is_noticed_at_once_and_started() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let process =
        json!([{ "name": "web", "startCommand": "exec sleep 10000", "healthCheck": "pgrep -f '[s]leep 10000'" }]);
    let pod = db.pod("dies", &json!({ "processes": process })).await;
    db.done(&pod, "create").await;
    // Docker starts it again by itself after the first; the processes that a job starts are what is missing then.
    for death in
        ["kill -9 $(docker inspect --format '{{.State.Pid}}'", "docker kill $(docker inspect --format '{{.Id}}'"]
    {
        let before = db.text("SELECT clock_timestamp()").await;
        sh(&format!("{death} pinacle-pod-{pod})"));
        let asked =
            format!("FROM pod_jobs WHERE requested_by = 'reconcile' AND kind = 'start' AND created_at > '{before}'");
        db.until(&format!("SELECT count(*) > 0 {asked}")).await;
        let seconds = db.text(&format!("SELECT extract(epoch FROM min(created_at) - '{before}') {asked}")).await;
        eprintln!("{death} …): noticed {seconds} s after it was ordered");
        assert!(seconds.parse::<f64>().unwrap() < BEFORE_THE_NEXT_LOOK, "{seconds} s");
        db.until("SELECT count(*) = 0 FROM pod_jobs WHERE status NOT IN ('succeeded', 'cancelled')").await;
        assert_eq!(db.pod_status(&pod).await, "running");
        sh(&format!("docker exec pinacle-pod-{pod} pgrep -f 'sleep 10000'"));
    }
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// What our own jobs do to a container is no drift.
#[tokio::test]
async fn a_stop_and_a_restart_are_no_drift() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
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
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("relapses", &json!({})).await;
    db.done(&pod, "create").await;
    db.forge(&format!(
        "INSERT INTO pod_jobs (pod_id, kind, status, requested_by, position)
         SELECT '{pod}', 'start', 'succeeded', 'reconcile', nextval('pod_jobs_position') FROM generate_series(1, 5)"
    ))
    .await;
    sh(&format!("docker kill pinacle-pod-{pod}"));
    db.until(&format!("SELECT status = 'failed' FROM pods WHERE id = '{pod}'")).await;
    let error = db.text("SELECT last_error FROM pods").await;
    assert!(error.contains("its container ended (exit code 137)") && error.contains("a start did not help"), "{error}");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
