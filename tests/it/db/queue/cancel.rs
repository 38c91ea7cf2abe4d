//! `cancel_pod_job`.

use pinacle_worker::{
    model::JobStatus,
    store::{jobs, steps::Changes},
};
use sqlx::postgres::PgListener;

use super::{HOUR, claim, last_error, pod, status};
use crate::support::{TestDb, Worker};

pub async fn cancel(db: &TestDb, job: &str) -> String {
    db.text(&format!("SELECT cancel_pod_job('{job}')")).await
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_the_next_is_called() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let (create, stop) = (db.job(&pod, "create").await, db.job(&pod, "stop").await);
    db.execute("DELETE FROM apalis.jobs").await;

    assert_eq!(cancel(&db, &create).await, "true");

    let row = db
        .text(&format!("SELECT (status, finished_at IS NOT NULL, last_error) FROM pod_jobs WHERE id = '{create}'"))
        .await;
    assert_eq!(row, r#"(cancelled,t,"Cancelled on request before it ran.")"#);
    assert_eq!(db.text("SELECT count(*) FROM apalis.jobs").await, "1");
    assert_eq!(claim(&db, &pod, "a").await.unwrap().job_id, stop);
    assert_eq!(db.pod_status(&pod).await, "pending");
}

#[tokio::test]
async fn a_running_job_is_told_to_stop() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "create").await;
    claim(&db, &pod, "worker").await.unwrap();
    let mut cancels = PgListener::connect(&db.url()).await.unwrap();
    cancels.listen("pod_job_cancels").await.unwrap();

    assert_eq!(cancel(&db, &job).await, "true");

    assert_eq!(cancels.recv().await.unwrap().payload(), job);
    assert_eq!(status(&db, &job).await, "running", "until its worker has stopped it");
    let held = jobs::renew(&db.pool, "worker", std::slice::from_ref(&job)).await.unwrap();
    assert_eq!(held[0].cancel_reason.as_deref(), Some("Cancelled on request."), "also where the notification was lost");
}

#[tokio::test]
async fn a_finished_job_stays_as_it_is() {
    let db = TestDb::new().await;
    for ended in ["succeeded", "failed", "cancelled"] {
        let pod = pod(&db, ended).await;
        let job = db.job(&pod, "create").await;
        db.execute(&format!("UPDATE pod_jobs SET status = '{ended}', last_error = 'before' WHERE id = '{job}'")).await;
        let before = db.text(&format!("SELECT j FROM pod_jobs j WHERE id = '{job}'")).await;
        assert_eq!(cancel(&db, &job).await, "false");
        assert_eq!(db.text(&format!("SELECT j FROM pod_jobs j WHERE id = '{job}'")).await, before);
    }
}

#[tokio::test]
async fn an_unknown_job_is_refused_in_words() {
    let db = TestDb::new().await;
    let error = db.try_text("SELECT cancel_pod_job('job_9')").await.unwrap_err().to_string();
    assert!(error.contains(r#"There is no job "job_9"."#), "{error}");
}

/// A job that waits for its next attempt has half of its work behind it: the pod must not stay in between for ever.
#[tokio::test]
async fn a_cancelled_retry_leaves_a_pod_that_can_be_requeued() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "create").await;
    let claimed = claim(&db, &pod, "a").await.unwrap();
    db.execute("UPDATE pods SET status = 'provisioning'").await;
    jobs::retry(&db.pool, &claimed.fence(), HOUR, "the host is down").await.unwrap();
    let _worker = Worker::start(&db).await;

    assert_eq!(cancel(&db, &job).await, "true");

    assert_eq!(db.end_of(&job).await.status, "cancelled");
    assert_eq!(db.pod_status(&pod).await, "failed");
    assert!(last_error(&db, &job).await.starts_with("Cancelled on request"));
    db.text(&format!("SELECT requeue_pod('{pod}')")).await;
}

/// A worker that died before it could obey: whoever takes the job up does.
#[tokio::test]
async fn a_cancel_outlives_the_worker_that_should_have_obeyed() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "create").await;
    claim(&db, &pod, "dead").await.unwrap();
    cancel(&db, &job).await;
    super::silence_all(&db).await;
    let _worker = Worker::start(&db).await;
    let end = db.end_of(&job).await;
    assert_eq!((end.status.as_str(), end.last_error.as_str()), ("cancelled", "Cancelled on request."));
    assert_eq!(db.pod_status(&pod).await, "failed");
}

/// The other jobs of the pod wait for the one that stops, and then run.
#[tokio::test]
async fn a_cancelled_job_does_not_hold_up_the_line() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let (create, stop) = (db.job(&pod, "create").await, db.job(&pod, "stop").await);
    let claimed = claim(&db, &pod, "a").await.unwrap();
    cancel(&db, &create).await;
    assert!(claim(&db, &pod, "b").await.is_none());
    jobs::fail(&db.pool, &claimed.fence(), JobStatus::Cancelled, "Cancelled on request.", &Changes::default())
        .await
        .unwrap();
    assert_eq!(claim(&db, &pod, "b").await.unwrap().job_id, stop);
}
