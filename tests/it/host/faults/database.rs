//! PostgreSQL crashes, or ends the worker's sessions, in the middle of a job.

use serde_json::json;

use super::{assert_made_whole, runs};
use crate::support::{PodHost, Postgres, TestDb, Worker};

/// Installs that take a while each, so that a fault meets one of them.
const INSTALLS: [&str; 4] =
    ["sleep 2; echo one", "sleep 2; echo two", "sleep 2; echo three; echo 3 >>/workspace/runs", "sleep 2; echo four"];

/// A create whose first install runs when this returns.
async fn create(db: &TestDb, slug: &str) -> (String, String) {
    let pod = db.pod(slug, &json!({ "install": INSTALLS })).await;
    let job = db.job(&pod, "create").await;
    until_begun(db, &pod, INSTALLS[0]).await;
    (pod, job)
}

async fn until_begun(db: &TestDb, pod: &str, install: &str) {
    db.until(&format!(
        "SELECT EXISTS (SELECT FROM pod_logs WHERE pod_id = '{pod}' AND container_command = '{install}')"
    ))
    .await;
}

/// Each install has a row with its output and its exit code. One whose row could not be finished was run again.
async fn assert_recorded(db: &TestDb, pod: &str) {
    for (install, output) in INSTALLS.into_iter().zip(["one", "two", "three", "four"]) {
        let rows = runs(db, pod, install).await;
        assert_eq!(rows.iter().filter(|row| *row == "0").count(), 1, "{install}: {rows:?}");
        let recorded = format!(
            "SELECT (stdout, duration >= 2000) FROM pod_logs
             WHERE pod_id = '{pod}' AND container_command = '{install}' AND exit_code = 0"
        );
        assert_eq!(db.text(&recorded).await, format!("(\"{output}\n\",t)"));
    }
}

#[tokio::test]
async fn a_job_and_its_log_outlive_a_crash_of_the_database() {
    let (host, postgres) = (PodHost::in_lane().await, Postgres::start());
    let db = TestDb::on(&postgres).await;
    host.add_to(&db).await;
    let worker = Worker::start(&db).await;
    let (pod, job) = create(&db, "crashed").await;
    let waiting = db.pod("waiting", &json!({})).await;
    let line = [db.job(&waiting, "create").await, db.job(&waiting, "stop").await];
    postgres.crash_and_restart();
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    assert_recorded(&db, &pod).await;
    for job in line {
        let end = db.end_of(&job).await;
        assert_eq!(end.status, "succeeded", "{}", end.last_error);
    }
    // The same worker takes what comes later.
    db.done(&waiting, "destroy").await;
    assert_made_whole(&host, &db, &pod, &job, 1..=3).await;
    assert_eq!(worker.stop().await, Some(0));
}

#[tokio::test]
async fn a_job_and_its_log_outlive_the_ends_of_all_sessions_at_the_database() {
    let (host, postgres) = (PodHost::in_lane().await, Postgres::start());
    let db = TestDb::on(&postgres).await;
    host.add_to(&db).await;
    let worker = Worker::start(&db).await;
    let (pod, job) = create(&db, "sessions").await;
    for install in INSTALLS {
        until_begun(&db, &pod, install).await;
        db.text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .await;
    }
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    assert_recorded(&db, &pod).await;
    let next = db.pod("next", &json!({})).await;
    db.done(&next, "create").await;
    db.done(&next, "destroy").await;
    assert_made_whole(&host, &db, &pod, &job, 1..=4).await;
    assert_eq!(worker.stop().await, Some(0));
}
