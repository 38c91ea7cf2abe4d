//! A command that is no longer wanted is really ended: its children with it, what `docker exec` started in the pod, and
//! the row that the user sees.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker, eventually, host::sh};

const HOOK: &str = "sleep 11111 & (sleep 22222; echo never) & sleep 33333";
/// One that takes its leave.
const POLITE: &str = "trap 'sleep 2; echo farewell; exit' TERM; echo ready; sleep 44444 & wait";

async fn set_hook(db: &TestDb, hook: &str) {
    let config = json!({ "hooks": { "preStart": [hook] } });
    sqlx::query("UPDATE pods SET config = $1").bind(config).execute(&db.pool).await.unwrap();
}

/// A restart that is in the middle of [`HOOK`] when this returns.
async fn restart_up_to_the_hook(db: &TestDb, pod: &str) -> String {
    let job = db.job(pod, "restart").await;
    db.until(&format!("SELECT EXISTS (SELECT FROM pod_logs WHERE job_id = '{job}' AND container_command = '{HOOK}')"))
        .await;
    eventually("the hook's children", async || (sleepers(pod) == 3).then_some(())).await;
    job
}

/// How many of the hook's commands run in the pod.
fn sleepers(pod: &str) -> usize {
    sh(&format!("docker exec pinacle-pod-{pod} pgrep -c '^sleep$' || true")).parse().unwrap()
}

/// Nothing of the hook runs any more, in the pod or on the host, and its row says how it ended.
async fn assert_ended(db: &TestDb, pod: &str, job: &str) {
    assert_eq!(sleepers(pod), 0);
    assert_eq!(sh(&format!("pgrep -f 'docker exec.*[p]inacle-pod-{pod}' || true")), "");
    let row = db
        .text(&format!(
            "SELECT concat(exit_code, stderr) FROM pod_logs WHERE job_id = '{job}' AND container_command = '{HOOK}'"
        ))
        .await;
    assert!(row.starts_with("143") && row.contains("ended before it was done"), "{row}");
}

#[tokio::test]
async fn a_cancel_a_deadline_and_a_destroy_end_the_command_with_all_that_it_started() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let worker = Worker::start(&db).await;
    let pod = db.pod("ended", &json!({})).await;
    db.done(&pod, "create").await;
    set_hook(&db, HOOK).await;

    let job = restart_up_to_the_hook(&db, &pod).await;
    assert_eq!(db.text(&format!("SELECT cancel_pod_job('{job}')")).await, "true");
    assert_eq!(db.end_of(&job).await.status, "cancelled");
    assert_ended(&db, &pod, &job).await;

    set_hook(&db, POLITE).await;
    let job = db.job(&pod, "restart").await;
    let said = format!("SELECT stdout FROM pod_logs WHERE job_id = '{job}' AND label = '🪝 Running hook'");
    db.until(&format!("SELECT ({said}) = E'ready\\n'")).await;
    assert_eq!(db.text(&format!("SELECT cancel_pod_job('{job}')")).await, "true");
    assert_eq!(db.end_of(&job).await.status, "cancelled");
    assert_eq!(db.text(&said).await, "ready\nfarewell\n");
    set_hook(&db, HOOK).await;
    worker.stop().await;

    let worker = Worker::start_with(&db, &[("JOB_TIMEOUT", "40")]).await;
    let job = restart_up_to_the_hook(&db, &pod).await;
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "failed");
    assert!(end.last_error.contains("did not finish within the time a job may take"), "{}", end.last_error);
    assert_ended(&db, &pod, &job).await;
    worker.stop().await;

    let _worker = Worker::start(&db).await;
    let job = restart_up_to_the_hook(&db, &pod).await;
    db.done(&pod, "destroy").await;
    assert_eq!(db.end_of(&job).await.status, "cancelled");
    host.assert_as_before();
}
