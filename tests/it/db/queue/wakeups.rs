//! A committed row is a job and rings; a rolled-back one never was.

use sqlx::postgres::PgListener;

use super::pod;
use crate::support::{TestDb, Worker};

const BELLS: &str = "SELECT convert_from(job, 'UTF8') FROM apalis.jobs ORDER BY id";

#[tokio::test]
async fn a_rolled_back_insert_leaves_no_job_and_no_wakeup() {
    let db = TestDb::new().await;
    let marker = pod(&db, "marker").await;
    let mut heard = PgListener::connect(&db.url()).await.unwrap();
    heard.listen_all(["apalis::job::insert", "pod_events", "pod_job_cancels"]).await.unwrap();

    let mut tx = db.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO pods (id, name, slug) VALUES ('pod_1', 'a', 'a')").execute(&mut *tx).await.unwrap();
    sqlx::query("INSERT INTO pod_jobs (pod_id, kind) VALUES ('pod_1', 'create')").execute(&mut *tx).await.unwrap();
    sqlx::query("INSERT INTO pod_jobs (pod_id, kind) VALUES ('pod_1', 'destroy')").execute(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();

    assert_eq!(db.text("SELECT count(*) FROM pod_jobs").await, "0");
    assert_eq!(db.texts(BELLS).await, Vec::<String>::new());
    // What is heard first is of a job that came later.
    let job = db.job(&marker, "create").await;
    let wakeup = db.text("SELECT id FROM apalis.jobs").await;
    for _ in 0..2 {
        let payload = heard.recv().await.unwrap().payload().to_owned();
        assert!(payload.contains(&job) || payload.contains(&wakeup), "{payload}");
    }
}

#[tokio::test]
async fn a_committed_insert_rings_once_and_not_before() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let mut heard = PgListener::connect(&db.url()).await.unwrap();
    heard.listen("apalis::job::insert").await.unwrap();

    let mut tx = db.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO pod_jobs (pod_id, kind) VALUES ($1, 'create')")
        .bind(&pod)
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(db.texts(BELLS).await, Vec::<String>::new());
    tx.commit().await.unwrap();

    assert_eq!(db.texts(BELLS).await, [format!("\"{pod}\"")]);
    let first = heard.recv().await.unwrap().payload().to_owned();
    assert!(first.contains(&db.text("SELECT id FROM apalis.jobs").await), "{first}");
    // The next thing heard is the marker: there was one ring.
    sqlx::query("SELECT pg_notify('apalis::job::insert', 'marker')").execute(&db.pool).await.unwrap();
    assert_eq!(heard.recv().await.unwrap().payload(), "marker");
}

#[tokio::test]
async fn a_lost_wakeup_is_written_again() {
    let db = TestDb::new().await;
    let worker = Worker::start(&db).await;
    let pod = pod(&db, "a").await;
    // Gone before anybody could hear it.
    let mut tx = db.pool.begin().await.unwrap();
    let job: String = sqlx::query_scalar("INSERT INTO pod_jobs (pod_id, kind) VALUES ($1, 'destroy') RETURNING id")
        .bind(&pod)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    sqlx::query("DELETE FROM apalis.jobs").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(db.end_of(&job).await.status, "succeeded");
    drop(worker);
}

#[tokio::test]
async fn answered_wakeups_leave_nothing_behind() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    let mut last = Vec::new();
    for slug in ["a", "b", "c", "d", "e", "f"] {
        let pod = pod(&db, slug).await;
        for kind in ["stop", "start", "restart"] {
            db.job(&pod, kind).await;
        }
        last.push(db.job(&pod, "destroy").await);
    }
    for job in last {
        assert_eq!(db.end_of(&job).await.status, "succeeded");
    }
    db.until("SELECT count(*) = 0 FROM apalis.jobs").await;
}

#[tokio::test]
async fn a_wakeup_that_is_delivered_twice_runs_the_job_once() {
    let db = TestDb::new().await;
    let _workers = (Worker::start(&db).await, Worker::start(&db).await);
    let mut jobs = Vec::new();
    for slug in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let pod = pod(&db, slug).await;
        let mut tx = db.pool.begin().await.unwrap();
        let job: String = sqlx::query_scalar("INSERT INTO pod_jobs (pod_id, kind) VALUES ($1, 'destroy') RETURNING id")
            .bind(&pod)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        let twice = sqlx::query(
            "INSERT INTO apalis.jobs (id, job_type, job, priority)
             SELECT apalis.generate_ulid(), job_type, job, priority FROM apalis.jobs
             WHERE convert_from(job, 'UTF8') = to_jsonb($1::text)::text",
        );
        assert_eq!(twice.bind(&pod).execute(&mut *tx).await.unwrap().rows_affected(), 1);
        tx.commit().await.unwrap();
        jobs.push(job);
    }
    for job in jobs {
        let end = db.end_of(&job).await;
        assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 1), "{}", end.last_error);
    }
    db.until("SELECT count(*) = 0 FROM apalis.jobs").await;
    // The lease grows with each claim.
    assert_eq!(db.texts("SELECT DISTINCT lease FROM pods").await, ["1"]);
}
