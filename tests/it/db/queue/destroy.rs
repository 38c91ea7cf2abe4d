//! `destroy` wins.

use pinacle_worker::{
    model::{JobStatus, PodStatus},
    store::{Portion, jobs, steps::Changes},
};
use sqlx::postgres::PgListener;

use super::{HOUR, claim, last_error, planned, pod, status};
use crate::support::{TestDb, Worker};

const CANCELLED: &str = "Cancelled: the pod is to be destroyed.";

#[tokio::test]
async fn a_destroy_cancels_what_waits_and_stops_what_runs() {
    let db = TestDb::new().await;
    let (a, b) = (pod(&db, "a").await, pod(&db, "b").await);
    let (create, stop) = (db.job(&a, "create").await, db.job(&a, "stop").await);
    let later = planned(&db, &a, "start", "1 hour").await;
    let of_b = db.job(&b, "create").await;
    let running = claim(&db, &a, "worker").await.unwrap();
    let mut cancels = PgListener::connect(&db.url()).await.unwrap();
    cancels.listen("pod_job_cancels").await.unwrap();

    let destroy = db.job(&a, "destroy").await;

    assert_eq!(cancels.recv().await.unwrap().payload(), create);
    let held = jobs::renew(&db.pool, "worker", std::slice::from_ref(&create)).await.unwrap();
    assert_eq!(held[0].cancel_reason.as_deref(), Some(CANCELLED));
    for job in [stop, later] {
        assert_eq!((status(&db, &job).await.as_str(), last_error(&db, &job).await.as_str()), ("cancelled", CANCELLED));
    }
    assert_eq!(status(&db, &of_b).await, "queued", "another pod's job");
    assert!(claim(&db, &a, "other").await.is_none(), "not before the running one has stopped");
    jobs::close(&db.pool, &running.fence(), JobStatus::Cancelled, CANCELLED).await.unwrap();
    assert_eq!(claim(&db, &a, "other").await.unwrap().job_id, destroy);
}

#[tokio::test]
async fn a_rolled_back_destroy_cancels_nothing() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let (create, stop) = (db.job(&pod, "create").await, db.job(&pod, "stop").await);
    claim(&db, &pod, "worker").await.unwrap();
    let mut tx = db.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO pod_jobs (pod_id, kind) VALUES ($1, 'destroy')")
        .bind(&pod)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(status(&db, &stop).await, "queued");
    let held = jobs::renew(&db.pool, "worker", std::slice::from_ref(&create)).await.unwrap();
    assert_eq!(held[0].cancel_reason, None);
}

/// It would cancel everything and then not destroy.
#[tokio::test]
async fn a_destroy_that_will_be_refused_cancels_nothing() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let (create, stop) = (db.job(&pod, "create").await, db.job(&pod, "stop").await);
    claim(&db, &pod, "worker").await.unwrap();
    let insert = r#"INSERT INTO pod_jobs (pod_id, kind, payload) VALUES ($1, 'destroy', '{"force": true}')"#;
    sqlx::query(insert).bind(&pod).execute(&db.pool).await.unwrap();
    jobs::preempt_for_due_destroys(&db.pool, &mut Portion::default()).await.unwrap();
    assert_eq!(status(&db, &stop).await, "queued");
    let held = jobs::renew(&db.pool, "worker", std::slice::from_ref(&create)).await.unwrap();
    assert_eq!(held[0].cancel_reason, None);
    assert!(!jobs::destroy_follows(&db.pool, &pod).await.unwrap());
    db.job(&pod, "destroy").await;
    assert!(jobs::destroy_follows(&db.pool, &pod).await.unwrap());
}

#[tokio::test]
async fn a_planned_destroy_goes_first_only_once_it_is_due() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let (create, stop) = (db.job(&pod, "create").await, db.job(&pod, "stop").await);
    let claimed = claim(&db, &pod, "worker").await.unwrap();
    jobs::retry(&db.pool, &claimed.fence(), HOUR, "the host is down").await.unwrap();
    let destroy = planned(&db, &pod, "destroy", "1 hour").await;
    jobs::preempt_for_due_destroys(&db.pool, &mut Portion::default()).await.unwrap();
    assert_eq!((status(&db, &create).await.as_str(), status(&db, &stop).await.as_str()), ("retrying", "queued"));

    db.execute("UPDATE pod_jobs SET run_at = now() WHERE kind = 'destroy'").await;
    assert!(claim(&db, &pod, "worker").await.is_none(), "the retry stands before it until the sweep has come");
    jobs::preempt_for_due_destroys(&db.pool, &mut Portion::default()).await.unwrap();

    assert_eq!((status(&db, &create).await.as_str(), status(&db, &stop).await.as_str()), ("cancelled", "cancelled"));
    assert_eq!(claim(&db, &pod, "worker").await.unwrap().job_id, destroy);
}

#[tokio::test]
async fn the_sweep_lets_a_due_destroy_pass_what_is_retried_for_long() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let create = db.job(&pod, "create").await;
    let claimed = claim(&db, &pod, "gone").await.unwrap();
    jobs::retry(&db.pool, &claimed.fence(), HOUR, "the host is down").await.unwrap();
    let _worker = Worker::start(&db).await;
    let destroy = planned(&db, &pod, "destroy", "1 second").await;
    assert_eq!(db.end_of(&destroy).await.status, "succeeded");
    assert_eq!(last_error(&db, &create).await, CANCELLED);
}

#[tokio::test]
async fn a_second_destroy_does_no_harm() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let first = db.job(&pod, "destroy").await;
    let running = claim(&db, &pod, "worker").await.unwrap();
    let second = db.job(&pod, "destroy").await;
    let held = jobs::renew(&db.pool, "worker", std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(held[0].cancel_reason, None, "the first goes on");
    jobs::succeed(&db.pool, &running.fence(), PodStatus::Terminated, &Changes::default()).await.unwrap();
    let destroyed_at = db.text("SELECT destroyed_at FROM pods").await;
    assert!(!destroyed_at.is_empty());

    let _worker = Worker::start(&db).await;
    assert_eq!(db.end_of(&second).await.status, "succeeded");
    assert_eq!(
        db.text("SELECT (status, destroyed_at = '?') FROM pods".replace('?', &destroyed_at).as_str()).await,
        "(terminated,t)"
    );
}

/// What comes after a destroy in the line is told so; what the pod held is free.
#[tokio::test]
async fn a_destroyed_pod_is_gone_for_all_but_its_row() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    let doomed = pod(&db, "shop").await;
    db.execute(&format!("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{doomed}', 'env', 'A', 'b')"))
        .await;
    db.execute(&format!("INSERT INTO pod_logs (pod_id, command) VALUES ('{doomed}', 'true')")).await;
    let mut tx = db.pool.begin().await.unwrap();
    for (id, kind) in [("1", "create"), ("2", "destroy"), ("3", "create")] {
        sqlx::query("INSERT INTO pod_jobs (id, pod_id, kind) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(&doomed)
            .bind(kind)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();

    let end = db.end_of("3").await;
    assert!(end.status == "failed" && end.last_error.contains("it was destroyed"), "{end:?}");
    assert_eq!((status(&db, "1").await.as_str(), status(&db, "2").await.as_str()), ("cancelled", "succeeded"));
    let row = db.text("SELECT (status, destroyed_at IS NOT NULL, server_id, proxy_port, last_error) FROM pods").await;
    assert_eq!(row, "(terminated,t,,,)");
    assert_eq!(db.text("SELECT count(*) FROM pod_secrets").await, "0");
    assert_eq!(db.text("SELECT count(*) FROM pod_logs").await, "1", "logs outlive the pod");
    pod(&db, "shop").await;
}
