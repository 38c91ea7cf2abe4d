//! Workers that die, stop, freeze or are told to let go in the middle of a job.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker, eventually,
    host::{inventory, sh},
};

/// A create that is in the middle of `step` when this returns.
async fn create_up_to(db: &TestDb, pod: &str, step: &str) -> String {
    let job = db.job(pod, "create").await;
    db.until(&format!("SELECT step = '{step}' FROM pod_jobs WHERE id = '{job}'")).await;
    job
}

#[tokio::test]
async fn a_create_whose_worker_was_killed_is_finished_by_the_next_one() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    for (number, step) in ["network", "container", "start", "install"].into_iter().enumerate() {
        let worker = Worker::start(&db).await;
        let pod = db.pod(&format!("crash-{number}"), &json!({ "install": ["sleep 2", "echo installed"] })).await;
        let job = create_up_to(&db, &pod, step).await;
        worker.kill();
        let next = Worker::start(&db).await;
        let end = db.end_of(&job).await;
        assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 2), "{step}: {}", end.last_error);
        assert_eq!(db.pod_status(&pod).await, "running");
        let mine = inventory().into_iter().filter(|line| line.contains(&pod)).count();
        assert_eq!(mine, 5, "one container, one network, two volumes, one fence: {:?}", inventory());
        let open = db.text("SELECT count(*) FROM pod_logs WHERE exit_code IS NULL").await;
        assert_eq!(open, "0", "no row may wait for a dead command");
        db.done(&pod, "destroy").await;
        drop(next);
        host.assert_as_before();
    }
}

#[tokio::test]
async fn a_frozen_worker_that_comes_back_writes_nothing_and_runs_nothing() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let zombie = Worker::start(&db).await;
    let install = "echo begun >> /workspace/runs; sleep 40; echo ended >> /workspace/runs";
    let pod = db.pod("frozen", &json!({ "install": install })).await;
    let job = create_up_to(&db, &pod, "install").await;
    db.until("SELECT count(*) = 1 FROM pod_logs WHERE container_command LIKE 'echo begun%'").await;
    zombie.signal("-STOP");
    let zombie_name = db.text(&format!("SELECT worker FROM pod_jobs WHERE id = '{job}'")).await;
    let heir = Worker::start(&db).await;
    db.until(&format!("SELECT worker <> '{zombie_name}' AND status = 'running' FROM pod_jobs WHERE id = '{job}'"))
        .await;
    zombie.signal("-CONT");
    assert_eq!(db.end_of(&job).await.status, "succeeded");
    db.until("SELECT count(*) = 0 FROM pod_logs WHERE exit_code IS NULL").await;
    let runs = sh(&format!("docker exec pinacle-pod-{pod} cat /workspace/runs"));
    assert!(runs.ends_with("begun\nended") && runs.matches("ended").count() == 1, "the old run was ended: {runs}");
    let log = zombie.log();
    assert!(log.contains("fenced") || log.contains("stops what it runs"), "{log}");
    db.done(&pod, "destroy").await;
    drop((zombie, heir));
    host.assert_as_before();
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_hands_its_job_back() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let worker = Worker::start_with(&db, &[("DRAIN_TIMEOUT", "2")]).await;
    let pod = db.pod("handed-back", &json!({ "install": ["sleep 8; echo long"] })).await;
    let job = create_up_to(&db, &pod, "install").await;
    assert_eq!(worker.stop().await, Some(0));
    let left = db.text(&format!("SELECT concat(status, attempt) FROM pod_jobs WHERE id = '{job}'")).await;
    assert_eq!(left, "retrying0", "no attempt is burnt");
    let _next = Worker::start(&db).await;
    let end = db.end_of(&job).await;
    assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 1), "{}", end.last_error);
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_destroy_ends_the_running_install_and_leaves_nothing() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("preempted", &json!({ "install": "sleep 1000" })).await;
    let create = create_up_to(&db, &pod, "install").await;
    let waiting = db.job(&pod, "restart").await;
    db.until("SELECT count(*) = 1 FROM pod_logs WHERE container_command = 'sleep 1000'").await;
    let destroy = db.job(&pod, "destroy").await;
    assert_eq!(db.end_of(&waiting).await.status, "cancelled");
    assert_eq!(db.end_of(&create).await.status, "cancelled");
    assert_eq!(db.end_of(&destroy).await.status, "succeeded");
    assert_eq!(db.pod_status(&pod).await, "terminated");
    let row = "SELECT concat(exit_code, stderr) FROM pod_logs WHERE container_command = 'sleep 1000'";
    assert!(db.text(row).await.contains("ended before it was done"), "{}", db.text(row).await);
    host.assert_as_before();
}

#[tokio::test]
async fn a_cancelled_create_is_undone_and_can_be_requeued() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("cancelled", &json!({ "install": "sleep 1000" })).await;
    let create = create_up_to(&db, &pod, "install").await;
    assert_eq!(db.text(&format!("SELECT cancel_pod_job('{create}')")).await, "true");
    let end = db.end_of(&create).await;
    assert_eq!((end.status.as_str(), end.last_error.as_str()), ("cancelled", "Cancelled on request."));
    assert_eq!(db.pod_status(&pod).await, "failed");
    host.assert_as_before();

    db.execute(&format!("UPDATE pods SET config = '{{}}' WHERE id = '{pod}'")).await;
    let requeued = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    assert_eq!(db.end_of(&requeued).await.status, "succeeded");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let worker = Worker::start(&db).await;
    let pod = db.pod("at-once", &json!({ "install": ["sleep 8; echo long"] })).await;
    let job = create_up_to(&db, &pod, "install").await;
    worker.signal("-TERM");
    eventually("a worker that drains", async || worker.log().contains("Stopping:").then_some(())).await;
    worker.signal("-TERM");
    assert_eq!(worker.stopped().await, Some(1));
    let left = db.text(&format!("SELECT concat(status, attempt) FROM pod_jobs WHERE id = '{job}'")).await;
    assert_eq!(left, "running1", "nothing was handed back");
    let _next = Worker::start(&db).await;
    let end = db.end_of(&job).await;
    assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 2), "{}", end.last_error);
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
