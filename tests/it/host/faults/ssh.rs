//! The connection to a pod host is cut, or nobody answers there for a while.

use std::time::Duration;

use serde_json::json;

use super::{assert_cut_and_run_again, assert_made_whole, hanging_create, runs, until_retrying};
use crate::{
    host::sshd::Sshd,
    support::{PodHost, TestDb, Worker, eventually},
};

/// How long the host is away: longer than all but the last of a job's pauses.
const ABSENCE: Duration = Duration::from_secs(30);

/// The stack's pod host, reached over an sshd that is the test's own.
async fn begin() -> (PodHost, TestDb, Sshd) {
    let (host, db, sshd) = (PodHost::in_lane().await, TestDb::new().await, Sshd::start(&Sshd::with_docker()).await);
    sshd.add_to(&db, "root").await;
    host.is_of(&db).await;
    (host, db, sshd)
}

#[tokio::test]
async fn a_command_whose_connection_is_cut_is_run_again_and_only_once_at_a_time() {
    let (host, db, sshd) = begin().await;
    let _worker = Worker::start(&db).await;
    let (pod, job) = hanging_create(&db, "cut").await;
    sshd.cut_and_seen().await;
    let error = until_retrying(&db, &job).await;
    assert!(error.contains("the connection to the host was lost"), "{error}");
    assert_eq!(db.end_of(&job).await.status, "succeeded");
    assert_cut_and_run_again(&db, &pod, "[the command was cut off: the connection to the host was lost]").await;
    assert_made_whole(&host, &db, &pod, &job, 2..=2).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_between_two_commands_is_not_even_noticed() {
    let (host, db, sshd) = begin().await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("between", &json!({ "install": ["echo one", "echo two"] })).await;
    let job = db.job(&pod, "create").await;
    db.until(&format!("SELECT step = 'container' FROM pod_jobs WHERE id = '{job}'")).await;
    // The worker's next step begins with a row here, and no command runs until that is written.
    let mut steps = db.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE pod_job_steps IN EXCLUSIVE MODE").execute(&mut *steps).await.unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE c.relname = 'pod_job_steps' AND NOT l.granted)";
    eventually("a worker between two commands", async || (db.text(waits).await == "true").then_some(())).await;
    assert_eq!(db.text("SELECT count(*) FROM pod_logs WHERE exit_code IS NULL").await, "0");
    sshd.cut_and_seen().await;
    steps.rollback().await.unwrap();
    assert_eq!(db.end_of(&job).await.status, "succeeded");
    assert_eq!(db.text("SELECT count(*) FROM pod_logs WHERE exit_code = 255").await, "0");
    assert_eq!(
        (runs(&db, &pod, "echo one").await, runs(&db, &pod, "echo two").await),
        (vec!["0".into()], vec!["0".into()])
    );
    assert_made_whole(&host, &db, &pod, &job, 1..=1).await;
}

#[tokio::test]
async fn a_host_that_is_away_for_half_a_minute_costs_attempts_and_not_the_job() {
    let (host, db, mut sshd) = begin().await;
    let _worker = Worker::start(&db).await;
    let (pod, job) = hanging_create(&db, "away").await;
    sshd.stop();
    let back = tokio::time::Instant::now() + ABSENCE;
    until_retrying(&db, &job).await;
    db.until(&format!(
        "SELECT status = 'retrying' AND last_error LIKE '%cannot be reached: Connection refused%'
         FROM pod_jobs WHERE id = '{job}'"
    ))
    .await;
    assert_eq!(db.pod_status(&pod).await, "provisioning", "nobody has given it up");
    tokio::time::sleep_until(back).await;
    assert_eq!(db.text(&format!("SELECT status = 'failed' FROM pod_jobs WHERE id = '{job}'")).await, "false");
    sshd.listen().await;
    assert_eq!(db.end_of(&job).await.status, "succeeded");
    assert_cut_and_run_again(&db, &pod, "the connection to the host was lost").await;
    assert_made_whole(&host, &db, &pod, &job, 3..=5).await;
}
