//! A pod's jobs run in the order of their insertion.

use pinacle_worker::{model::JobStatus, store::jobs};

use super::{HOUR, SOMEBODY_WAITS, claim, planned, pod, status};
use crate::support::{TestDb, Worker};

#[tokio::test]
async fn jobs_of_a_pod_go_in_the_order_of_insertion() {
    let db = TestDb::new().await;
    let (a, b) = (pod(&db, "a").await, pod(&db, "b").await);
    // One moment for all, ids in the wrong order, and a priority that must not overtake within the line.
    let mut tx = db.pool.begin().await.unwrap();
    for (id, kind, priority) in [("9", "create", 0), ("5", "stop", 10), ("1", "start", 99)] {
        sqlx::query("INSERT INTO pod_jobs (id, pod_id, kind, priority) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(&a)
            .bind(kind)
            .bind(priority)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let of_b = db.job(&b, "create").await;

    for id in ["9", "5", "1"] {
        let claimed = claim(&db, &a, "a").await.unwrap();
        assert_eq!(claimed.job_id, id);
        assert!(claim(&db, &a, "b").await.is_none(), "one at a time");
        jobs::close(&db.pool, &claimed.fence(), JobStatus::Succeeded, "").await.unwrap();
    }
    assert!(claim(&db, &a, "a").await.is_none());
    assert_eq!(claim(&db, &b, "b").await.unwrap().job_id, of_b);
}

#[tokio::test]
async fn two_transactions_enter_the_line_in_the_order_of_their_commits() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let mut first = db.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO pod_jobs (id, pod_id, kind) VALUES ('first', $1, 'create')")
        .bind(&pod)
        .execute(&mut *first)
        .await
        .unwrap();
    let (pool, its) = (db.pool.clone(), pod.clone());
    let second = tokio::spawn(async move {
        sqlx::query("INSERT INTO pod_jobs (id, pod_id, kind) VALUES ('second', $1, 'destroy')")
            .bind(its)
            .execute(&pool)
            .await
    });
    db.until(SOMEBODY_WAITS).await;
    first.commit().await.unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(db.texts("SELECT id FROM pod_jobs ORDER BY position").await, ["first", "second"]);
    assert_eq!(status(&db, "first").await, "cancelled", "so the destroy saw what was before it");
}

#[tokio::test]
async fn a_job_planned_for_later_lets_others_pass_and_a_retry_does_not() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let later = planned(&db, &pod, "stop", "1 hour").await;
    let create = db.job(&pod, "create").await;
    let start = db.job(&pod, "start").await;

    let claimed = claim(&db, &pod, "a").await.unwrap();
    assert_eq!(claimed.job_id, create);
    jobs::retry(&db.pool, &claimed.fence(), HOUR, "the host is down").await.unwrap();
    assert!(claim(&db, &pod, "a").await.is_none(), "the start waits for the create");

    db.execute(&format!("UPDATE pod_jobs SET run_at = now() WHERE id = '{create}'")).await;
    let again = claim(&db, &pod, "b").await.unwrap();
    assert_eq!((again.job_id.as_str(), again.attempt), (create.as_str(), 2));
    jobs::close(&db.pool, &again.fence(), JobStatus::Succeeded, "").await.unwrap();
    // The planned one stood before the start: now that it is due, it goes first.
    db.execute(&format!("UPDATE pod_jobs SET run_at = now() WHERE id = '{later}'")).await;
    let due = claim(&db, &pod, "a").await.unwrap();
    assert_eq!(due.job_id, later);
    jobs::close(&db.pool, &due.fence(), JobStatus::Succeeded, "").await.unwrap();
    assert_eq!(claim(&db, &pod, "a").await.unwrap().job_id, start);
}

#[tokio::test]
async fn a_planned_job_runs_when_it_is_due() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    let pod = pod(&db, "a").await;
    let later = planned(&db, &pod, "destroy", "2 seconds").await;
    assert_eq!(db.end_of(&later).await.status, "succeeded");
    assert_eq!(db.text("SELECT started_at >= run_at FROM pod_jobs").await, "true");
}

#[tokio::test]
async fn the_higher_priority_goes_first() {
    let db = TestDb::new().await;
    let mut tx = db.pool.begin().await.unwrap();
    for (slug, priority) in [("a", 0), ("b", 10), ("c", -5), ("d", 20), ("e", 10)] {
        sqlx::query(
            "WITH pod AS (INSERT INTO pods (name, slug) VALUES ($1, $1) RETURNING id)
                     INSERT INTO pod_jobs (pod_id, kind, priority) SELECT id, 'destroy', $2 FROM pod",
        )
        .bind(slug)
        .bind(priority)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let _worker = Worker::start_with(&db, &[("CONCURRENCY", "1")]).await;
    db.until("SELECT bool_and(status = 'succeeded') FROM pod_jobs").await;
    let order = db.texts("SELECT priority FROM pod_jobs ORDER BY started_at").await;
    assert_eq!(order, ["20", "10", "10", "0", "-5"]);
}
