//! `enqueue_pod_job`: the same insert, with a double click collapsed.

use sqlx::PgPool;

use super::{HOUR, SOMEBODY_WAITS, claim, pod, status};
use crate::support::TestDb;

async fn enqueue(db: &TestDb, pod: &str, kind: &str) -> String {
    db.text(&format!("SELECT enqueue_pod_job('{pod}', '{kind}')")).await
}

async fn create(pool: PgPool, pod: String) -> String {
    sqlx::query_scalar("SELECT enqueue_pod_job($1, 'create')").bind(pod).fetch_one(&pool).await.unwrap()
}

#[tokio::test]
async fn a_double_click_is_one_job() {
    let db = TestDb::new().await;
    let (a, b) = (pod(&db, "a").await, pod(&db, "b").await);
    let job = enqueue(&db, &a, "create").await;
    assert_eq!(enqueue(&db, &a, "create").await, job);
    assert_ne!(enqueue(&db, &b, "create").await, job, "another pod's click is another job");
    assert_eq!(db.text("SELECT count(*) FROM apalis.jobs").await, "2");
    // A plain insert is never collapsed.
    assert_ne!(db.job(&a, "create").await, job);
}

#[tokio::test]
async fn a_double_click_from_two_connections_is_one_job() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let mut first = db.pool.begin().await.unwrap();
    let job: String =
        sqlx::query_scalar("SELECT enqueue_pod_job($1, 'create')").bind(&pod).fetch_one(&mut *first).await.unwrap();
    let second = tokio::spawn(create(db.pool.clone(), pod.clone()));
    db.until(SOMEBODY_WAITS).await;
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), job);
    assert_eq!(db.text("SELECT count(*) FROM pod_jobs").await, "1");
}

#[tokio::test]
async fn the_second_click_counts_where_the_first_was_rolled_back() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let mut first = db.pool.begin().await.unwrap();
    sqlx::query("SELECT enqueue_pod_job($1, 'create')").bind(&pod).execute(&mut *first).await.unwrap();
    let second = tokio::spawn(create(db.pool.clone(), pod.clone()));
    db.until(SOMEBODY_WAITS).await;
    first.rollback().await.unwrap();
    let job = second.await.unwrap();
    assert_eq!(db.texts("SELECT id FROM pod_jobs").await, [job]);
}

#[tokio::test]
async fn only_the_last_in_line_collapses_and_only_while_it_is_queued() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let start = enqueue(&db, &pod, "start").await;
    let stop = enqueue(&db, &pod, "stop").await;
    let start_again = enqueue(&db, &pod, "start").await;
    assert!(start != stop && start != start_again, "start, stop, start are three wishes");
    assert_eq!(enqueue(&db, &pod, "start").await, start_again);

    db.execute(&format!("DELETE FROM pod_jobs WHERE id <> '{start}'")).await;
    let claimed = claim(&db, &pod, "a").await.unwrap();
    let behind_running = enqueue(&db, &pod, "start").await;
    assert_ne!(behind_running, start, "what runs may be past the point that was meant");
    assert_eq!(enqueue(&db, &pod, "start").await, behind_running);

    db.execute(&format!("DELETE FROM pod_jobs WHERE id = '{behind_running}'")).await;
    pinacle_worker::store::jobs::retry(&db.pool, &claimed.fence(), HOUR, "for now").await.unwrap();
    assert_eq!(status(&db, &start).await, "retrying");
    assert_ne!(enqueue(&db, &pod, "start").await, start);

    db.execute("UPDATE pod_jobs SET status = 'succeeded'").await;
    assert_ne!(enqueue(&db, &pod, "start").await, start, "a finished job is history");
}

#[tokio::test]
async fn what_was_given_with_it_is_kept() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let job = db
        .text(&format!("SELECT enqueue_pod_job('{pod}', 'create', '{{\"a\": 1}}', '2099-01-01 00:00Z', 7, 'ann')"))
        .await;
    let row = db
        .text(&format!(
            "SELECT (payload, run_at AT TIME ZONE 'UTC', priority, requested_by) FROM pod_jobs WHERE id = '{job}'"
        ))
        .await;
    assert_eq!(row, r#"("{""a"": 1}","2099-01-01 00:00:00",7,ann)"#);
    let named = db.text(&format!("SELECT enqueue_pod_job('{pod}', 'stop', requested_by => 'ben')")).await;
    let row = db
        .text(&format!("SELECT (payload, run_at <= now(), priority, requested_by) FROM pod_jobs WHERE id = '{named}'"))
        .await;
    assert_eq!(row, "({},t,0,ben)");
}

#[tokio::test]
async fn a_job_for_no_pod_is_refused_in_words() {
    let db = TestDb::new().await;
    let error = db.try_text("SELECT enqueue_pod_job('pod_9', 'create')").await.unwrap_err().to_string();
    assert!(error.contains(r#"There is no pod "pod_9". Insert its row into pods first."#), "{error}");
}
