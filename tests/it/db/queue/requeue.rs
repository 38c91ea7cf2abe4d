//! `requeue_pod` and `requeue_failed_pods`: the admin's button.

use pinacle_worker::{
    model::{JobStatus, PodStatus},
    store::{jobs, steps::Changes},
};

use super::{claim, pod, status};
use crate::support::TestDb;

/// A pod whose job of this kind has failed.
async fn failed(db: &TestDb, slug: &str, kind: &str) -> String {
    let pod = pod(db, slug).await;
    db.execute(&format!("INSERT INTO pod_jobs (pod_id, kind, priority) VALUES ('{pod}', '{kind}', 3)")).await;
    let claimed = claim(db, &pod, "a").await.unwrap();
    jobs::fail(&db.pool, &claimed.fence(), JobStatus::Failed, "the host is on fire", &Changes::default())
        .await
        .unwrap();
    pod
}

#[tokio::test]
async fn a_failed_pod_gets_its_last_failed_kind_again() {
    let db = TestDb::new().await;
    let pod = failed(&db, "a", "restart").await;
    let job = db.text(&format!("SELECT requeue_pod('{pod}', 'ann')")).await;
    let row = db
        .text(&format!(
            "SELECT (pod_id = '{pod}', kind, status, attempt, priority, requested_by) FROM pod_jobs WHERE id = '{job}'"
        ))
        .await;
    assert_eq!(row, "(t,restart,queued,0,3,ann)");
    assert_eq!(db.text(&format!("SELECT requeue_pod('{pod}')")).await, job, "a double click is one job");
    assert_eq!(db.text("SELECT count(*) FROM pod_jobs").await, "2");
}

/// A job that merely didn't fit did not make the pod `failed`: the one that did is run again.
#[tokio::test]
async fn what_made_the_pod_fail_is_what_is_run_again() {
    let db = TestDb::new().await;
    let pod = failed(&db, "a", "create").await;
    db.job(&pod, "stop").await;
    let claimed = claim(&db, &pod, "a").await.unwrap();
    jobs::close(&db.pool, &claimed.fence(), JobStatus::Failed, "nothing to stop").await.unwrap();
    let job = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    assert_eq!(db.text(&format!("SELECT kind FROM pod_jobs WHERE id = '{job}'")).await, "create");
}

#[tokio::test]
async fn any_other_state_is_refused_with_its_name() {
    let db = TestDb::new().await;
    let pod = failed(&db, "a", "create").await;
    for state in ["pending", "provisioning", "starting", "running", "stopping", "stopped", "terminating", "terminated"]
    {
        db.execute(&format!("UPDATE pods SET status = '{state}'")).await;
        let error = db.try_text(&format!("SELECT requeue_pod('{pod}')")).await.unwrap_err().to_string();
        assert!(error.contains(&format!(r#"Pod "{pod}" is {state}; only a failed pod can be requeued."#)), "{error}");
    }
    let error = db.try_text("SELECT requeue_pod('pod_9')").await.unwrap_err().to_string();
    assert!(error.contains(r#"There is no pod "pod_9"."#), "{error}");
    assert_eq!(db.text("SELECT count(*) FROM pod_jobs").await, "1");
}

/// The reconciliation found that something of it is lost: a create makes what is missing.
#[tokio::test]
async fn a_failed_pod_without_a_failed_job_gets_a_create() {
    let db = TestDb::new().await;
    let pod = failed(&db, "a", "stop").await;
    let again = db.job(&pod, "start").await;
    let claimed = claim(&db, &pod, "a").await.unwrap();
    jobs::succeed(&db.pool, &claimed.fence(), PodStatus::Running, &Changes::default()).await.unwrap();
    assert_eq!(status(&db, &again).await, "succeeded");
    db.execute("UPDATE pods SET status = 'failed'").await;
    let job = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    let kind = db.text(&format!("SELECT kind FROM pod_jobs WHERE id = '{job}'")).await;
    assert_eq!(kind, "create", "the stop that failed before the start succeeded is not why");
}

#[tokio::test]
async fn all_failed_pods_are_requeued_and_counted() {
    let db = TestDb::new().await;
    let (a, b) = (failed(&db, "a", "create").await, failed(&db, "b", "restart").await);
    let healthy = failed(&db, "c", "create").await;
    db.execute(&format!("UPDATE pods SET status = 'running' WHERE id = '{healthy}'")).await;
    let without = pod(&db, "d").await;
    db.execute(&format!("UPDATE pods SET status = 'failed' WHERE id = '{without}'")).await;

    assert_eq!(db.text("SELECT requeue_failed_pods()").await, "3");
    let mut queued = db.texts("SELECT concat_ws(' ', pod_id, kind) FROM pod_jobs WHERE status = 'queued'").await;
    queued.sort();
    let mut expected = [format!("{a} create"), format!("{b} restart"), format!("{without} create")];
    expected.sort();
    assert_eq!(queued, expected);
}

/// A cancelled create made the pod `failed`, so it can be taken up again.
#[tokio::test]
async fn a_cancelled_job_can_be_requeued() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let cancelled = db.job(&pod, "create").await;
    let claimed = claim(&db, &pod, "a").await.unwrap();
    jobs::fail(&db.pool, &claimed.fence(), JobStatus::Cancelled, "Cancelled on request.", &Changes::default())
        .await
        .unwrap();
    assert_eq!(status(&db, &cancelled).await, "cancelled");
    let job = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    assert_eq!(db.text(&format!("SELECT kind FROM pod_jobs WHERE id = '{job}'")).await, "create");
}
