//! Database and host are brought together again, whichever of them somebody has changed.

mod drift;
mod orphans;

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{PodHost, TestDb, Worker, host::sh, worker::cli};

/// Runs `reconcile`, and returns what it says as JSON, and whether all was done.
fn reconcile(db: &TestDb, args: &[&str]) -> (Vec<Value>, bool) {
    let Output { status, stdout, stderr } = cli(db, &[&["reconcile", "--json"], args].concat());
    let said = String::from_utf8_lossy(&stdout).into_owned();
    let reports: Vec<Value> =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&stderr)));
    (reports, status.success())
}

/// What was found on the only server, without what other tests leave there at the same time.
fn findings(db: &TestDb, args: &[&str]) -> Vec<String> {
    let (reports, done) = reconcile(db, args);
    assert!(done, "{reports:#?}");
    let findings = reports[0]["findings"].as_array().unwrap().clone();
    let sentence = |finding: &Value| ["subject", "what", "done"].map(|key| finding[key].as_str().unwrap()).join("; ");
    findings.iter().map(sentence).filter(|finding| !finding.contains("host-test-")).collect()
}

/// A running pod, whose worker has gone again.
async fn running_pod(db: &TestDb, slug: &str) -> String {
    let worker = Worker::start(db).await;
    let pod = db.pod(slug, &json!({ "install": "touch /root/installed" })).await;
    db.done(&pod, "create").await;
    worker.stop().await;
    pod
}

#[tokio::test]
async fn a_pod_that_should_run_is_started_and_one_that_should_not_is_stopped() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let pod = running_pod(&db, "host-reboot").await;
    assert_eq!(findings(&db, &[]), [""; 0]);

    let start = "SELECT concat(kind, requested_by) FROM pod_jobs WHERE status = 'queued'";
    for (change, expected) in [
        (format!("docker stop pinacle-pod-{pod}"), "its container is exited"),
        (format!("docker restart pinacle-pod-{pod}"), "its processes were not"),
        (format!("docker rm -f pinacle-pod-{pod}"), "its container is missing"),
        (format!("docker rm -f pinacle-pod-{pod} && docker network rm pinacle-pod-{pod}"), "its container is missing"),
        (format!("docker stop pinacle-pod-{pod} && docker network rm pinacle-pod-{pod}"), "its network is missing"),
    ] {
        sh(&change);
        let looked = findings(&db, &["--dry-run"]);
        assert!(looked.len() == 1 && looked[0].contains(expected), "{change}: {looked:?}");
        assert_eq!(db.texts(start).await, [""; 0], "a dry run changes nothing");
        findings(&db, &[]);
        assert_eq!(db.texts(start).await, ["startreconcile"], "{change}");
        assert_eq!(findings(&db, &[]), [""; 0], "what a job is for is left to the job");
        let worker = Worker::start(&db).await;
        db.until("SELECT count(*) = 0 FROM pod_jobs WHERE status <> 'succeeded'").await;
        worker.stop().await;
        assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} ls /root/installed")), "/root/installed", "{change}");
        assert_eq!(findings(&db, &[]), [""; 0]);
        db.execute("UPDATE pod_jobs SET created_at = created_at - interval '1 hour'").await;
    }

    let worker = Worker::start(&db).await;
    db.done(&pod, "stop").await;
    worker.stop().await;
    sh(&format!("docker start pinacle-pod-{pod}"));
    assert!(findings(&db, &[])[0].contains("asked for a stop"));
    let _worker = Worker::start(&db).await;
    db.until("SELECT count(*) = 0 FROM pod_jobs WHERE status <> 'succeeded'").await;
    assert_eq!(db.pod_status(&pod).await, "stopped");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn what_would_lose_something_is_said_and_a_requeue_makes_the_pod_anew() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let pod = running_pod(&db, "lost-volume").await;
    sh(&format!("docker rm -f pinacle-pod-{pod} && docker volume rm pinacle-pod-{pod}"));
    findings(&db, &[]);
    assert_eq!(db.pod_status(&pod).await, "failed");
    let error = db.text("SELECT last_error FROM pods").await;
    assert!(error.contains("its volume is gone") && error.contains("Requeue"), "{error}");
    let _worker = Worker::start(&db).await;
    let again = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    assert_eq!(db.end_of(&again).await.status, "succeeded");
    assert_eq!(db.pod_status(&pod).await, "running");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// No job of these pods is left that could end their state.
#[tokio::test]
async fn no_state_is_left_that_only_a_person_at_the_database_could_end() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    for state in ["provisioning", "starting", "stopping", "terminating"] {
        let pod = db.pod(state, &json!({})).await;
        db.execute(&format!("UPDATE pods SET status = '{state}', server_id = '{server}' WHERE id = '{pod}'")).await;
    }
    assert_eq!(findings(&db, &[]).len(), 4);
    let _worker = Worker::start(&db).await;
    db.until("SELECT count(*) = 1 FROM pods WHERE status = 'terminated'").await;
    let errors = db.texts("SELECT DISTINCT last_error FROM pods WHERE status = 'failed'").await;
    assert_eq!(errors, ["its last job was given up on the way. Requeue the pod, or destroy it"]);
    assert_eq!(db.text("SELECT count(*) FROM pods WHERE status = 'failed'").await, "3");
    for pod in db.texts("SELECT id FROM pods WHERE status = 'failed'").await {
        db.done(&pod, "destroy").await;
    }
    host.assert_as_before();
}

/// A database that was put back to an earlier state hands out leases that the host has seen already.
#[tokio::test]
async fn a_lease_that_was_put_back_does_not_lock_the_pod_out() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let pod = running_pod(&db, "restored").await;
    db.execute("UPDATE pods SET lease = lease - 1").await;
    db.execute("UPDATE pods SET lease = 0").await;
    sh(&format!("printf '%-40s\\n' '50 1' >/var/lib/pinacle-worker/fences/{pod}"));
    assert!(findings(&db, &[])[0].contains("the host has seen lease 50"));
    assert_eq!(db.text("SELECT lease FROM pods").await, "50");
    let _worker = Worker::start(&db).await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
