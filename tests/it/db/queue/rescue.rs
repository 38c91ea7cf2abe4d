//! What becomes of the jobs of a worker that died, hung, or was told to stop.

use pinacle_worker::{model::JobStatus, store::jobs};

use super::{SILENCE, begin_step, claim, end_step, last_error, pod, silence_all, status};
use crate::support::{TestDb, Worker};

#[tokio::test]
async fn only_silent_and_overdue_jobs_are_taken_back_and_only_once() {
    let db = TestDb::new().await;
    let mut job = std::collections::BTreeMap::new();
    for slug in ["silent", "overdue", "living"] {
        let pod = pod(&db, slug).await;
        job.insert(slug, db.job(&pod, "create").await);
        claim(&db, &pod, slug).await.unwrap();
    }
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 0);
    db.execute("UPDATE pod_jobs SET heartbeat_at = now() - interval '16 seconds' WHERE worker = 'silent'").await;
    db.execute("UPDATE pod_jobs SET deadline_at = now() - interval '16 seconds' WHERE worker = 'overdue'").await;
    db.execute("UPDATE pod_jobs SET heartbeat_at = now() - interval '5 seconds' WHERE worker = 'living'").await;

    let both = tokio::join!(jobs::rescue(&db.pool, SILENCE, SILENCE), jobs::rescue(&db.pool, SILENCE, SILENCE));

    assert_eq!(both.0.unwrap() + both.1.unwrap(), 2);
    assert_eq!(status(&db, &job["silent"]).await, "retrying");
    assert_eq!(status(&db, &job["overdue"]).await, "retrying");
    assert_eq!(status(&db, &job["living"]).await, "running");
    assert!(last_error(&db, &job["silent"]).await.contains("stopped answering"));
    assert_eq!(db.texts("SELECT lease FROM pods ORDER BY slug").await, ["1", "2", "2"], "living, overdue, silent");
}

#[tokio::test]
async fn the_step_that_a_dead_worker_was_at_does_not_run_for_ever() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "create").await;
    let claimed = claim(&db, &pod, "gone").await.unwrap();
    begin_step(&db.pool, &claimed.fence(), 0, "place").await.unwrap();
    end_step(&db.pool, &claimed.fence(), 0, "place").await.unwrap();
    begin_step(&db.pool, &claimed.fence(), 1, "port").await.unwrap();
    silence_all(&db).await;
    jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap();

    let rows = "SELECT (name, status, finished_at IS NOT NULL, error) FROM pod_job_steps ORDER BY position";
    let why = last_error(&db, &job).await;
    assert_eq!(db.texts(rows).await, ["(place,succeeded,t,)".to_owned(), format!("(port,failed,t,\"{why}\")")]);
    let claimed = claim(&db, &pod, "next").await.unwrap();
    begin_step(&db.pool, &claimed.fence(), 1, "port").await.unwrap();
    assert_eq!(db.texts(rows).await.last().unwrap(), "(port,running,f,)");
}

#[tokio::test]
async fn a_heartbeat_renews_what_is_still_held_and_hears_of_a_cancel() {
    let db = TestDb::new().await;
    let (a, b) = (pod(&db, "a").await, pod(&db, "b").await);
    let (of_a, of_b) = (db.job(&a, "create").await, db.job(&b, "create").await);
    claim(&db, &a, "worker").await.unwrap();
    let lost = claim(&db, &b, "worker").await.unwrap();
    let ids = [of_a.clone(), of_b.clone()];
    assert_eq!(jobs::renew(&db.pool, "worker", &ids).await.unwrap().len(), 2);
    assert_eq!(jobs::renew(&db.pool, "somebody else", &ids).await.unwrap().len(), 0);

    silence_all(&db).await;
    jobs::renew(&db.pool, "worker", std::slice::from_ref(&of_a)).await.unwrap();
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 1, "the one that was not renewed");
    claim(&db, &b, "other").await.unwrap();
    jobs::cancel(&db.pool, &of_a).await.unwrap();
    let held = jobs::renew(&db.pool, "worker", &ids).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(
        (held[0].job_id.as_str(), held[0].cancel_reason.as_deref()),
        (of_a.as_str(), Some("Cancelled on request."))
    );
    assert!(lost.lease < db.text(&format!("SELECT lease FROM pods WHERE id = '{b}'")).await.parse().unwrap());
}

/// The worker that runs it lives: its job counts as held while the row is locked, and afterwards, until it is renewed.
#[tokio::test]
async fn a_job_whose_row_is_locked_is_not_taken_from_a_living_worker() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "create").await;
    claim(&db, &pod, "worker").await.unwrap();
    silence_all(&db).await;
    let mut tx = db.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM pod_jobs FOR UPDATE").execute(&mut *tx).await.unwrap();
    let renew = async || jobs::renew(&db.pool, "worker", std::slice::from_ref(&job)).await.unwrap().len();
    assert_eq!(renew().await, 1);
    tx.commit().await.unwrap();
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 0, "it was heard of beside its row");

    db.execute("UPDATE pod_job_heartbeats SET heartbeat_at = now() - interval '16 seconds'").await;
    assert_eq!(renew().await, 1);
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 0, "it was renewed");
    silence_all(&db).await;
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 1);
    assert_eq!(jobs::forget_old_heartbeats(&db.pool).await.unwrap(), 0);
    db.execute("UPDATE pod_job_heartbeats SET heartbeat_at = now() - interval '2 hours'").await;
    assert_eq!(jobs::forget_old_heartbeats(&db.pool).await.unwrap(), 1);
}

#[tokio::test]
async fn a_job_that_is_handed_back_burns_no_attempt_and_keeps_its_place() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let (create, stop) = (db.job(&pod, "create").await, db.job(&pod, "stop").await);
    for _ in 0..7 {
        let claimed = claim(&db, &pod, "a").await.unwrap();
        assert_eq!((claimed.job_id.as_str(), claimed.attempt), (create.as_str(), 1));
        db.execute("DELETE FROM apalis.jobs").await;
        jobs::release(&db.pool, &claimed.fence()).await.unwrap();
        assert_eq!(db.text("SELECT count(*) FROM apalis.jobs").await, "1", "others are called at once");
    }
    let claimed = claim(&db, &pod, "a").await.unwrap();
    jobs::close(&db.pool, &claimed.fence(), JobStatus::Succeeded, "").await.unwrap();
    assert_eq!(claim(&db, &pod, "a").await.unwrap().job_id, stop);
}

#[tokio::test]
async fn a_living_worker_takes_up_what_a_dead_one_left() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "destroy").await;
    claim(&db, &pod, "dead").await.unwrap();
    silence_all(&db).await;
    let _worker = Worker::start(&db).await;
    let end = db.end_of(&job).await;
    assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 2));
    assert_eq!(db.pod_status(&pod).await, "terminated");
}

/// A job that takes its workers down with it must not do so for ever.
#[tokio::test]
async fn a_job_whose_workers_keep_dying_fails_in_the_end() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db.job(&pod, "create").await;
    for _ in 0..5 {
        claim(&db, &pod, "dead").await.unwrap();
        silence_all(&db).await;
        assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 1);
    }
    let _worker = Worker::start(&db).await;
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "failed");
    assert!(end.last_error.contains("the workers that ran this job stopped one after the other"), "{}", end.last_error);
    assert_eq!(db.pod_status(&pod).await, "failed");
}
